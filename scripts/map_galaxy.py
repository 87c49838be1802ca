"""Turn the answers for a galaxy into maps, a table and a summary."""

from pathlib import Path

from sfhnet import cli

if __name__ == "__main__":
    parser = cli.parser(__doc__)
    parser.add_argument("--galaxy", required=True, metavar="NAME", help="name in the galaxy table")
    parser.add_argument("--spectra", type=Path, required=True, metavar="FILE", help="spectra.h5")
    parser.add_argument("--posterior", type=Path, required=True, metavar="FILE", help="posterior.h5")
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
    parser.add_argument("--out-json", type=Path, metavar="FILE", help="summary.json")
    args = parser.parse_args()
    cli.setup(args)

    import logging

    from sfhnet.galaxy_summary import prior_labels, summarise
    from sfhnet.io import write_json
    from sfhnet.maps import bin_columns, write_maps, write_table
    from sfhnet.posterior import Posterior
    from sfhnet.provenance import provenance
    from sfhnet.spectra import Spectra

    log = logging.getLogger("sfhnet.map_galaxy")
    spectra, posterior = Spectra.read(args.spectra), Posterior.read(args.posterior)
    if spectra.galaxy != args.galaxy:
        raise ValueError(
            f"{args.spectra} holds {spectra.galaxy}, not {args.galaxy}; give the file of that galaxy"
        )
    made = provenance(
        modules=["sfhnet.maps", "sfhnet.galaxy_summary", __file__], inputs=[args.spectra, args.posterior]
    )
    table = bin_columns(spectra, posterior)
    write_maps(args.out_maps, spectra, posterior, table, made)
    summary = summarise(spectra, posterior, table, prior_labels(args.library) if args.library else None)
    write_table(args.out_bins, table, {"galaxy": args.galaxy, "verdict": summary["verdict"]})
    if args.out_json:
        write_json(args.out_json, summary | {"provenance": made})
    for sentence in summary["verdict"]:
        log.info("%s: %s", args.galaxy, sentence)
    for name, entry in summary.get("truth", {}).items():
        log.info(
            "%s: %s recovered to %.3f (prior mean: %s)",
            args.galaxy,
            name,
            entry["rms"],
            entry.get("rms_prior_mean"),
        )
