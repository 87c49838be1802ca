"""Train one network on shards of mocks; resumes from its checkpoint; stops cleanly on SIGTERM.

Several GPUs: torchrun --nproc-per-node N -- scripts/train_model.py ... (each process takes its own GPU).
"""

import os
from pathlib import Path

from sfhnet import cli

if __name__ == "__main__":
    parser = cli.parser(__doc__)
    parser.add_argument(
        "--model", required=True, help="name of the model, a key of models in the configuration"
    )
    parser.add_argument(
        "--shards", type=Path, nargs="+", required=True, metavar="FILE", help="training mocks"
    )
    parser.add_argument(
        "--validation", type=Path, nargs="+", required=True, metavar="FILE", help="held-out mocks"
    )
    parser.add_argument("--out-dir", type=Path, required=True, metavar="DIR", help="folder of the model")
    parser.add_argument("--fresh", action="store_true", help="ignore a checkpoint that is there")
    args = parser.parse_args()
    # The processes of torchrun share the threads; the first writes the log.
    if args.threads is not None:
        args.threads = max(1, args.threads // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    if os.environ.get("RANK", "0") != "0":
        args.log = None
    cli.setup(args)

    import sys

    from sfhnet.config import load_config
    from sfhnet.dataset import Mocks
    from sfhnet.loss_curve import plot_history
    from sfhnet.provenance import provenance
    from sfhnet.train import Preempted, Trainer, distributed, make_spec, training_config

    config = load_config(args.config)
    training = training_config(config, args.model)
    mocks, held_out = Mocks(args.shards, training.cache_gb), Mocks(args.validation, training.cache_gb)
    with distributed(training):
        trainer = Trainer(
            make_spec(config.models[args.model], len(mocks.wave_aa), mocks.band_names, mocks.age_edges_myr),
            training,
            config.noise,
            mocks,
            held_out,
            args.out_dir,
            config.seed,
            provenance(
                {
                    "training": training.model_dump(mode="json"),
                    "noise": config.noise.model_dump(mode="json"),
                    "model": config.models[args.model].model_dump(mode="json"),
                },
                modules=["sfhnet.train", __file__],
                inputs=[*args.shards, *args.validation],
                seed=config.seed,
            ),
            on_epoch=lambda history: plot_history(history, args.out_dir / "loss", args.model, config.figures),
        )
        try:
            trainer.run(resume=not args.fresh)
        except Preempted as stop:
            sys.exit(f"{stop}")
