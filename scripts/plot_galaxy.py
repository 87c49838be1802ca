"""Draw the pages of a galaxy: summary, checks, example bins, and true against recovered maps where the truth is known."""

from pathlib import Path

from sfhnet.tools import script_options

if __name__ == "__main__":
    parser = script_options.parser(__doc__)
    script_options.add_options(parser, "galaxy", "spectra", "posterior", "predictive")
    parser.add_argument("--bins", type=Path, required=True, metavar="FILE", help="bins.ecsv of map_galaxy")
    parser.add_argument(
        "--summary", type=Path, required=True, metavar="FILE", help="summary.json of map_galaxy"
    )
    parser.add_argument("--model", type=Path, required=True, metavar="FILE", help="model.json: the prior")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="summary.png (a PDF goes beside each page)"
    )
    parser.add_argument("--out-quality", type=Path, required=True, metavar="FILE", help="quality.png")
    parser.add_argument("--out-examples", type=Path, required=True, metavar="FILE", help="examples.png")
    parser.add_argument("--out-truth", type=Path, metavar="FILE", help="truth.png, for a simulated galaxy")
    args = parser.parse_args()
    script_options.setup(args)

    from astropy.table import QTable

    from sfhnet.config import load_config
    from sfhnet.core.posterior import Posterior
    from sfhnet.core.spectra import Spectra
    from sfhnet.figures.bin_pages import examples_page, quality_page
    from sfhnet.figures.galaxy_page import summary_page
    from sfhnet.figures.style import save, style
    from sfhnet.figures.truth_page import truth_page
    from sfhnet.predictive_check.result import Predictive
    from sfhnet.tools.hdf5 import read_json

    config = load_config(args.config)
    spectra, posterior = Spectra.read(args.spectra), Posterior.read(args.posterior)
    predictive, prior = Predictive.read(args.predictive), read_json(args.model)["prior"]
    table, summary = QTable.read(args.bins, format="ascii.ecsv"), read_json(args.summary)
    with style(config.figures):
        save(summary_page(spectra, posterior, table, summary=summary), args.out.with_suffix(""))
        save(quality_page(spectra, posterior, table, prior=prior), args.out_quality.with_suffix(""))
        save(
            examples_page(spectra, posterior, table, predictive=predictive), args.out_examples.with_suffix("")
        )
        if args.out_truth:
            save(truth_page(spectra, posterior, table, summary=summary), args.out_truth.with_suffix(""))
