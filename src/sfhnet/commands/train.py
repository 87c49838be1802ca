"""``sfhnet train NAME --seconds N``: a network for the time there is, from galaxies drawn meanwhile; no shards are needed."""

from __future__ import annotations

import argparse
from pathlib import Path

from sfhnet.tools.script_options import Parser, add_config, setup

__all__ = ["add_arguments", "run"]


def add_arguments(parser: Parser) -> None:
    """Declare the options."""
    parser.add_argument(
        "model", metavar="NAME", help="network to train, a key of models in the configuration"
    )
    parser.add_argument(
        "--seconds", type=float, metavar="N", help="train for this long (default: training.draws decides)"
    )
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="folder of the model")
    parser.add_argument(
        "--forward",
        type=Path,
        default=Path("results/forward.safetensors"),
        metavar="FILE",
        help="forward model, made by sfhnet run FILE (default: results/forward.safetensors)",
    )
    add_config(parser)
    parser.add_argument(
        "--validation",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="shards held out (default: galaxies of the stream that no training sees)",
    )
    parser.add_argument(
        "--bank",
        type=Path,
        metavar="DIR",
        help="keep draws here, up to training.bank_gb, for a run that goes on",
    )
    parser.add_argument("--log", type=Path, metavar="FILE", help="write plain progress lines to this file")
    parser.add_argument(
        "--threads", type=int, metavar="N", help="threads to use (default: all that are given)"
    )
    parser.add_argument("--fresh", action="store_true", help="ignore a checkpoint that is there")
    parser.add_argument(
        "--carry", type=Path, metavar="DIR", help="also write the folder here in files of 16 MiB at most"
    )


def run(args: argparse.Namespace) -> int:
    """Do it; give the exit status."""
    setup(argparse.Namespace(log=args.log, require_env=False, threads=args.threads))

    from sfhnet.config import Config, load_config
    from sfhnet.mocks.dataset import Mocks
    from sfhnet.tools.provenance import provenance
    from sfhnet.training.carried import carry
    from sfhnet.training.setup import training_config
    from sfhnet.training.stream_run import train_on_stream
    from sfhnet.training.trainer import Preempted

    config = load_config(args.config)
    training_config(config, args.model)
    told = {"source": "stream"} | ({} if args.seconds is None else {"seconds": args.seconds})
    data = config.model_dump(mode="json")
    data["models"][args.model]["training"] |= told
    config = Config.model_validate(data)
    training = training_config(config, args.model)
    held_out = None if args.validation is None else Mocks(args.validation, training.cache_gb)
    sections = {"training": training, "noise": config.noise, "model": config.models[args.model]}
    stopped = None
    try:
        train_on_stream(
            config,
            args.model,
            args.forward,
            folder=args.out,
            held_out=held_out,
            bank=args.bank,
            fresh=args.fresh,
            provenance=provenance(
                {name: section.model_dump(mode="json") for name, section in sections.items()},
                modules=["sfhnet.training.trainer"],
                inputs=[args.forward, *(args.validation or [])],
                seed=config.seed,
            ),
        )
    except Preempted as stop:
        stopped = stop
    if args.carry is not None:
        print(f"{args.carry}: {carry(args.out, args.carry)}")
    print(f"{args.out}: {stopped or 'trained'}")
    return 0 if stopped is None else 1
