"""Write one HTML page of the run: metrics, figures, galaxies, provenance."""

from pathlib import Path

from sfhnet.tools import script_options

if __name__ == "__main__":
    parser = script_options.parser(__doc__)
    script_options.add_options(parser, "metrics")
    parser.add_argument(
        "--figures", type=Path, nargs="*", default=[], metavar="FILE", help="PNG of prior and validation"
    )
    parser.add_argument(
        "--galaxies",
        type=Path,
        nargs="*",
        default=[],
        metavar="DIR",
        help="folders with summary.json and PNG files",
    )
    parser.add_argument(
        "--templates", type=Path, required=True, metavar="DIR", help="page and captions (report/)"
    )
    parser.add_argument(
        "--ppxf", type=Path, nargs="*", default=[], metavar="FILE", help="comparison.json, where there is one"
    )
    parser.add_argument(
        "--foreign",
        type=Path,
        nargs="*",
        default=[],
        metavar="FILE",
        help="of measure_foreign, where there are any",
    )
    parser.add_argument(
        "--learning", type=Path, nargs="*", default=[], metavar="FILE", help="points of the learning curve"
    )
    parser.add_argument(
        "--benchmarks", type=Path, metavar="DIR", help="time and memory of jobs, a folder a step"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="HTML file")
    args = parser.parse_args()
    script_options.setup(args)

    from sfhnet.config import load_config
    from sfhnet.figures.report_page import write_report

    write_report(
        args.out,
        args.templates,
        load_config(args.config),
        metrics=args.metrics,
        figures=args.figures,
        galaxies=args.galaxies,
        learning=args.learning,
        comparison=args.ppxf[0] if args.ppxf else None,
        foreign=args.foreign,
        benchmarks=args.benchmarks,
    )
