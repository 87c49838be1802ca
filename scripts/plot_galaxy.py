"""Draw the summary page of a galaxy, and true against recovered maps where the truth is known."""

from pathlib import Path

from sfhnet import cli

if __name__ == "__main__":
    parser = cli.parser(__doc__)
    parser.add_argument("--galaxy", required=True, metavar="NAME", help="name in the galaxy table")
    parser.add_argument("--spectra", type=Path, required=True, metavar="FILE", help="spectra.h5")
    parser.add_argument("--posterior", type=Path, required=True, metavar="FILE", help="posterior.h5")
    parser.add_argument(
        "--summary", type=Path, required=True, metavar="FILE", help="summary.json of map_galaxy"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="summary.png (a PDF goes beside it)"
    )
    parser.add_argument("--out-truth", type=Path, metavar="FILE", help="truth.png, for a simulated galaxy")
    args = parser.parse_args()
    cli.setup(args)

    from sfhnet.config import load_config
    from sfhnet.figure_style import save, style
    from sfhnet.galaxy_figures import summary_page, truth_page
    from sfhnet.io import read_json
    from sfhnet.maps import bin_columns
    from sfhnet.posterior import Posterior
    from sfhnet.spectra import Spectra

    config = load_config(args.config)
    spectra, posterior = Spectra.read(args.spectra), Posterior.read(args.posterior)
    table, summary = bin_columns(spectra, posterior), read_json(args.summary)
    with style(config.figures):
        save(summary_page(spectra, posterior, table, summary), args.out.with_suffix(""))
        if args.out_truth:
            save(truth_page(spectra, posterior, table, summary), args.out_truth.with_suffix(""))
