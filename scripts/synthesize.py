"""Synthesise one shard: spectra, band fluxes and labels of the galaxies in a prior shard."""

from pathlib import Path

from sfhnet.tools import script_options

if __name__ == "__main__":
    parser = script_options.parser(__doc__)
    script_options.add_options(parser, "ssp", "filters", "mappings", "cloudy")
    parser.add_argument("--prior", type=Path, required=True, metavar="FILE", help="shard of sample_prior.py")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="HDF5 shard to write")
    parser.add_argument(
        "--force", action="store_true", help="make it even if FILE is whole and fits the configuration"
    )
    args = parser.parse_args()
    script_options.setup(args)

    import logging

    from pyprospect.stars.library import SSPLibrary
    from sfhnet.config import load_config
    from sfhnet.mocks.filters_and_lines import load_bands, load_lines
    from sfhnet.mocks.shard_identity import prior_identity, same_identity, shard_identity
    from sfhnet.mocks.shards import is_current, write_shard
    from sfhnet.mocks.sums import with_sums
    from sfhnet.mocks.synthesize import line_range_aa, make_synthesizer, synthesize
    from sfhnet.priors.prior_shards import read_prior
    from sfhnet.tools.provenance import provenance

    log = logging.getLogger("sfhnet.synthesize")
    config = load_config(args.config)
    drawn, made_for = read_prior(args.prior)
    same_identity(args.prior, made_for, prior_identity(config, made_for["shard"]))
    inputs = {"ssp": args.ssp, "mappings": args.mappings, "cloudy": args.cloudy}
    bands = load_bands(args.filters, config.bands)
    identity = shard_identity(config, made_for["shard"], inputs=inputs, bands=bands)
    if not args.force and is_current(args.out, identity):
        log.info("%s is whole and fits the configuration; nothing to do (--force makes it again)", args.out)
        raise SystemExit(0)
    synthesizer = make_synthesizer(
        config,
        SSPLibrary.read(args.ssp),
        bands,
        lines=load_lines(args.mappings, *line_range_aa(config, bands), cloudy=args.cloudy),
    )
    galaxies = with_sums(
        synthesize(synthesizer, drawn, config, shard=made_for["shard"]),
        config.synthesis.sums,
        seed=config.seed,
        shard=made_for["shard"],
    )
    write_shard(
        args.out,
        galaxies,
        identity,
        storage=config.synthesis.storage,
        chunk=config.synthesis.chunk,
        compression=config.synthesis.compression,
        provenance=provenance(
            config=config.synthesis,
            modules=["sfhnet.mocks.synthesize", "sfhnet.mocks.sums", "sfhnet.mocks.shards"],
            inputs={**inputs, "prior": args.prior},
            seed=[config.seed, made_for["shard"]],
            basis_max_relative_error=synthesizer.compression_error,
        ),
    )
    log.info(
        "wrote %s: %d galaxies, %d pixels, %d bands",
        args.out,
        galaxies.n,
        *galaxies.flux.shape[1:],
        len(bands),
    )
