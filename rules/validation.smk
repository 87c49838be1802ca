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
