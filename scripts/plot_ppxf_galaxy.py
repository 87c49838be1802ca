"""Draw the network and pPXF side by side for one galaxy."""

from pathlib import Path

from sfhnet import cli

if __name__ == "__main__":
    parser = cli.parser(__doc__)
    parser.add_argument("--spectra", type=Path, required=True, metavar="FILE", help="from prepare_galaxy")
    parser.add_argument("--posterior", type=Path, required=True, metavar="FILE", help="from infer_galaxy")
    parser.add_argument("--ppxf", type=Path, required=True, metavar="FILE", help="from fit_ppxf_galaxy")
    parser.add_argument(
        "--comparison", type=Path, required=True, metavar="FILE", help="from compare_ppxf_galaxy"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="PNG; the PDF lies beside it")
    args = parser.parse_args()
    cli.setup(args)

    from sfhnet.config import load_config
    from sfhnet.figure_style import save, style
    from sfhnet.io import read_json
    from sfhnet.posterior import Posterior
    from sfhnet.ppxf.figures import galaxy_page
    from sfhnet.ppxf.galaxies import read_galaxy
    from sfhnet.spectra import Spectra

    config = load_config(args.config)
    other, fit = read_galaxy(args.ppxf, "fixed")
    scheme = read_json(args.comparison)["schemes"]["fixed"]
    with style(config.figures):
        page = galaxy_page(Spectra.read(args.spectra), Posterior.read(args.posterior), other, fit, scheme)
        save(page, args.out.with_suffix(""))
