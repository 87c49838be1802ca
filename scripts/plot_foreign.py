"""Draw networks on galaxies that no training knew, from stored numbers."""

from pathlib import Path

from sfhnet.tools import script_options

if __name__ == "__main__":
    parser = script_options.parser(__doc__)
    parser.add_argument(
        "--measured", type=Path, nargs="+", required=True, metavar="FILE", help="of measure_foreign"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="PNG; the PDF lies beside it")
    args = parser.parse_args()
    script_options.setup(args)

    from sfhnet.config import load_config
    from sfhnet.figures.foreign import plot_foreign
    from sfhnet.tools.hdf5 import read_json

    config = load_config(args.config)
    plot_foreign([read_json(path) for path in args.measured], args.out.with_suffix(""), config.figures)
