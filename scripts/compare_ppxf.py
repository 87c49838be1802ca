"""Put pPXF and the networks side by side on the mocks that pPXF fitted."""

from pathlib import Path

from sfhnet.tools import script_options

if __name__ == "__main__":
    parser = script_options.parser(__doc__)
    parser.add_argument(
        "--chunks", type=Path, nargs="+", required=True, metavar="FILE", help="from fit_ppxf: CASE/CHUNK.h5"
    )
    parser.add_argument(
        "--tunings", type=Path, nargs="+", required=True, metavar="FILE", help="CASE/regularisation.json"
    )
    script_options.add_options(parser, "metrics", "h5")
    parser.add_argument("--out-json", type=Path, required=True, metavar="FILE", help="all metrics")
    parser.add_argument("--out-csv", type=Path, required=True, metavar="FILE", help="the table")
    args = parser.parse_args()
    script_options.setup(args)

    from sfhnet.config import load_config
    from sfhnet.ppxf.comparison_table import compare
    from sfhnet.tools.provenance import provenance

    config = load_config(args.config)
    compare(
        {
            path.parent.name: [chunk for chunk in args.chunks if chunk.parent == path.parent]
            for path in args.tunings
        },
        {path.parent.name: path for path in args.tunings},
        args.metrics,
        numbers=args.h5,
        out_json=args.out_json,
        out_csv=args.out_csv,
        provenance=provenance(
            config.ppxf, modules=["sfhnet.ppxf.comparison_table", __file__], inputs=args.metrics
        ),
    )
