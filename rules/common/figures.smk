# Figures: what they are called, which models they show, and where the report puts them.

# Figures of the prior: of about 20,000 galaxies, beside the catalogues of clusters that are at hand (a mirror has them).
PRIOR_FIGURES = ["prior_histories", "prior_labels", "prior_colours"]
DRAWN_SHARDS = TRAINING_SHARDS[: math.ceil(20 / KILO_GALAXIES)]
CATALOGUES = {
    source: option
    for source, option in {"phangs_hst_colours": "phangs", "legus_ngc1566": "legus"}.items()
    if all(Path(file).is_file() for file in upstream(source))
}
# Figures of the validation: what plot_validation.py calls them, and the models that they show.
LEARNERS = [name for name, model in CONFIG.models.items() if model.kind != "prior_mean"]
VALIDATION_FIGURES = {
    name: (name, MODELS)
    for name in (
        "metrics_snr",
        "metrics_age",
        "coverage",
        "calibration_strata",
        "stress",
    )
}
VALIDATION_FIGURES |= {
    f"{name}_{model}": (name, [model])
    for name in ("calibration", "coverage_strata", "truth", "examples", "loss", "network")
    for model in LEARNERS
}
FIGURES = expand("results/figures/{figure}.png", figure=[*PRIOR_FIGURES, *VALIDATION_FIGURES, "claims"])


def of_models(path):
    """Return, as an input, a file of each model that the figure shows."""
    return lambda wildcards: expand(path, model=VALIDATION_FIGURES[wildcards.figure][1])


def reported(path, category, caption=None, **labels):
    """Return a picture that Snakemake's report shows, with the caption of its name if no other is given."""
    caption = caption or Path(path).stem
    return report(path, caption=f"../report/{caption}.rst", category=category, labels=labels)


def galaxy_pages(**pages):
    """Return pages of a galaxy as outputs, a PDF beside each: caption and label in the report by the name of the file."""
    outputs = {}
    for name, (caption, label) in pages.items():
        path = f"results/galaxies/{{galaxy}}/{name}"
        outputs[name] = reported(f"{path}.png", "Galaxies", caption, galaxy="{galaxy}", figure=label)
        outputs[f"{name}_pdf"] = f"{path}.pdf"
    return outputs
