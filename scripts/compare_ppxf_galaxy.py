"""Compare the answers of the network and of pPXF for one galaxy."""

from pathlib import Path

from sfhnet import cli

if __name__ == "__main__":
    parser = cli.parser(__doc__)
    parser.add_argument("--spectra", type=Path, required=True, metavar="FILE", help="from prepare_galaxy")
    parser.add_argument("--posterior", type=Path, required=True, metavar="FILE", help="from infer_galaxy")
    parser.add_argument("--predictive", type=Path, required=True, metavar="FILE", help="from check_galaxy")
    parser.add_argument("--ppxf", type=Path, required=True, metavar="FILE", help="from fit_ppxf_galaxy")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="JSON")
    args = parser.parse_args()
    cli.setup(args)

    from sfhnet.posterior import Posterior
    from sfhnet.ppxf.galaxies import compare_galaxy
    from sfhnet.predictive import Predictive
    from sfhnet.provenance import provenance
    from sfhnet.spectra import Spectra

    compare_galaxy(
        Spectra.read(args.spectra),
        Posterior.read(args.posterior),
        Predictive.read(args.predictive),
        args.ppxf,
        args.out,
        provenance(
            modules=["sfhnet.ppxf.galaxies", __file__], inputs=[args.posterior, args.predictive, args.ppxf]
        ),
    )
