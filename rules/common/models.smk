# Networks: which are trained, how, and what reads them.
MODELS = list(CONFIG.models)
# Epochs of the trainings of the learning curve, and their results.
SIZES = list(CONFIG.learning_curve.epochs)
LEARNING_POINTS = expand("results/learning_curve/{size}.json", size=SIZES)
# Where a network is trained, not what is trained.
WHERE_TRAINED = ["training.device", "training.cache_gb", "training.checkpoint_minutes"]
TRAINING_ENV = "training-gpu" if CONFIG.training.device == "cuda" else "training"
N_PROCESS = CONFIG.training.processes
# --: torchrun must not take the options of the script for its own.
TORCHRUN = f"-m torch.distributed.run --standalone --nproc-per-node {N_PROCESS} --"
LAUNCHER = TORCHRUN.split() if N_PROCESS > 1 else []
# What a network learns from: stored mocks, or the forward model that draws them meanwhile.
DRAWN_FROM = {
    "shards": lambda wildcards: [] if is_streamed(wildcards.model) else shard_files(TRAINING_SHARDS),
    "forward": lambda wildcards: ["results/forward.safetensors"] if is_streamed(wildcards.model) else [],
}
# memory (MB) that a program which reads mocks takes
MOCKS_MB = 3000 + 1500 * CONFIG.training.cache_gb
# settings of the forward model behind a posterior-predictive check
PREDICTIVE = section(
    "grid",
    "bands",
    "age_bins_myr",
    "prior.nuisance",
    "prior.populations",
    "noise",
    "synthesis.basis_tolerance",
    "synthesis.nebular_continuum",
    "synthesis.halpha",
    "synthesis.birth_age_myr",
    "galaxies.predictive_draws",
)


def trained(*files, folder="results/model/{model}"):
    """Return the files of a model by name, weights and spec first."""
    names = {"weights": "weights.safetensors", "spec": "model.json", "calibration": "calibration.json"}
    return {name: f"{folder}/{names[name]}" for name in ("weights", "spec", *files)}


MODEL_FOLDER = {"folder": folder_of("weights")}
# what every model was measured to do
MEASURED = {
    "metrics": expand("results/validation/{model}/metrics.json", model=MODELS),
    "numbers": expand("results/validation/{model}/validation.h5", model=MODELS),
}


def is_streamed(model):
    """Return whether a network learns from galaxies that are drawn while it trains."""
    return CONFIG.models[model].training.get("source", CONFIG.training.source) == "stream"


def started_from(model):
    """Return the files of the trained network that a network goes on from, if it does; it may be one of this run."""
    folder = getattr(CONFIG.models[model], "start_from", None)
    return (
        []
        if folder is None
        else [plain(Path(folder, name)) for name in ("weights.safetensors", "model.json")]
    )
