"""Draw pPXF beside the networks from stored numbers."""

from pathlib import Path

from sfhnet import cli

if __name__ == "__main__":
    parser = cli.parser(__doc__)
    parser.add_argument("--comparison", type=Path, required=True, metavar="FILE", help="from compare_ppxf")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="PNG; the PDF lies beside it")
    args = parser.parse_args()
    cli.setup(args)

    from sfhnet.config import load_config
    from sfhnet.io import read_json
    from sfhnet.ppxf.figures import plot_comparison

    config = load_config(args.config)
    plot_comparison(read_json(args.comparison), args.out.with_suffix(""), config.figures)
