"""Draw the network and pPXF side by side for one galaxy."""

from pathlib import Path

from sfhnet.tools import script_options

if __name__ == "__main__":
    parser = script_options.parser(__doc__)
    script_options.add_options(parser, "spectra", "posterior", "ppxf")
    parser.add_argument(
        "--comparison", type=Path, required=True, metavar="FILE", help="from compare_ppxf_galaxy"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="PNG; the PDF lies beside it")
    args = parser.parse_args()
    script_options.setup(args)

    from sfhnet.config import load_config
    from sfhnet.core.posterior import Posterior
    from sfhnet.core.spectra import Spectra
    from sfhnet.figures.style import save, style
    from sfhnet.ppxf.figures import galaxy_page
    from sfhnet.ppxf.galaxy_fits import read_galaxy
    from sfhnet.tools.hdf5 import read_json

    config = load_config(args.config)
    other, fit = read_galaxy(args.ppxf, "fixed")
    scheme = read_json(args.comparison)["schemes"]["fixed"]
    with style(config.figures):
        page = galaxy_page(
            Spectra.read(args.spectra), Posterior.read(args.posterior), other, fit=fit, comparison=scheme
        )
        save(page, args.out.with_suffix(""))
