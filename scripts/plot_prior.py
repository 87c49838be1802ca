"""Draw the prior: example histories, distributions of labels and indices, colours beside real clusters."""

from pathlib import Path

from sfhnet.tools import script_options

if __name__ == "__main__":
    parser = script_options.parser(__doc__)
    script_options.add_options(parser, "shards")
    parser.add_argument(
        "--prior", type=Path, required=True, metavar="FILE", help="a prior shard, for the histories"
    )
    parser.add_argument("--phangs", type=Path, metavar="DIR", help="colours of PHANGS-HST clusters")
    parser.add_argument("--legus", type=Path, metavar="DIR", help="LEGUS catalogue of NGC 1566")
    parser.add_argument("--out-dir", type=Path, required=True, metavar="DIR")
    args = parser.parse_args()
    script_options.setup(args)

    import logging

    from sfhnet.config import load_config
    from sfhnet.figures.prior import draw_prior
    from sfhnet.mocks.shard_set import ShardSet
    from sfhnet.priors.cluster_colours import LEGUS_FILE, read_legus, read_phangs
    from sfhnet.priors.prior_shards import read_prior
    from sfhnet.tools.hdf5 import write_json

    log = logging.getLogger("sfhnet.plot_prior")
    catalogues = [read_phangs(args.phangs)] if args.phangs else []
    catalogues += [read_legus(args.legus / LEGUS_FILE)] if args.legus else []
    drawn = draw_prior(
        load_config(args.config).figures,
        ShardSet(args.shards),
        read_prior(args.prior)[0],
        catalogues=catalogues,
        out_dir=args.out_dir,
    )
    write_json(args.out_dir / "prior_coverage.json", drawn)
    for row in drawn["coverage"]:
        share = 100 * row["share_inside_99_percent_region"]
        log.info("%s, %s: %.1f %% of %d inside", row["catalogue"], row["plane"], share, row["n"])
