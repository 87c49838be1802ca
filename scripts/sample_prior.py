"""Draw one shard of galaxies from the prior: histories, metallicities, dust, lines."""

from pathlib import Path

from sfhnet.tools import script_options

if __name__ == "__main__":
    parser = script_options.parser(__doc__)
    parser.add_argument("--shard", type=int, required=True, help="number of the shard, from 0")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="HDF5 file to write")
    args = parser.parse_args()
    script_options.setup(args)

    import logging

    import numpy as np

    from sfhnet.config import load_config
    from sfhnet.mocks.shard_identity import is_test_shard, prior_identity
    from sfhnet.priors.prior_shards import write_prior
    from sfhnet.priors.sample import sample
    from sfhnet.tools.provenance import provenance

    config = load_config(args.config)
    identity = prior_identity(config, args.shard)
    drawn = sample(
        config.prior,
        config.synthesis.galaxies_per_shard,
        config.seed,
        shard=args.shard,
        age_bins_yr=np.asarray(config.age_bins_myr) * 1e6,
        hold_out=not is_test_shard(config, args.shard),
    )
    write_prior(
        args.out,
        drawn,
        identity,
        provenance=provenance(
            config=config.prior, modules=["sfhnet.priors.sample"], seed=[config.seed, args.shard]
        ),
    )
    logging.getLogger("sfhnet.sample_prior").info("wrote %s: %d galaxies", args.out, drawn.n)
