# Networks, each trained on the training shards and stopped by the loss on the validation shards.


rule train:
    input:
        expand("results/model/{model}/weights.safetensors", model=MODELS),
    localrule: True


step(
    "train_model",
    "Train the network {wildcards.model}",
    input={
        **DRAWN_FROM,
        "validation": shard_files(VALIDATION_SHARDS),
        "start": lambda wildcards: started_from(wildcards.model),
    },
    output={**trained(), "history": "results/model/{model}/history.csv"},
    reads=section("seed", "grid", "noise", "training", without=WHERE_TRAINED),
    params={"model": lambda wildcards: section(f"models.{wildcards.model}"), **MODEL_FOLDER},
    options="--model {wildcards.model} --shards {input.shards} --forward {input.forward} --validation {input.validation} "
    "--out-dir {params.folder}",
    env=TRAINING_ENV,
    launcher=LAUNCHER,
    without=LOSS_DRAWING,
    threads=4,
    # the mocks in memory are bounded by the configuration, so a retry asks no more for them: a training that was
    # preempted has to fit its node again
    mem_mb=growing(3000 * N_PROCESS, beside=1500 * CONFIG.training.cache_gb * N_PROCESS),
    minutes=240,
    gpu=N_PROCESS,
)


# Not part of the default run: a network is trained for every number of epochs.
rule learning_curve:
    input:
        "results/figures/learning_curve.png",
    localrule: True


step(
    "learning_point",
    "Train for {wildcards.size} epochs",
    input={
        "shards": shard_files(TRAINING_SHARDS),
        "validation": shard_files(VALIDATION_SHARDS),
        "test": shard_files(TEST_SHARDS),
        # asked for when the step is: the model need not be there otherwise
        "start": lambda wildcards: started_from(CONFIG.learning_curve.model),
    },
    output="results/learning_curve/{size}.json",
    reads=[
        *section("seed", "grid", "noise", "training", "learning_curve.model", without=WHERE_TRAINED),
        *section("validation.galaxies", "validation.stress_snr"),
    ],
    params={"model": lambda wildcards: section(f"models.{CONFIG.learning_curve.model}")},
    options="--shards {input.shards} --size {wildcards.size} --validation {input.validation} --test {input.test} "
    "--out {output}",
    env=TRAINING_ENV,
    threads=4,
    mem_mb=MOCKS_MB,
    minutes=240,
    gpu=1,
)
