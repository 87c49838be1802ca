"""Draw pPXF beside the networks from stored numbers."""

from pathlib import Path

from sfhnet.tools import script_options

if __name__ == "__main__":
    parser = script_options.parser(__doc__)
    parser.add_argument("--comparison", type=Path, required=True, metavar="FILE", help="from compare_ppxf")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="PNG; the PDF lies beside it")
    args = parser.parse_args()
    script_options.setup(args)

    from sfhnet.config import load_config
    from sfhnet.ppxf.figures import plot_comparison
    from sfhnet.tools.hdf5 import read_json

    config = load_config(args.config)
    plot_comparison(read_json(args.comparison), args.out.with_suffix(""), config.figures)
