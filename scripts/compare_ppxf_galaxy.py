"""Compare the answers of the network and of pPXF for one galaxy."""

from pathlib import Path

from sfhnet.tools import script_options

if __name__ == "__main__":
    parser = script_options.parser(__doc__)
    script_options.add_options(parser, "spectra", "posterior", "predictive", "ppxf")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="JSON")
    args = parser.parse_args()
    script_options.setup(args)

    from sfhnet.core.posterior import Posterior
    from sfhnet.core.spectra import Spectra
    from sfhnet.ppxf.galaxy_fits import compare_galaxy
    from sfhnet.predictive_check.result import Predictive
    from sfhnet.tools.provenance import provenance

    compare_galaxy(
        Spectra.read(args.spectra),
        Posterior.read(args.posterior),
        Predictive.read(args.predictive),
        ppxf=args.ppxf,
        out=args.out,
        provenance=provenance(
            modules=["sfhnet.ppxf.galaxy_fits", __file__], inputs=[args.posterior, args.predictive, args.ppxf]
        ),
    )
