"""Draw the tests of the paper's claims from stored numbers."""

from pathlib import Path

from sfhnet import cli

if __name__ == "__main__":
    parser = cli.parser(__doc__)
    parser.add_argument("--claims", type=Path, required=True, metavar="FILE", help="claims.json")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="figure; both .pdf and .png are written"
    )
    args = parser.parse_args()
    cli.setup(args)

    from sfhnet.claims_figures import plot_claims
    from sfhnet.config import load_config
    from sfhnet.io import read_json

    plot_claims(read_json(args.claims)["claims"], args.out.with_suffix(""), load_config(args.config).figures)
