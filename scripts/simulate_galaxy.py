"""Make the simulated galaxy: a MUSE-like cube, HST images, and the true maps."""

from pathlib import Path

from sfhnet.tools import script_options

if __name__ == "__main__":
    parser = script_options.parser(__doc__)
    script_options.add_options(parser, "ssp", "filters", "mappings", "cloudy")
    parser.add_argument(
        "--out-dir", type=Path, required=True, metavar="DIR", help="cube.fits, truth.fits, hst_*.fits"
    )
    args = parser.parse_args()
    script_options.setup(args)

    import logging

    import numpy as np

    from pyprospect.stars.library import SSPLibrary
    from sfhnet.config import load_config
    from sfhnet.mocks.benchmark_noise import BENCHMARK_NOISE
    from sfhnet.mocks.dust_emission import dust_templates
    from sfhnet.mocks.filters_and_lines import load_bands, load_lines
    from sfhnet.mocks.synthesize import halpha_of_photons
    from sfhnet.simulated_galaxy.observe import LINE_RANGE_AA, simulate_galaxy

    log = logging.getLogger("sfhnet.simulate_galaxy")
    config = load_config(args.config)
    ssp = SSPLibrary.read(args.ssp)
    files = simulate_galaxy(
        config.simulated_galaxy,
        ssp,
        load_bands(args.filters, config.bands),
        age_edges_yr=1e6 * np.asarray(config.age_bins_myr, dtype=float),
        out_dir=args.out_dir,
        seed=config.seed,
        lines=load_lines(args.mappings, *LINE_RANGE_AA, cloudy=args.cloudy),
        halpha_lsol_per_msol=halpha_of_photons(ssp) if config.synthesis.halpha == "photons" else None,
        dust_templates=dust_templates(config),
        noise=BENCHMARK_NOISE if config.simulated_galaxy.shared_errors else None,
    )
    log.info("wrote %s, %s and %d HST images", files.cube, files.truth, len(files.images))
