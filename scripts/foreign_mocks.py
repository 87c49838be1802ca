"""Make mocks from a stellar library or with histories that no training knew."""

from pathlib import Path

from sfhnet.tools import script_options

if __name__ == "__main__":
    parser = script_options.parser(__doc__)
    parser.add_argument("--kind", required=True, help="own, mastar, m11_stelib, bc03_old, peaked or diffstar")
    script_options.add_options(parser, "ssp", "filters", "mappings", "cloudy")
    parser.add_argument(
        "--library", type=Path, metavar="DIR", help="files of the other stellar library, as fetched"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="HDF5 shard to write")
    args = parser.parse_args()
    script_options.setup(args)

    from pyprospect.stars.library import SSPLibrary
    from sfhnet.config import load_config
    from sfhnet.foreign.make_mocks import make_mocks
    from sfhnet.mocks.filters_and_lines import load_bands, load_lines
    from sfhnet.mocks.shards import write_shard
    from sfhnet.mocks.synthesize import line_range_aa
    from sfhnet.tools.provenance import config_hash, provenance

    config = load_config(args.config)
    bands = load_bands(args.filters, config.bands)
    galaxies = make_mocks(
        args.kind,
        config,
        SSPLibrary.read(args.ssp),
        bands=bands,
        lines=load_lines(args.mappings, *line_range_aa(config, bands), cloudy=args.cloudy),
        folder=args.library,
    )
    write_shard(
        args.out,
        galaxies,
        {"shard": args.kind, "seed": config.seed, "foreign": config_hash(config.foreign)},
        provenance=provenance(
            config.foreign,
            modules=["sfhnet.foreign.make_mocks", __file__],
            inputs={"ssp": args.ssp, "mappings": args.mappings, "cloudy": args.cloudy},
            seed=config.seed,
        ),
    )
