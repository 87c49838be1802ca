"""Draw the validation figures from stored numbers; several models are drawn side by side."""

from pathlib import Path

from sfhnet.tools import script_options

if __name__ == "__main__":
    parser = script_options.parser(__doc__)
    script_options.add_options(parser, "metrics", "h5")
    parser.add_argument(
        "--model-dirs", type=Path, nargs="+", default=[], metavar="DIR", help="for histories and drawings"
    )
    parser.add_argument("--figures", nargs="+", metavar="NAME", help="only these (default: all)")
    parser.add_argument("--out-dir", type=Path, required=True, metavar="DIR", help="folder of the figures")
    args = parser.parse_args()
    script_options.setup(args)

    from sfhnet.config import load_config
    from sfhnet.figures.validation import draw_validation

    config = load_config(args.config)
    draw_validation(
        args.metrics,
        args.h5,
        args.model_dirs,
        out_dir=args.out_dir,
        config=config.figures,
        names=args.figures,
    )
