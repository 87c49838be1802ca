"""Write the page of a galaxy on which every bin can be clicked."""

from pathlib import Path

from sfhnet.tools import script_options

if __name__ == "__main__":
    parser = script_options.parser(__doc__)
    script_options.add_options(parser, "galaxy", "spectra", "posterior", "predictive")
    parser.add_argument("--bins", type=Path, required=True, metavar="FILE", help="bins.ecsv of map_galaxy")
    parser.add_argument(
        "--ppxf", type=Path, metavar="FILE", help="ppxf.h5 of fit_ppxf_galaxy, to show beside"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="explorer.html")
    args = parser.parse_args()
    script_options.setup(args)

    from sfhnet.explorer.from_files import explore
    from sfhnet.tools.provenance import provenance

    explore(
        args.out,
        args.galaxy,
        spectra=args.spectra,
        posterior=args.posterior,
        predictive=args.predictive,
        bins=args.bins,
        ppxf=args.ppxf,
        provenance=provenance(
            modules=["sfhnet.explorer.page", __file__], inputs=[args.spectra, args.posterior]
        ),
    )
