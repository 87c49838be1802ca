# Calibration of the posteriors, and metrics, each on shards of its own.


rule validate:
    input:
        expand("results/validation/{model}/metrics.json", model=MODELS),
        "results/validation/claims.json",
    localrule: True


rule calibrate_model:
    input:
        weights="results/model/{model}/weights.safetensors",
        spec="results/model/{model}/model.json",
        shards=shard_files(CALIBRATION_SHARDS),
        script=script("calibrate_model"),
        code=code("calibrate_model"),
    output:
        "results/model/{model}/calibration.json",
    log:
        "logs/calibrate_model/{model}.log",
    benchmark:
        "benchmarks/calibrate_model/{model}.tsv"
    conda:
        "../envs/validation.yaml"
    threads: 2
    resources:
        mem_mb=growing(3000 + 1500 * CONFIG.training.cache_gb),
        runtime=growing(60),
    params:
        *section("seed", "noise", "calibration"),
        folder=lambda wildcards, input: Path(input.weights).parent,
        code=code_hash("calibrate_model"),
    message:
        "Calibrate the posteriors of {wildcards.model}"
    shell:
        "python {input.script} $CONFIG $GUARD --threads {threads} --log {log} --model-dir {params.folder} "
        "--shards {input.shards} --out {output}"


# How badly the forward model may miss on the model's posterior, where nothing is wrong.
rule learn_limits:
    input:
        weights="results/model/{model}/weights.safetensors",
        spec="results/model/{model}/model.json",
        calibration="results/model/{model}/calibration.json",
        shards=shard_files(CALIBRATION_SHARDS),
        ssp=f"results/ssp/{CONFIG.ssp.name}.h5",
        filters=upstream("hst_filters"),
        lines=upstream("mappings51"),
        script=script("learn_limits"),
        code=code("learn_limits"),
    output:
        "results/model/{model}/predictive.json",
    log:
        "logs/learn_limits/{model}.log",
    benchmark:
        "benchmarks/learn_limits/{model}.tsv"
    conda:
        "../envs/validation.yaml"
    threads: 2
    resources:
        mem_mb=growing(3000 + 1500 * CONFIG.training.cache_gb),
        runtime=growing(60),
    params:
        *section("seed", "grid", "bands", "age_bins_myr", "prior.nuisance", "noise"),
        *section("synthesis.basis_tolerance", "synthesis.nebular_continuum", "synthesis.birth_age_myr"),
        *section("calibration.snr_edges", "calibration.ood_quantile", "calibration.predictive_mocks"),
        *section("galaxies.predictive_draws"),
        folder=lambda wildcards, input: Path(input.weights).parent,
        filters=lambda wildcards, input: Path(input.filters[0]).parent,
        mappings=lambda wildcards, input: next(file for file in input.lines if file.endswith(".fits.gz")),
        code=code_hash("learn_limits"),
    message:
        "Learn how well the forward model gives spectra back on the posteriors of {wildcards.model}"
    shell:
        "python {input.script} $CONFIG $GUARD --threads {threads} --log {log} --model-dir {params.folder} "
        "--shards {input.shards} --ssp {input.ssp} --filters {params.filters} --mappings {params.mappings} --out {output}"


rule validate_model:
    input:
        weights="results/model/{model}/weights.safetensors",
        spec="results/model/{model}/model.json",
        calibration="results/model/{model}/calibration.json",
        shards=shard_files(TEST_SHARDS),
        stress=expand("results/stress/{stress}.h5", stress=STRESS),
        script=script("validate_model"),
        code=code("validate_model"),
    output:
        metrics="results/validation/{model}/metrics.json",
        numbers="results/validation/{model}/validation.h5",
        card="results/model/{model}/model_card.md",
    log:
        "logs/validate_model/{model}.log",
    benchmark:
        "benchmarks/validate_model/{model}.tsv"
    conda:
        "../envs/validation.yaml"
    threads: 2
    resources:
        mem_mb=growing(3000 + 1500 * CONFIG.training.cache_gb),
        runtime=growing(60),
    params:
        *section("seed", "noise", "prior", "validation"),
        folder=lambda wildcards, input: Path(input.weights).parent,
        code=code_hash("validate_model"),
    message:
        "Measure {wildcards.model} on galaxies that it has not seen"
    shell:
        "python {input.script} $CONFIG $GUARD --threads {threads} --log {log} --model-dir {params.folder} "
        "--shards {input.shards} --stress {input.stress} --out-metrics {output.metrics} --out-h5 {output.numbers} --out-card {output.card}"


rule claims:
    input:
        metrics=expand("results/validation/{model}/metrics.json", model=MODELS),
        numbers=expand("results/validation/{model}/validation.h5", model=MODELS),
        script=script("claims"),
        code=code("claims"),
    output:
        "results/validation/claims.json",
    log:
        "logs/claims.log",
    conda:
        "../envs/validation.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        code=code_hash("claims"),
    message:
        "Put the paper's claims to the test"
    shell:
        "python {input.script} $CONFIG $GUARD --threads {threads} --log {log} --metrics {input.metrics} "
        "--h5 {input.numbers} --out {output}"


# For other programs: snakemake results/benchmark_sets/real_snr050.h5, then python -m sfhnet score.
rule export_benchmark:
    input:
        shards=shard_files(TEST_SHARDS),
        stress=expand("results/stress/{stress}.h5", stress=STRESS),
        script=script("export_benchmark"),
        code=code("export_benchmark"),
    output:
        "results/benchmark_sets/{case}.h5",
    log:
        "logs/export_benchmark/{case}.log",
    conda:
        "../envs/validation.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000 + 1500 * CONFIG.training.cache_gb),
        runtime=growing(30),
    params:
        *section("seed", "noise", "age_bins_myr", "validation"),
        code=code_hash("export_benchmark"),
    message:
        "Write the benchmark set {wildcards.case} for other programs"
    shell:
        "python {input.script} $CONFIG $GUARD --threads {threads} --log {log} --case {wildcards.case} "
        "--shards {input.shards} --stress {input.stress} --out {output}"
