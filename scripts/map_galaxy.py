"""Turn the answers for a galaxy into maps, a table, spectra and a summary."""

from pathlib import Path

from sfhnet.tools import script_options

if __name__ == "__main__":
    parser = script_options.parser(__doc__)
    script_options.add_options(parser, "galaxy", "spectra", "posterior")
    script_options.add_options(parser, "predictive", "ssp", required=False)
    parser.add_argument(
        "--model",
        type=Path,
        required=True,
        metavar="FILE",
        help="model.json: the prior, for what the data added, and the resolution",
    )
    parser.add_argument("--summed", type=Path, metavar="FILE", help="summed.h5 of infer_galaxy")
    parser.add_argument(
        "--summed-spectrum", type=Path, metavar="FILE", help="summed_spectrum.h5 of infer_galaxy"
    )
    parser.add_argument(
        "--library",
        type=Path,
        nargs="*",
        default=[],
        metavar="FILE",
        help="held-out shards: the prior mean to beat",
    )
    parser.add_argument("--out-maps", type=Path, required=True, metavar="FILE", help="maps.fits")
    parser.add_argument("--out-bins", type=Path, required=True, metavar="FILE", help="bins.ecsv")
    parser.add_argument("--out-spectra", type=Path, metavar="FILE", help="bin_spectra.fits")
    parser.add_argument("--out-json", type=Path, metavar="FILE", help="summary.json")
    args = parser.parse_args()
    script_options.setup(args)
    if bool(args.summed) != bool(args.summed_spectrum):
        parser.error("--summed and --summed-spectrum belong together; give both or neither")

    from sfhnet.core.posterior import Posterior
    from sfhnet.core.spectra import Spectra
    from sfhnet.predictive_check.result import Predictive
    from sfhnet.products.galaxy_products import write_galaxy_products
    from sfhnet.tools.hdf5 import read_json
    from sfhnet.tools.provenance import provenance

    spectra = Spectra.read(args.spectra)
    if spectra.galaxy != args.galaxy:
        raise ValueError(
            f"{args.spectra} holds {spectra.galaxy}, not {args.galaxy}; give the file of that galaxy"
        )
    summed = (Spectra.read(args.summed_spectrum), Posterior.read(args.summed)) if args.summed else None
    write_galaxy_products(
        spectra,
        Posterior.read(args.posterior),
        read_json(args.model),
        predictive=Predictive.read(args.predictive) if args.predictive else None,
        summed=summed,
        held_out=args.library,
        ssp=args.ssp,
        out_maps=args.out_maps,
        out_bins=args.out_bins,
        out_spectra=args.out_spectra,
        out_json=args.out_json,
        provenance=provenance(
            modules=["sfhnet.products.galaxy_products", __file__], inputs=[args.spectra, args.posterior]
        ),
    )
