"""Train a network for some epochs and measure it: one point of the learning curve."""

from pathlib import Path

from sfhnet.tools import script_options

if __name__ == "__main__":
    parser = script_options.parser(__doc__)
    script_options.add_options(parser, "shards", "validation")
    parser.add_argument("--size", type=int, required=True, metavar="N", help="epochs")
    parser.add_argument("--test", type=Path, nargs="+", required=True, metavar="FILE", help="test mocks")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="JSON; the model lies beside it"
    )
    args = parser.parse_args()
    script_options.setup(args)

    import sys

    from sfhnet.config import load_config
    from sfhnet.tools.hdf5 import write_json
    from sfhnet.tools.provenance import provenance
    from sfhnet.training.trainer import Preempted
    from sfhnet.validation.learning_curve import learning_point

    config = load_config(args.config)
    made = provenance(
        {
            name: getattr(config, name).model_dump(mode="json")
            for name in ("training", "noise", "learning_curve")
        },
        modules=["sfhnet.validation.learning_curve", __file__],
        inputs=[*args.shards, *args.validation, *args.test],
        seed=config.seed,
    )
    try:
        point = learning_point(
            config,
            args.shards,
            args.size,
            validation=args.validation,
            test=args.test,
            folder=args.out.with_suffix(""),
            provenance=made,
        )
    except Preempted as stop:
        sys.exit(f"{stop}")
    write_json(args.out, point | {"schema_version": "sfhnet.learning_point/2", "provenance": made})
