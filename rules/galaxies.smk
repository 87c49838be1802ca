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
            file=("maps.fits", "bins.ecsv", "summary.png", "quality.png", "examples.png"),
        ),
        expand("results/galaxies/{galaxy}/truth.png", galaxy=SIMULATED),
    localrule: True


rule simulate_galaxy:
    input:
        ssp=f"results/ssp/{CONFIG.ssp.name}.h5",
        filters=upstream("hst_filters"),
        lines=upstream("mappings51"),
        script=script("simulate_galaxy"),
        code=code("simulate_galaxy"),
    output:
        cube="results/simulated/{galaxy}/cube.fits",
        truth="results/simulated/{galaxy}/truth.fits",
        images=expand(
            "results/simulated/{{galaxy}}/hst_{band}.fits", band=[band.lower() for band in CONFIG.bands]
        ),
    log:
        "logs/simulate_galaxy/{galaxy}.log",
    benchmark:
        "benchmarks/simulate_galaxy/{galaxy}.tsv"
    conda:
        "../envs/galaxies.yaml"
    threads: 2
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        *section("seed", "bands", "age_bins_myr", "simulated_galaxy", "noise"),
        filters=lambda wildcards, input: Path(input.filters[0]).parent,
        lines=lambda wildcards, input: next(file for file in input.lines if file.endswith(".fits.gz")),
        folder=lambda wildcards, output: Path(output.cube).parent,
        code=code_hash("simulate_galaxy"),
    message:
        "Observe the simulated galaxy {wildcards.galaxy}"
    shell:
        "python {input.script} $CONFIG $GUARD --threads {threads} --log {log} --ssp {input.ssp} "
        "--filters {params.filters} --mappings {params.lines} --out-dir {params.folder}"


rule prepare_galaxy:
    input:
        unpack(lambda wildcards: galaxy_files(wildcards.galaxy)),
        ssp=f"results/ssp/{CONFIG.ssp.name}.h5",
        filters=upstream("hst_filters"),
        script=script("prepare_galaxy"),
        code=code("prepare_galaxy"),
    output:
        "results/galaxies/{galaxy}/spectra.h5",
    log:
        "logs/prepare_galaxy/{galaxy}.log",
    benchmark:
        "benchmarks/prepare_galaxy/{galaxy}.tsv"
    conda:
        "../envs/galaxies.yaml"
    threads: 2
    resources:
        mem_mb=growing(3000 + 1500 * CONFIG.galaxies.memory_gb),
        runtime=growing(120),
    params:
        *section("grid", "bands", "galaxies", without=AFTER_PREPARATION),
        row=lambda wildcards: GALAXIES[wildcards.galaxy].model_dump_json(),
        filters=lambda wildcards, input: Path(input.filters[0]).parent,
        simulated=lambda wildcards: section("simulated_galaxy") if wildcards.galaxy in SIMULATED else None,
        code=code_hash("prepare_galaxy"),
    message:
        "Prepare the spectra of {wildcards.galaxy}"
    shell:
        "python {input.script} $CONFIG $GUARD --threads {threads} --log {log} --galaxy {wildcards.galaxy} "
        "--data {input.data} --ssp {input.ssp} --filters {params.filters} --out {output}"


rule infer_galaxy:
    input:
        spectra="results/galaxies/{galaxy}/spectra.h5",
        weights=f"{GALAXY_MODEL}/weights.safetensors",
        spec=f"{GALAXY_MODEL}/model.json",
        calibration=f"{GALAXY_MODEL}/calibration.json",
        script=script("infer_galaxy"),
        code=code("infer_galaxy"),
    output:
        posterior="results/galaxies/{galaxy}/posterior.h5",
        summed="results/galaxies/{galaxy}/summed.h5",
    log:
        "logs/infer_galaxy/{galaxy}.log",
    benchmark:
        "benchmarks/infer_galaxy/{galaxy}.tsv"
    conda:
        "../envs/inference.yaml"
    threads: 2
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        folder=lambda wildcards, input: Path(input.weights).parent,
        samples=CONFIG.galaxies.samples,
        seed=CONFIG.seed,
        code=code_hash("infer_galaxy"),
    message:
        "Infer the histories of {wildcards.galaxy}"
    shell:
        "python {input.script} $CONFIG $GUARD --threads {threads} --log {log} --model-dir {params.folder} "
        "--spectra {input.spectra} --samples {params.samples} --seed {params.seed} --out {output.posterior} "
        "--out-summed {output.summed}"


# The forward model on draws of the posterior: does it give the spectrum back?
rule check_galaxy:
    input:
        spectra="results/galaxies/{galaxy}/spectra.h5",
        posterior="results/galaxies/{galaxy}/posterior.h5",
        limits=GALAXY_LIMITS,
        ssp=f"results/ssp/{CONFIG.ssp.name}.h5",
        filters=upstream("hst_filters"),
        lines=upstream("mappings51"),
        script=script("check_galaxy"),
        code=code("check_galaxy"),
    output:
        "results/galaxies/{galaxy}/predictive.h5",
    log:
        "logs/check_galaxy/{galaxy}.log",
    benchmark:
        "benchmarks/check_galaxy/{galaxy}.tsv"
    conda:
        "../envs/validation.yaml"
    threads: 2
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        *section("grid", "bands", "age_bins_myr", "prior.nuisance", "noise"),
        *section("synthesis.basis_tolerance", "synthesis.nebular_continuum", "synthesis.birth_age_myr"),
        *section("galaxies.predictive_draws", "galaxies.n_examples"),
        filters=lambda wildcards, input: Path(input.filters[0]).parent,
        mappings=lambda wildcards, input: next(file for file in input.lines if file.endswith(".fits.gz")),
        code=code_hash("check_galaxy"),
    message:
        "Check the posteriors of {wildcards.galaxy} with the forward model"
    shell:
        "python {input.script} $CONFIG $GUARD --threads {threads} --log {log} --spectra {input.spectra} "
        "--posterior {input.posterior} --limits {input.limits} --ssp {input.ssp} --filters {params.filters} "
        "--mappings {params.mappings} --out {output}"


rule map_galaxy:
    input:
        spectra="results/galaxies/{galaxy}/spectra.h5",
        posterior="results/galaxies/{galaxy}/posterior.h5",
        summed="results/galaxies/{galaxy}/summed.h5",
        predictive="results/galaxies/{galaxy}/predictive.h5",
        spec=f"{GALAXY_MODEL}/model.json",
        # where the truth is known: mocks, whose mean is what the network has to beat
        library=lambda wildcards: shard_files(VALIDATION_SHARDS) if wildcards.galaxy in SIMULATED else [],
        script=script("map_galaxy"),
        code=code("map_galaxy"),
    output:
        maps="results/galaxies/{galaxy}/maps.fits",
        bins="results/galaxies/{galaxy}/bins.ecsv",
        summary="results/galaxies/{galaxy}/summary.json",
    log:
        "logs/map_galaxy/{galaxy}.log",
    conda:
        "../envs/galaxies.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(20),
    params:
        code=code_hash("map_galaxy"),
    message:
        "Map {wildcards.galaxy}"
    shell:
        "python {input.script} $CONFIG $GUARD --threads {threads} --log {log} --galaxy {wildcards.galaxy} "
        "--spectra {input.spectra} --posterior {input.posterior} --summed {input.summed} "
        "--predictive {input.predictive} --model {input.spec} --library {input.library} "
        "--out-maps {output.maps} --out-bins {output.bins} --out-json {output.summary}"


rule plot_galaxy:
    input:
        spectra="results/galaxies/{galaxy}/spectra.h5",
        posterior="results/galaxies/{galaxy}/posterior.h5",
        summary="results/galaxies/{galaxy}/summary.json",
        predictive="results/galaxies/{galaxy}/predictive.h5",
        spec=f"{GALAXY_MODEL}/model.json",
        script=script("plot_galaxy"),
        code=code("plot_galaxy"),
    output:
        page=report(
            "results/galaxies/{galaxy}/summary.png",
            caption="../report/galaxy.rst",
            category="Galaxies",
            labels={"galaxy": "{galaxy}", "figure": "summary"},
        ),
        pdf="results/galaxies/{galaxy}/summary.pdf",
        quality=report(
            "results/galaxies/{galaxy}/quality.png",
            caption="../report/quality.rst",
            category="Galaxies",
            labels={"galaxy": "{galaxy}", "figure": "checks"},
        ),
        quality_pdf="results/galaxies/{galaxy}/quality.pdf",
        examples=report(
            "results/galaxies/{galaxy}/examples.png",
            caption="../report/examples.rst",
            category="Galaxies",
            labels={"galaxy": "{galaxy}", "figure": "example bins"},
        ),
        examples_pdf="results/galaxies/{galaxy}/examples.pdf",
    log:
        "logs/plot_galaxy/{galaxy}.log",
    wildcard_constraints:
        galaxy=one_of(OBSERVED),
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(20),
    params:
        *section("figures"),
        truth="",
        code=code_hash("plot_galaxy"),
    message:
        "Draw the page of {wildcards.galaxy}"
    shell:
        "python {input.script} $CONFIG $GUARD --threads {threads} --log {log} --galaxy {wildcards.galaxy} "
        "--spectra {input.spectra} --posterior {input.posterior} --summary {input.summary} "
        "--predictive {input.predictive} --model {input.spec} --out {output.page} --out-quality {output.quality} "
        "--out-examples {output.examples} {params.truth}"


# The same page, and beside it the true maps, which only a simulated galaxy has.
use rule plot_galaxy as plot_simulated_galaxy with:
    output:
        page=report(
            "results/galaxies/{galaxy}/summary.png",
            caption="../report/galaxy.rst",
            category="Galaxies",
            labels={"galaxy": "{galaxy}", "figure": "summary"},
        ),
        pdf="results/galaxies/{galaxy}/summary.pdf",
        quality=report(
            "results/galaxies/{galaxy}/quality.png",
            caption="../report/quality.rst",
            category="Galaxies",
            labels={"galaxy": "{galaxy}", "figure": "checks"},
        ),
        quality_pdf="results/galaxies/{galaxy}/quality.pdf",
        examples=report(
            "results/galaxies/{galaxy}/examples.png",
            caption="../report/examples.rst",
            category="Galaxies",
            labels={"galaxy": "{galaxy}", "figure": "example bins"},
        ),
        examples_pdf="results/galaxies/{galaxy}/examples.pdf",
        truth=report(
            "results/galaxies/{galaxy}/truth.png",
            caption="../report/truth.rst",
            category="Galaxies",
            labels={"galaxy": "{galaxy}", "figure": "true and recovered maps"},
        ),
        truth_pdf="results/galaxies/{galaxy}/truth.pdf",
    wildcard_constraints:
        galaxy=one_of(SIMULATED),
    params:
        *section("figures"),
        truth=lambda wildcards, output: f"--out-truth {output.truth}",
        code=code_hash("plot_galaxy"),
