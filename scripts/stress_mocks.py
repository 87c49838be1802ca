"""Make mocks unlike those of the training, to see what a network does with them."""

from pathlib import Path

from sfhnet.tools import script_options

if __name__ == "__main__":
    parser = script_options.parser(__doc__)
    parser.add_argument("--kind", required=True, help="spiky or held_out")
    script_options.add_options(parser, "ssp", "filters", "mappings", "cloudy")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="HDF5 shard to write")
    args = parser.parse_args()
    script_options.setup(args)

    import logging

    from pyprospect.stars.library import SSPLibrary
    from sfhnet.config import load_config
    from sfhnet.mocks.filters_and_lines import load_bands, load_lines
    from sfhnet.mocks.shard_identity import stress_identity
    from sfhnet.mocks.shards import write_shard
    from sfhnet.mocks.synthesize import line_range_aa, make_synthesizer, synthesize
    from sfhnet.priors.stress import draw_stress
    from sfhnet.tools.provenance import provenance

    config = load_config(args.config)
    drawn = draw_stress(args.kind, config)
    bands = load_bands(args.filters, config.bands)
    lines = load_lines(args.mappings, *line_range_aa(config, bands), cloudy=args.cloudy)
    synthesizer = make_synthesizer(config, SSPLibrary.read(args.ssp), bands, lines=lines)
    galaxies = synthesize(synthesizer, drawn, config, shard=config.synthesis.n_shards)
    inputs = {"ssp": args.ssp, "mappings": args.mappings, "cloudy": args.cloudy}
    write_shard(
        args.out,
        galaxies,
        stress_identity(config, args.kind, inputs=inputs, bands=bands),
        provenance=provenance(
            config.validation,
            modules=["sfhnet.priors.stress", "sfhnet.mocks.synthesize", __file__],
            inputs=inputs,
            seed=config.seed,
        ),
    )
    logging.getLogger("sfhnet.priors.stress").info("wrote %s: %d galaxies (%s)", args.out, drawn.n, args.kind)
