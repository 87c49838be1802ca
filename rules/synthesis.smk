# Spectra, band fluxes and labels of the galaxies of a shard, without noise.

step(
    "synthesize",
    "Synthesise the galaxies of shard {wildcards.shard}",
    input={"prior": "results/prior/{shard}.h5", **FORWARD},
    output="results/synthesis/{shard}.h5",
    reads=section("grid", "bands", "synthesis", without=WHICH_SHARDS),
    params=FILTER_FOLDER,
    options=f"--prior {{input.prior}} {WITH_FORWARD} --out {{output}}",
    env="synthesis",
    threads=2,
    mem_mb=1500 + 30 * KILO_GALAXIES,
    minutes=10 + 0.1 * KILO_GALAXIES,
    slots=1,
)
# What is drawn while a network trains (training.source: stream) needs no shards, only this.
step(
    "pack_forward",
    "Fold the SSP library once for all training",
    input=FORWARD,
    output="results/forward.safetensors",
    reads=section("seed", "prior", "age_bins_myr", "grid", "bands", "synthesis", without=WHICH_SHARDS),
    params=FILTER_FOLDER,
    options=f"{WITH_FORWARD} --out {{output}}",
    env="synthesis",
    mem_mb=2000,
    minutes=10,
)
# Galaxies unlike those of the training, for the validation only.
step(
    "stress_mocks",
    "Make galaxies unlike those of the training: {wildcards.stress}",
    input=FORWARD,
    output="results/stress/{stress}.h5",
    reads=[
        *section("seed", "prior", "age_bins_myr", "grid", "bands", "synthesis", without=WHICH_SHARDS),
        *section("validation.stress_galaxies", "validation.spiky_alpha"),
    ],
    params=FILTER_FOLDER,
    options=f"--kind {{wildcards.stress}} {WITH_FORWARD} --out {{output}}",
    env="synthesis",
    threads=2,
    mem_mb=1500 + 0.06 * CONFIG.validation.stress_galaxies,
    minutes=10,
)
