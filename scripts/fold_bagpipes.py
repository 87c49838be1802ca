"""Bring galaxies made with BAGPIPES to the training grid, with labels: a shard of foreign mocks."""

from pathlib import Path

from sfhnet.tools import script_options

if __name__ == "__main__":
    parser = script_options.parser(__doc__)
    parser.add_argument(
        "--chunks", type=Path, nargs="+", required=True, metavar="FILE", help="of mock_bagpipes"
    )
    script_options.add_options(parser, "ssp", "filters")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="HDF5 shard to write")
    args = parser.parse_args()
    script_options.setup(args)

    from pyprospect.stars.library import SSPLibrary
    from sfhnet.config import load_config
    from sfhnet.foreign.fold import fold
    from sfhnet.foreign.native import join, read_native
    from sfhnet.mocks.filters_and_lines import load_bands
    from sfhnet.mocks.shards import write_shard
    from sfhnet.tools.provenance import config_hash, provenance

    config = load_config(args.config)
    galaxies = join([read_native(path) for path in args.chunks])
    write_shard(
        args.out,
        fold(galaxies, config, SSPLibrary.read(args.ssp), bands=load_bands(args.filters, config.bands)),
        {"shard": "bagpipes", "seed": config.seed, "foreign": config_hash(config.foreign)},
        provenance=provenance(
            config.foreign, modules=["sfhnet.foreign.fold", __file__], inputs=args.chunks, seed=config.seed
        ),
    )
