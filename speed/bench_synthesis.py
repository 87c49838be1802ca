"""Measure the speed of synthesis against batch, threads and device, beside what the machine can do.

Needs the fetched sources and an SSP library: make fetch, then snakemake results/ssp/emiles_bc03.h5.
"""

from pathlib import Path

from sfhnet.tools import script_options

if __name__ == "__main__":
    parser = script_options.parser(__doc__)
    script_options.add_options(parser, "ssp", "filters", "mappings", "cloudy", required=False)
    parser.set_defaults(
        ssp=Path("results/ssp/emiles_bc03.h5"),
        filters=Path("data/hst_filters"),
        mappings=Path("data/mappings51/NB_HII_grid.fits.gz"),
        cloudy=Path("data/cloudy_lines/bc03_miles_nebular_line_grids_extended_logU_nograins_cloudy25.fits"),
    )
    parser.add_argument("--galaxies", type=int, default=10000, help="galaxies of the end-to-end measurement")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the table there too (Markdown)")
    args = parser.parse_args()
    script_options.setup(args)

    import os
    import sys

    import torch

    import synthesis_table
    from pyprospect.stars.library import SSPLibrary
    from sfhnet.config import load_config
    from sfhnet.mocks.filters_and_lines import load_bands, load_lines
    from sfhnet.mocks.synthesize import line_range_aa, make_synthesizer
    from sfhnet.tools import hdf5

    config = load_config(args.config)
    bands = load_bands(args.filters, config.bands)
    library, lines = (
        SSPLibrary.read(args.ssp),
        load_lines(args.mappings, *line_range_aa(config, bands), cloudy=args.cloudy),
    )
    most = args.threads or min(os.cpu_count() or 1, torch.get_num_threads())
    text = synthesis_table.run(
        lambda **options: make_synthesizer(config, library, bands, lines=lines, **options),
        config,
        sorted({1, most}),
        args.galaxies,
    )
    sys.stdout.write(text)
    if args.out:
        hdf5.write_text(args.out, text)
