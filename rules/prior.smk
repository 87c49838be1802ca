# Histories, metallicities, dust and lines drawn from the prior, a file a shard.

step(
    "sample_prior",
    "Draw the galaxies of shard {wildcards.shard} from the prior",
    output="results/prior/{shard}.h5",
    reads=section("seed", "prior", "age_bins_myr", "synthesis.galaxies_per_shard"),
    params={
        "test": lambda wildcards: wildcards.shard in TEST_SHARDS and bool(CONFIG.prior.held_out_families)
    },
    options="--shard {wildcards.shard} --out {output}",
    env="prior",
    mem_mb=800 + 10 * KILO_GALAXIES,
    minutes=5 + 0.1 * KILO_GALAXIES,
    slots=1,
)
