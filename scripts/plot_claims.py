"""Draw the tests of the paper's claims from stored numbers."""

from pathlib import Path

from sfhnet.tools import script_options

if __name__ == "__main__":
    parser = script_options.parser(__doc__)
    parser.add_argument("--claims", type=Path, required=True, metavar="FILE", help="claims.json")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="figure; both .pdf and .png are written"
    )
    args = parser.parse_args()
    script_options.setup(args)

    from sfhnet.config import load_config
    from sfhnet.figures.claims import plot_claims
    from sfhnet.tools.hdf5 import read_json

    plot_claims(read_json(args.claims)["claims"], args.out.with_suffix(""), load_config(args.config).figures)
