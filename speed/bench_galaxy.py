"""Measure the speed of inference, check and maps for a galaxy of many bins: copies of those of a prepared one.

Needs a trained model and a prepared galaxy: snakemake results/galaxies/simulated/posterior.h5.
"""

from pathlib import Path

from sfhnet.tools import script_options

if __name__ == "__main__":
    parser = script_options.parser(__doc__)
    script_options.add_options(
        parser, "spectra", "model-dir", "ssp", "filters", "mappings", "cloudy", required=False
    )
    parser.set_defaults(
        spectra=Path("results/galaxies/simulated/spectra.h5"),
        model_dir=Path("results/model/flow"),
        ssp=Path("results/ssp/emiles_bc03.h5"),
        filters=Path("data/hst_filters"),
        mappings=Path("data/mappings51/NB_HII_grid.fits.gz"),
        cloudy=Path("data/cloudy_lines/bc03_miles_nebular_line_grids_extended_logU_nograins_cloudy25.fits"),
    )
    parser.add_argument("--bins", type=int, default=20000, help="bins of the galaxy")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the table there too (Markdown)")
    args = parser.parse_args()
    script_options.setup(args)

    import sys
    import tempfile

    from galaxy_copies import replicate, run
    from sfhnet.config import load_config
    from sfhnet.core.spectra import Spectra
    from sfhnet.inference.model import load
    from sfhnet.predictive_check.forward_model import load_forward
    from sfhnet.tools import hdf5

    config = load_config(args.config)
    with tempfile.TemporaryDirectory() as folder:
        text = run(
            replicate(Spectra.read(args.spectra), args.bins),
            load(args.model_dir),
            load_forward(config, args.ssp, args.filters, mappings=args.mappings, cloudy=args.cloudy),
            config,
            hdf5.read_json(args.model_dir / "model.json")["prior"],
            Path(folder),
        )
    sys.stdout.write(text)
    if args.out:
        hdf5.write_text(args.out, text)
