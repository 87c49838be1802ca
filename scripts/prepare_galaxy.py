"""Prepare the spectra and HST fluxes of one galaxy for inference.

Without --filters HST is not compared with MUSE.
"""

from pathlib import Path

from sfhnet.tools import script_options

if __name__ == "__main__":
    parser = script_options.parser(__doc__)
    script_options.add_options(parser, "galaxy", "ssp")
    parser.add_argument(
        "--data",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="cube or spectrum (default: as the sheet says); for a simulated galaxy its folder or files",
    )
    script_options.add_options(parser, "filters", required=False)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="spectra.h5")
    args = parser.parse_args()
    script_options.setup(args)

    import logging

    from pyprospect.stars.library import SSPLibrary
    from sfhnet.config import load_config
    from sfhnet.core.flags import count
    from sfhnet.observation.galaxy_files import target_of
    from sfhnet.observation.prepare import prepare
    from sfhnet.sources.checksums import check_recorded
    from sfhnet.sources.sample_sheet import load_sheet, row_of
    from sfhnet.tools.provenance import provenance

    log = logging.getLogger("sfhnet.prepare_galaxy")
    config = load_config(args.config)
    row = row_of(
        load_sheet(config.galaxies.sheet, config.bands, data_dir=config.galaxies.data_dir),
        args.galaxy,
        config.galaxies.sheet,
    )
    files = args.data or [row.data_path(config.sources.data_dir)]
    target = target_of(row, files, config.galaxies, simulated=config.simulated_galaxy, bands=config.bands)
    # What was fetched is what is prepared: each file against the checksum recorded when it arrived.
    for path in (target.data, target.maps, *target.images.values()):
        if path is not None and path.is_file():
            check_recorded(path)
    curves = None
    if args.filters and target.images:
        from sfhnet.mocks.filters_and_lines import load_bands

        curves = load_bands(args.filters, target.images)
    bands = tuple(config.bands)
    spectra = prepare(
        target, config.galaxies, config.grid, band_names=bands, ssp=SSPLibrary.read(args.ssp), curves=curves
    )
    inputs = {"ssp": args.ssp, "data": target.data, **dict(target.images)}
    spectra.write(
        args.out,
        provenance(
            config=config.galaxies,
            modules=["sfhnet.observation.prepare", __file__],
            inputs=inputs,
            galaxy=args.galaxy,
        ),
    )
    log.info(
        "wrote %s: %d spectra, S/N %.0f, z = %.5f, flags %s",
        args.out,
        spectra.n,
        sorted(spectra.snr)[spectra.n // 2],
        spectra.meta["redshift_systemic"],
        count(spectra.flags) or "none",
    )
