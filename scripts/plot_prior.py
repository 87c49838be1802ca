"""Draw the prior: example histories, distributions of labels and indices, colours beside real clusters."""

from pathlib import Path

from sfhnet.tools import script_options

if __name__ == "__main__":
    parser = script_options.parser(__doc__)
    script_options.add_options(parser, "shards", "filters")
    parser.add_argument(
        "--prior", type=Path, required=True, metavar="FILE", help="a prior shard, for the histories"
    )
    parser.add_argument("--phangs", type=Path, metavar="DIR", help="colours of PHANGS-HST clusters")
    parser.add_argument("--legus", type=Path, metavar="DIR", help="LEGUS catalogue of NGC 1566")
    parser.add_argument("--out-dir", type=Path, required=True, metavar="DIR")
    args = parser.parse_args()
    script_options.setup(args)

    import logging

    import numpy as np

    from sfhnet.config import load_config
    from sfhnet.core.bands import BANDS
    from sfhnet.figures import prior as prior_figures
    from sfhnet.mocks.filters_and_lines import load_bands
    from sfhnet.mocks.shard_set import ShardSet
    from sfhnet.priors import cluster_colours as clusters
    from sfhnet.priors.prior_shards import read_prior
    from sfhnet.tools import hdf5

    log = logging.getLogger("sfhnet.plot_prior")
    config = load_config(args.config)
    shards = ShardSet(args.shards)
    batch = shards.batch(np.arange(min(shards.n, 20000)))
    bands = load_bands(args.filters, shards.band_names)
    pivot_aa = {name: band.pivot_aa for name, band in bands.items()}
    args.out_dir.mkdir(parents=True, exist_ok=True)
    prior_figures.draw_histories(config.figures, read_prior(args.prior)[0], args.out_dir / "prior_histories")
    blue, red = BANDS["F336W"], BANDS["F438W"]
    colour = clusters.vega_colour(batch["band_flux"], shards.band_names, pivot_aa, pair=(blue.name, red.name))
    break_mag = colour + blue.ab_minus_vega_mag - red.ab_minus_vega_mag
    prior_figures.draw_labels(config.figures, batch, shards.wave_aa, break_mag, args.out_dir / "prior_labels")
    catalogues = []
    if args.phangs:
        catalogues.append(clusters.read_phangs(args.phangs))
    if args.legus:
        catalogues.append(clusters.read_legus(args.legus / clusters.LEGUS_FILE))
    coverage = prior_figures.draw_colours(
        config.figures, shards, batch["band_flux"], pivot_aa, catalogues, args.out_dir / "prior_colours"
    )
    for row in coverage:
        share = 100 * row["share_inside_99_percent_region"]
        log.info("%s, %s: %.1f %% of %d inside", row["catalogue"], row["plane"], share, row["n"])
    hdf5.write_json(
        args.out_dir / "prior_coverage.json", {"coverage": coverage, "galaxies": len(batch["family"])}
    )
