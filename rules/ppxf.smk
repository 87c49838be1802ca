# Optional: pPXF on the same mocks and the same galaxies. Its licence allows no commercial use, so nothing in `all` needs it.


rule ppxf:
    input:
        "results/ppxf/comparison.csv",
        "results/figures/ppxf.png",
        expand("results/galaxies/{galaxy}/ppxf.png", galaxy=GALAXIES),
    localrule: True


step(
    "tune_ppxf",
    "Find the best regularisation of pPXF on {wildcards.case}",
    input=PPXF_MOCKS,
    output="results/ppxf/{case}/regularisation.json",
    reads=section(
        "seed", "validation", "ppxf", "grid", without=["ppxf.cases", "ppxf.chunk", "ppxf.in_explorer"]
    ),
    params=FILTER_FOLDER,
    options="--case {wildcards.case} --shards {input.shards} --stress {input.stress} "
    f"{WITH_FORWARD} --out {{output}}",
    env="ppxf",
    mem_mb=MOCKS_MB,
    minutes=60,
)
step(
    "fit_ppxf",
    "Fit {wildcards.case}, chunk {wildcards.chunk}, with pPXF",
    input={"tuning": "results/ppxf/{case}/regularisation.json", **PPXF_MOCKS},
    output="results/ppxf/{case}/{chunk}.h5",
    reads=section("seed", "validation", "ppxf", "grid", without=["ppxf.cases", "ppxf.in_explorer"]),
    params=FILTER_FOLDER,
    options="--case {wildcards.case} --chunk {wildcards.chunk} --tuning {input.tuning} --shards {input.shards} "
    f"--stress {{input.stress}} {WITH_FORWARD} --out {{output}}",
    env="ppxf",
    mem_mb=MOCKS_MB,
    minutes=60,
)
step(
    "compare_ppxf",
    "Put pPXF and the networks side by side",
    input={
        "chunks": PPXF_FILES,
        "tunings": expand("results/ppxf/{case}/regularisation.json", case=PPXF_OWN_CASES),
        **MEASURED,
    },
    output={"json": "results/ppxf/comparison.json", "csv": "results/ppxf/comparison.csv"},
    options="--chunks {input.chunks} --tunings {input.tunings} --metrics {input.metrics} --h5 {input.numbers} "
    "--out-json {output.json} --out-csv {output.csv}",
    env="validation",
    mem_mb=2000,
    minutes=10,
)
step(
    "plot_ppxf",
    "Draw pPXF beside the networks",
    input="results/ppxf/comparison.json",
    output={
        "png": reported("results/figures/ppxf.png", "Validation", figure="ppxf"),
        "pdf": "results/figures/ppxf.pdf",
    },
    reads=section("figures"),
    options="--comparison {input} --out {output.png}",
    env="figures",
    mem_mb=2000,
    minutes=10,
)
step(
    "fit_ppxf_galaxy",
    "Fit the spectra of {wildcards.galaxy} with pPXF",
    input={**of_galaxy("spectra"), **FORWARD},
    output=of_galaxy("ppxf"),
    reads=section("age_bins_myr", "bands", "grid", "ppxf.multiplicative_degree", "ppxf.galaxy_regul"),
    params=FILTER_FOLDER,
    options=f"--spectra {{input.spectra}} {WITH_FORWARD} --out {{output}}",
    env="ppxf",
    mem_mb=4000,
    minutes=240,
)
step(
    "compare_ppxf_galaxy",
    "Compare pPXF with the network in {wildcards.galaxy}",
    input=of_galaxy("spectra", "posterior", "predictive", "ppxf"),
    output="results/galaxies/{galaxy}/ppxf.json",
    options="--spectra {input.spectra} --posterior {input.posterior} --predictive {input.predictive} "
    "--ppxf {input.ppxf} --out {output}",
    env="galaxies",
    mem_mb=3000,
    minutes=10,
)
step(
    "plot_ppxf_galaxy",
    "Draw pPXF beside the network in {wildcards.galaxy}",
    input={**of_galaxy("spectra", "posterior", "ppxf"), "comparison": "results/galaxies/{galaxy}/ppxf.json"},
    output=galaxy_pages(ppxf=("ppxf_galaxy", "pPXF")),
    reads=section("figures"),
    options="--spectra {input.spectra} --posterior {input.posterior} --ppxf {input.ppxf} "
    "--comparison {input.comparison} --out {output.ppxf}",
    env="figures",
    mem_mb=3000,
    minutes=20,
)
