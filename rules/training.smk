# Networks, each trained on the training shards and stopped by the loss on the validation shards.


rule train:
    input:
        expand("results/model/{model}/weights.safetensors", model=MODELS),
    localrule: True


rule train_model:
    input:
        shards=shard_files(TRAINING_SHARDS),
        validation=shard_files(VALIDATION_SHARDS),
        script=script("train_model"),
        code=code("train_model", without=LOSS_DRAWING),
    output:
        weights="results/model/{model}/weights.safetensors",
        spec="results/model/{model}/model.json",
        history="results/model/{model}/history.csv",
    log:
        "logs/train_model/{model}.log",
    benchmark:
        "benchmarks/train_model/{model}.tsv"
    conda:
        TRAINING_ENV
    threads: 4
    resources:
        # the mocks in memory are bounded by the configuration, so a retry asks no more for them: a training that was
        # preempted has to fit its node again
        mem_mb=growing(3000 * N_PROCESS, beside=1500 * CONFIG.training.cache_gb * N_PROCESS),
        runtime=growing(240),
        gpu=N_PROCESS,
    params:
        *section("seed", "grid", "noise", "training", without=WHERE_TRAINED),
        model=lambda wildcards: section(f"models.{wildcards.model}"),
        folder=lambda wildcards, output: Path(output.weights).parent,
        launcher=LAUNCHER,
        code=code_hash("train_model", without=LOSS_DRAWING),
    message:
        "Train the network {wildcards.model}"
    # exec: SLURM sends SIGTERM to every process of a job. A shell that stood between would end at once (bash before 5.1
    # keeps one), and Snakemake with it, while the training still writes its checkpoint.
    shell:
        "exec python {params.launcher} {input.script} $CONFIG $GUARD --threads {threads} --log {log} --model {wildcards.model} "
        "--shards {input.shards} --validation {input.validation} --out-dir {params.folder}"


# Not part of the default run: a network is trained for every size.
rule learning_curve:
    input:
        "results/figures/learning_curve.png",
    localrule: True


rule learning_point:
    input:
        shards=shard_files(TRAINING_SHARDS),
        validation=shard_files(VALIDATION_SHARDS),
        test=shard_files(TEST_SHARDS),
        script=script("learning_point"),
        code=code("learning_point"),
    output:
        "results/learning_curve/{size}.json",
    log:
        "logs/learning_point/{size}.log",
    benchmark:
        "benchmarks/learning_point/{size}.tsv"
    conda:
        TRAINING_ENV
    threads: 4
    resources:
        mem_mb=growing(3000 + 1500 * CONFIG.training.cache_gb),
        runtime=growing(240),
        gpu=1,
    params:
        *section("seed", "grid", "noise", "training", "learning_curve.model", without=WHERE_TRAINED),
        *section("validation.galaxies", "validation.stress_snr"),
        model=lambda wildcards: section(f"models.{CONFIG.learning_curve.model}"),
        code=code_hash("learning_point"),
    message:
        "Train on {wildcards.size} shards"
    shell:
        "exec python {input.script} $CONFIG $GUARD --threads {threads} --log {log} --shards {input.shards} "
        "--size {wildcards.size} --validation {input.validation} --test {input.test} --out {output}"
