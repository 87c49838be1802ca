# Calibration of the posteriors, and metrics, each on shards of its own.


rule validate:
    input:
        expand("results/validation/{model}/metrics.json", model=MODELS),
        "results/validation/claims.json",
    localrule: True


step(
    "calibrate_model",
    "Calibrate the posteriors of {wildcards.model}",
    input={**trained(), "shards": shard_files(CALIBRATION_SHARDS), **SSP},
    output="results/model/{model}/calibration.json",
    reads=section("seed", "noise", "calibration"),
    params=MODEL_FOLDER,
    options="--model-dir {params.folder} --shards {input.shards} --ssp {input.ssp} --out {output}",
    env="validation",
    threads=2,
    mem_mb=MOCKS_MB,
    minutes=60,
)
# How badly the forward model may miss on the model's posterior, where nothing is wrong.
step(
    "learn_limits",
    "Learn how well the forward model gives spectra back on the posteriors of {wildcards.model}",
    input={**trained("calibration"), "shards": shard_files(CALIBRATION_SHARDS), **FORWARD},
    output="results/model/{model}/predictive.json",
    reads=[
        *PREDICTIVE,
        *section("seed", "calibration.snr_edges", "calibration.ood_quantile", "calibration.predictive_mocks"),
    ],
    params={**MODEL_FOLDER, **FILTER_FOLDER},
    options=f"--model-dir {{params.folder}} --shards {{input.shards}} {WITH_FORWARD} --out {{output}}",
    env="validation",
    threads=2,
    mem_mb=MOCKS_MB,
    minutes=60,
)
step(
    "validate_model",
    "Measure {wildcards.model} on galaxies that it has not seen",
    input={**trained("calibration"), "shards": shard_files(TEST_SHARDS), "stress": stress_files(STRESS)},
    output={
        "metrics": "results/validation/{model}/metrics.json",
        "numbers": "results/validation/{model}/validation.h5",
        "card": "results/model/{model}/model_card.md",
    },
    reads=section("seed", "prior", "validation"),
    params=MODEL_FOLDER,
    options="--model-dir {params.folder} --shards {input.shards} --stress {input.stress} "
    "--out-metrics {output.metrics} --out-h5 {output.numbers} --out-card {output.card}",
    env="validation",
    threads=2,
    mem_mb=MOCKS_MB,
    minutes=60,
)
step(
    "claims",
    "Put the paper's claims to the test",
    input=MEASURED,
    output="results/validation/claims.json",
    options="--metrics {input.metrics} --h5 {input.numbers} --out {output}",
    env="validation",
    mem_mb=2000,
    minutes=10,
)


# Not part of the default run: each network with bands given and taken away.
rule band_value:
    input:
        expand("results/figures/band_value_{model}.png", model=LEARNERS),
    localrule: True


step(
    "measure_bands",
    "Measure what each band brings to {wildcards.model}",
    input={**trained("calibration"), "shards": shard_files(TEST_SHARDS)},
    output={"numbers": "results/band_value/{model}.json", "table": "results/band_value/{model}.tsv"},
    reads=section("seed", "band_value"),
    params=MODEL_FOLDER,
    options="--model-dir {params.folder} --shards {input.shards} --out {output.numbers} --out-table {output.table}",
    env="validation",
    threads=2,
    mem_mb=MOCKS_MB,
    minutes=60,
)
# For other programs: snakemake results/benchmark_sets/real_snr050.h5, then sfhnet score.
step(
    "export_benchmark",
    "Write the benchmark set {wildcards.case} for other programs",
    input={"shards": shard_files(TEST_SHARDS), "stress": stress_files(STRESS)},
    output="results/benchmark_sets/{case}.h5",
    reads=section("seed", "age_bins_myr", "validation"),
    options="--case {wildcards.case} --shards {input.shards} --stress {input.stress} --out {output}",
    env="validation",
    mem_mb=MOCKS_MB,
    minutes=30,
)
