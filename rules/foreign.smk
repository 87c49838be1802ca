# Optional: galaxies that no training knew, and every network on them. Nothing in `all` needs them. BAGPIPES (GPL-3) has an
# environment of its own: run with --software-deployment-method conda, or install phangs-sfh[foreign].


rule foreign_benchmarks:
    input:
        expand("results/foreign/{model}.md", model=LEARNERS),
        "results/figures/foreign.png",
    localrule: True


step(
    "mock_bagpipes",
    "Make galaxies with BAGPIPES, chunk {wildcards.chunk}",
    output="results/foreign/bagpipes/{chunk}.h5",
    reads=section("seed", "foreign.bagpipes_galaxies", "foreign.chunk"),
    options="--chunk {wildcards.chunk} --out {output}",
    env="bagpipes",
    mem_mb=4000,
    minutes=30,
)
step(
    "fold_bagpipes",
    "Bring the galaxies of BAGPIPES to the training grid",
    input={
        "chunks": expand("results/foreign/bagpipes/{chunk}.h5", chunk=range(CONFIG.foreign.n_chunk)),
        **SSP,
        **FILTERS,
    },
    output="results/foreign/mocks/bagpipes.h5",
    reads=section("grid", "bands", "age_bins_myr"),
    params=FILTER_FOLDER,
    options=f"--chunks {{input.chunks}} {WITH_FILTERS} --out {{output}}",
    env="synthesis",
    mem_mb=3000,
    minutes=10,
)
step(
    "foreign_mocks",
    "Make foreign mocks: {wildcards.foreign}",
    input={
        **FORWARD,
        # kinds without a library of their own are given one too, and leave it aside
        "library": lambda wildcards: upstream(FOREIGN_LIBRARIES.get(wildcards.foreign, "bc03_miles")),
    },
    output="results/foreign/mocks/{foreign}.h5",
    reads=[
        *section("seed", "prior", "age_bins_myr", "grid", "bands", "synthesis", without=WHICH_SHARDS),
        *section("foreign.mocks"),
    ],
    params={**FILTER_FOLDER, "library": folder_of("library")},
    options=f"--kind {{wildcards.foreign}} {WITH_FORWARD} --library {{params.library}} --out {{output}}",
    wildcards={"foreign": one_of([name for name in FOREIGN_MOCKS if name != "bagpipes"])},
    env="synthesis",
    mem_mb=3000,
    minutes=15,
)
step(
    "measure_foreign",
    "Measure {wildcards.model} on galaxies that no training knew",
    input={
        **trained("calibration"),
        "metrics": "results/validation/{model}/metrics.json",
        "foreign": foreign_files(FOREIGN_MOCKS),
        "real": REAL_SPECTRA,
        "ppxf": ppxf_files(PPXF_FOREIGN_CASES),
    },
    output={
        "json": "results/foreign/{model}.json",
        "table": "results/foreign/{model}.md",
        "card": "results/foreign/{model}_card.md",
    },
    reads=section(
        "seed", "noise", "prior", "validation.stress_snr", "validation.galaxies", "validation.ripple"
    ),
    params={
        **MODEL_FOLDER,
        "real": lambda wildcards, input: ["--real", *REAL_SPECTRA] if REAL_SPECTRA else [],
        "ppxf": lambda wildcards, input: ["--ppxf-chunks", *input.ppxf] if input.ppxf else [],
    },
    options="--model-dir {params.folder} --foreign {input.foreign} {params.real} {params.ppxf} --out-json {output.json} "
    "--out-table {output.table} --metrics {input.metrics} --out-card {output.card}",
    env="foreign",
    threads=2,
    mem_mb=3000,
    minutes=20,
)
step(
    "plot_foreign",
    "Draw the networks on galaxies that no training knew",
    input=expand("results/foreign/{model}.json", model=LEARNERS),
    output={
        "png": reported("results/figures/foreign.png", "Validation", figure="foreign"),
        "pdf": "results/figures/foreign.pdf",
    },
    reads=section("figures"),
    options="--measured {input} --out {output.png}",
    env="figures",
    mem_mb=2000,
    minutes=10,
)
