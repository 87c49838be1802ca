"""Draw what each band brings from its stored numbers."""

from pathlib import Path

from sfhnet.tools import script_options

if __name__ == "__main__":
    parser = script_options.parser(__doc__)
    parser.add_argument("--value", type=Path, required=True, metavar="FILE", help="JSON of measure_bands.py")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="figure; both .pdf and .png are written"
    )
    args = parser.parse_args()
    script_options.setup(args)

    from sfhnet.config import load_config
    from sfhnet.figures.band_value import plot_band_value
    from sfhnet.tools.hdf5 import read_json

    plot_band_value(read_json(args.value), args.out.with_suffix(""), load_config(args.config).figures)
