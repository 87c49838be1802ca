"""Draw the learning curve from its stored points."""

from pathlib import Path

from sfhnet.tools import script_options

if __name__ == "__main__":
    parser = script_options.parser(__doc__)
    parser.add_argument(
        "--points", type=Path, nargs="+", required=True, metavar="FILE", help="JSON of learning_point.py"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="figure; both .pdf and .png are written"
    )
    args = parser.parse_args()
    script_options.setup(args)

    from sfhnet.config import load_config
    from sfhnet.figures.learning_curve import plot_learning_curve
    from sfhnet.tools.hdf5 import read_json

    points = [read_json(path) for path in args.points]
    plot_learning_curve(points, args.out.with_suffix(""), load_config(args.config).figures)
