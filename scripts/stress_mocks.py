"""Make mocks unlike those of the training, to see what a network does with them."""

from pathlib import Path

from sfhnet import cli

if __name__ == "__main__":
    parser = cli.parser(__doc__)
    parser.add_argument("--kind", required=True, help="spiky or held_out")
    parser.add_argument("--ssp", type=Path, required=True, metavar="FILE", help="SSP library (HDF5)")
    parser.add_argument("--filters", type=Path, required=True, metavar="DIR", help="folder of filter curves")
    parser.add_argument("--mappings", type=Path, required=True, metavar="FILE", help="NB_HII_grid.fits.gz")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="HDF5 shard to write")
    args = parser.parse_args()
    cli.setup(args)

    import logging
    from dataclasses import replace

    from pyprospect.ssp import SSPLibrary
    from sfhnet.config import load_config
    from sfhnet.ingredients import load_bands, load_lines
    from sfhnet.library import write_shard
    from sfhnet.provenance import provenance
    from sfhnet.shard_identity import stress_identity
    from sfhnet.stress_mocks import FAMILY_NAMES, draw_stress
    from sfhnet.synthesis import line_range_aa, make_synthesizer, synthesize

    config = load_config(args.config)
    drawn = draw_stress(args.kind, config)
    bands = load_bands(args.filters, config.bands)
    lines = load_lines(args.mappings, *line_range_aa(config, bands))
    synthesizer = make_synthesizer(config, SSPLibrary.read(args.ssp), bands, lines)
    galaxies = synthesize(synthesizer, drawn, config, config.synthesis.n_shards)
    inputs = {"ssp": args.ssp, "mappings": args.mappings}
    write_shard(
        args.out,
        replace(galaxies, family_names=FAMILY_NAMES),
        stress_identity(config, args.kind, inputs, bands),
        provenance=provenance(
            config.validation,
            modules=["sfhnet.stress_mocks", "sfhnet.synthesis", __file__],
            inputs=inputs,
            seed=config.seed,
        ),
    )
    logging.getLogger("sfhnet.stress_mocks").info("wrote %s: %d galaxies (%s)", args.out, drawn.n, args.kind)
