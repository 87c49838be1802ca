"""Turn the answers for a galaxy into maps, a table and a summary."""

from pathlib import Path

from sfhnet.tools import script_options

if __name__ == "__main__":
    parser = script_options.parser(__doc__)
    script_options.add_options(parser, "galaxy", "spectra", "posterior")
    script_options.add_options(parser, "predictive", required=False)
    parser.add_argument(
        "--model",
        type=Path,
        required=True,
        metavar="FILE",
        help="model.json: the prior, for what the data added",
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
    parser.add_argument("--out-json", type=Path, metavar="FILE", help="summary.json")
    args = parser.parse_args()
    script_options.setup(args)
    if bool(args.summed) != bool(args.summed_spectrum):
        parser.error("--summed and --summed-spectrum belong together; give both or neither")

    import logging

    from sfhnet.core.posterior import Posterior
    from sfhnet.core.spectra import Spectra
    from sfhnet.predictive_check.result import Predictive
    from sfhnet.products.bin_table import bin_columns
    from sfhnet.products.comparisons import prior_labels
    from sfhnet.products.galaxy_summary import summarise
    from sfhnet.products.maps import write_maps, write_table
    from sfhnet.tools.hdf5 import read_json, write_json
    from sfhnet.tools.provenance import provenance

    log = logging.getLogger("sfhnet.map_galaxy")
    spectra, posterior = Spectra.read(args.spectra), Posterior.read(args.posterior)
    if spectra.galaxy != args.galaxy:
        raise ValueError(
            f"{args.spectra} holds {spectra.galaxy}, not {args.galaxy}; give the file of that galaxy"
        )
    made = provenance(
        modules=["sfhnet.products.maps", "sfhnet.products.galaxy_summary", __file__],
        inputs=[args.spectra, args.posterior],
    )
    prior = read_json(args.model)["prior"]
    predictive = Predictive.read(args.predictive) if args.predictive else None
    table = bin_columns(spectra, posterior, prior, predictive=predictive)
    write_maps(args.out_maps, spectra, posterior, table=table, provenance=made, prior=prior)
    whole = None
    if args.summed:
        total, answer = Spectra.read(args.summed_spectrum), Posterior.read(args.summed)
        whole = (total, answer, bin_columns(total, answer))
    labels = prior_labels(args.library) if args.library else None
    summary = summarise(spectra, posterior, table, prior=labels, summed=whole)
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
