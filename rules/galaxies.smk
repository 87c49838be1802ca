# Observed galaxies: spectra as the network knows them, posteriors, maps and pages. One row of the sample sheet each.

# Settings of the section galaxies that change no prepared spectrum.
AFTER_PREPARATION = [
    f"galaxies.{name}" for name in ("sheet", "data_dir", "model", "samples", "predictive_draws", "n_examples")
]


rule galaxies:
    input:
        expand(
            "results/galaxies/{galaxy}/{file}",
            galaxy=GALAXIES,
            file=("maps.fits", "bins.ecsv", "summary.png", "quality.png", "examples.png", "explorer.html"),
        ),
        expand("results/galaxies/{galaxy}/truth.png", galaxy=SIMULATED),
    localrule: True


step(
    "simulate_galaxy",
    "Observe the simulated galaxy {wildcards.galaxy}",
    input=FORWARD,
    output={
        "cube": "results/simulated/{galaxy}/cube.fits",
        "truth": "results/simulated/{galaxy}/truth.fits",
        "images": [f"results/simulated/{{galaxy}}/hst_{band.lower()}.fits" for band in CONFIG.bands],
    },
    reads=section("seed", "bands", "age_bins_myr", "simulated_galaxy", "synthesis.halpha"),
    params={"folder": folder_of("cube"), **FILTER_FOLDER},
    options=f"{WITH_FORWARD} --out-dir {{params.folder}}",
    env="galaxies",
    threads=2,
    mem_mb=4000,
    minutes=30,
)
step(
    "prepare_galaxy",
    "Prepare the spectra of {wildcards.galaxy}",
    input={"data": galaxy_data, "beside": galaxy_images, **SSP, **FILTERS},
    output="results/galaxies/{galaxy}/spectra.h5",
    reads=section("grid", "bands", "galaxies", without=AFTER_PREPARATION),
    params={
        "row": lambda wildcards: GALAXIES[wildcards.galaxy].model_dump_json(),
        "simulated": lambda wildcards: section("simulated_galaxy") if wildcards.galaxy in SIMULATED else None,
        "brought": brought,
        **FILTER_FOLDER,
    },
    options=f"--galaxy {{wildcards.galaxy}} --data {{input.data}} {WITH_FILTERS} --out {{output}}",
    env="galaxies",
    threads=2,
    mem_mb=3000 + 1500 * CONFIG.galaxies.memory_gb,
    minutes=120,
)
step(
    "infer_galaxy",
    "Infer the histories of {wildcards.galaxy}",
    input={**of_galaxy("spectra"), **trained("calibration", folder=GALAXY_MODEL)},
    output=of_galaxy("posterior", "summed", "summed_spectrum"),
    reads=section("seed", "galaxies.samples"),
    params={"seed": CONFIG.seed, "samples": CONFIG.galaxies.samples, **MODEL_FOLDER},
    options="--model-dir {params.folder} --spectra {input.spectra} --samples {params.samples} --seed {params.seed} "
    "--out {output.posterior} --out-summed {output.summed} --out-summed-spectrum {output.summed_spectrum}",
    env="inference",
    threads=2,
    mem_mb=4000,
    minutes=60,
)
# The forward model on draws of the posterior: does it give the spectrum back?
step(
    "check_galaxy",
    "Check the posteriors of {wildcards.galaxy} with the forward model",
    input={**of_galaxy("spectra", "posterior"), "limits": GALAXY_LIMITS, **FORWARD},
    output=of_galaxy("predictive"),
    reads=[*PREDICTIVE, *section("galaxies.n_examples")],
    params=FILTER_FOLDER,
    options="--spectra {input.spectra} --posterior {input.posterior} --limits {input.limits} "
    f"{WITH_FORWARD} --out {{output}}",
    env="validation",
    threads=2,
    mem_mb=4000,
    minutes=60,
)
step(
    "map_galaxy",
    "Map {wildcards.galaxy}",
    input={
        **of_galaxy("spectra", "posterior", "summed", "summed_spectrum", "predictive"),
        "spec": f"{GALAXY_MODEL}/model.json",
        **SSP,
        # where the truth is known: mocks, whose mean is what the network has to beat
        "library": lambda wildcards: shard_files(VALIDATION_SHARDS) if wildcards.galaxy in SIMULATED else [],
    },
    output={
        "maps": "results/galaxies/{galaxy}/maps.fits",
        "bin_spectra": "results/galaxies/{galaxy}/bin_spectra.fits",
        **of_galaxy("bins", "summary"),
    },
    options="--galaxy {wildcards.galaxy} --spectra {input.spectra} --posterior {input.posterior} "
    "--summed {input.summed} --summed-spectrum {input.summed_spectrum} --predictive {input.predictive} "
    "--model {input.spec} --ssp {input.ssp} --library {input.library} --out-maps {output.maps} "
    "--out-bins {output.bins} --out-spectra {output.bin_spectra} --out-json {output.summary}",
    env="galaxies",
    mem_mb=3000,
    minutes=20,
)
# Every bin to click on, in one file that needs no other.
step(
    "explore_galaxy",
    "Write the page of {wildcards.galaxy} to click on",
    input=of_galaxy("spectra", "posterior", "predictive", "bins", *COMPARED_WITH),
    output={"page": "results/galaxies/{galaxy}/explorer.html"},
    options="--galaxy {wildcards.galaxy} --spectra {input.spectra} --posterior {input.posterior} "
    f"--predictive {{input.predictive}} --bins {{input.bins}} {WITH_COMPARED} --out {{output.page}}",
    env="figures",
    mem_mb=3000,
    minutes=20,
)
GALAXY_PAGES = {
    "summary": ("galaxy", "summary"),
    "quality": ("quality", "checks"),
    "examples": ("examples", "example bins"),
}
DRAWN_GALAXY = {
    "script": "plot_galaxy",
    "message": "Draw the pages of {wildcards.galaxy}",
    "input": {
        **of_galaxy("spectra", "posterior", "bins", "summary", "predictive"),
        "spec": f"{GALAXY_MODEL}/model.json",
    },
    "reads": section("figures"),
    "env": "figures",
    "mem_mb": 3000,
    "minutes": 20,
}
GALAXY_OPTIONS = (
    "--galaxy {wildcards.galaxy} --spectra {input.spectra} --posterior {input.posterior} --bins {input.bins} "
    "--summary {input.summary} --predictive {input.predictive} --model {input.spec} --out {output.summary} "
    "--out-quality {output.quality} --out-examples {output.examples}"
)
step(
    "plot_galaxy",
    output=galaxy_pages(**GALAXY_PAGES),
    options=GALAXY_OPTIONS,
    wildcards={"galaxy": one_of(OBSERVED)},
    **DRAWN_GALAXY,
)
# The same pages, and beside them the true maps, which only a simulated galaxy has.
step(
    "plot_simulated_galaxy",
    output=galaxy_pages(**GALAXY_PAGES, truth=("truth", "true and recovered maps")),
    options=f"{GALAXY_OPTIONS} --out-truth {{output.truth}}",
    wildcards={"galaxy": one_of(SIMULATED)},
    **DRAWN_GALAXY,
)
