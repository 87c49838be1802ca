"""Train one network on shards of mocks, or on galaxies drawn meanwhile; resumes from its checkpoint; stops cleanly on SIGTERM.

Several GPUs: torchrun --nproc-per-node N -- scripts/train_model.py ... (each process takes its own GPU).
"""

import os
from pathlib import Path

from sfhnet.tools import script_options

if __name__ == "__main__":
    parser = script_options.parser(__doc__)
    parser.add_argument(
        "--model", required=True, help="name of the model, a key of models in the configuration"
    )
    parser.add_argument(
        "--shards", type=Path, nargs="*", metavar="FILE", help="if training.source is shards: these"
    )
    parser.add_argument(
        "--forward", type=Path, nargs="?", metavar="FILE", help="if it is stream: of pack_forward"
    )
    script_options.add_options(parser, "validation")
    parser.add_argument("--out-dir", type=Path, required=True, metavar="DIR", help="folder of the model")
    parser.add_argument("--fresh", action="store_true", help="ignore a checkpoint that is there")
    args = parser.parse_args()
    # The processes of torchrun share the threads; the first writes the log.
    if args.threads is not None:
        args.threads = max(1, args.threads // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    if os.environ.get("RANK", "0") != "0":
        args.log = None
    script_options.setup(args)

    import sys

    from sfhnet.config import load_config
    from sfhnet.figures.loss_curve import plot_history
    from sfhnet.mocks.dataset import Mocks
    from sfhnet.tools.provenance import provenance
    from sfhnet.training.setup import distributed, training_config
    from sfhnet.training.stream_run import train_on_stream
    from sfhnet.training.trainer import Preempted, Trainer
    from sfhnet.training.transfer import spec_and_start

    config = load_config(args.config)
    training = training_config(config, args.model)
    held_out = Mocks(args.validation, training.cache_gb)
    streamed = training.source == "stream"
    if not (args.forward if streamed else args.shards):
        raise SystemExit(
            f"training.source of {args.model} is {training.source}; give --{'forward' if streamed else 'shards'}"
        )
    made_of = [args.forward] if streamed else args.shards
    options = {
        "held_out": held_out,
        "folder": args.out_dir,
        "provenance": provenance(
            {
                "training": training.model_dump(mode="json"),
                "noise": config.noise.model_dump(mode="json"),
                "model": config.models[args.model].model_dump(mode="json"),
            },
            modules=["sfhnet.training.trainer", __file__],
            inputs=[*made_of, *args.validation],
            seed=config.seed,
        ),
        "on_epoch": lambda history: plot_history(
            history, args.out_dir / "loss", args.model, config=config.figures
        ),
    }
    with distributed(training):
        try:
            if streamed:
                train_on_stream(config, args.model, args.forward, fresh=args.fresh, **options)
            else:
                mocks = Mocks(args.shards, training.cache_gb)
                spec, start = spec_and_start(config.models[args.model], mocks)
                trainer = Trainer(
                    spec, training, config.noise, mocks=mocks, seed=config.seed, start=start, **options
                )
                trainer.run(resume=not args.fresh)
        except Preempted as stop:
            sys.exit(f"{stop}")
