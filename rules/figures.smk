# Figures, each drawn from stored numbers: restyling one recomputes nothing else.


rule figures:
    input:
        FIGURES,
    localrule: True


step(
    "plot_prior",
    "Draw the prior",
    input={
        "shards": shard_files(DRAWN_SHARDS),
        "prior": f"results/prior/{DRAWN_SHARDS[0]}.h5",
        "catalogues": [file for source in CATALOGUES for file in upstream(source)],
    },
    output={
        **{
            figure: reported(f"results/figures/{figure}.png", "Prior", figure=figure)
            for figure in PRIOR_FIGURES
        },
        **{f"{figure}_pdf": f"results/figures/{figure}.pdf" for figure in PRIOR_FIGURES},
        "coverage": "results/figures/prior_coverage.json",
    },
    reads=section("bands", "figures"),
    params={
        "catalogues": lambda wildcards, input: [
            word
            for source, option in CATALOGUES.items()
            for word in (f"--{option}", str(Path(upstream(source)[0]).parent))
        ],
        "folder": folder_of("coverage"),
    },
    options="--shards {input.shards} --prior {input.prior} {params.catalogues} --out-dir {params.folder}",
    env="figures",
    mem_mb=4000,
    minutes=20,
)
step(
    "plot_validation",
    "Draw {wildcards.figure}",
    input={
        "metrics": of_models("results/validation/{model}/metrics.json"),
        "numbers": of_models("results/validation/{model}/validation.h5"),
        "weights": of_models("results/model/{model}/weights.safetensors"),
        "history": of_models("results/model/{model}/history.csv"),
    },
    output={
        "png": reported("results/figures/{figure}.png", "Validation", "validation", figure="{figure}"),
        "pdf": "results/figures/{figure}.pdf",
    },
    reads=section("figures"),
    params={
        "name": lambda wildcards: VALIDATION_FIGURES[wildcards.figure][0],
        "models": lambda wildcards, input: [str(Path(file).parent) for file in input.weights],
        "folder": folder_of("png"),
    },
    options="--metrics {input.metrics} --h5 {input.numbers} --model-dirs {params.models} --figures {params.name} "
    "--out-dir {params.folder}",
    wildcards={"figure": one_of(VALIDATION_FIGURES)},
    env="figures",
    mem_mb=2000,
    minutes=10,
)
step(
    "plot_claims",
    "Draw the tests of the paper's claims",
    input="results/validation/claims.json",
    output={
        "png": reported("results/figures/claims.png", "Validation", figure="claims"),
        "pdf": "results/figures/claims.pdf",
    },
    reads=section("figures"),
    options="--claims {input} --out {output.png}",
    env="figures",
    mem_mb=2000,
    minutes=10,
)
step(
    "plot_learning_curve",
    "Draw the learning curve",
    input=LEARNING_POINTS,
    output={
        "png": reported("results/figures/learning_curve.png", "Validation", figure="learning_curve"),
        "pdf": "results/figures/learning_curve.pdf",
    },
    reads=section("figures"),
    options="--points {input} --out {output.png}",
    env="figures",
    mem_mb=2000,
    minutes=10,
)
step(
    "plot_bands",
    "Draw what each band brings to {wildcards.model}",
    input="results/band_value/{model}.json",
    output={
        "png": reported(
            "results/figures/band_value_{model}.png", "Validation", "band_value", figure="{model}"
        ),
        "pdf": "results/figures/band_value_{model}.pdf",
    },
    reads=section("figures"),
    options="--value {input} --out {output.png}",
    env="figures",
    mem_mb=2000,
    minutes=10,
)
# Every number and picture of the run on one page.
step(
    "report",
    "Write the report, results/report.html",
    input={
        "metrics": MEASURED["metrics"],
        "figures": FIGURES,
        "summaries": expand("results/galaxies/{galaxy}/summary.json", galaxy=GALAXIES),
        "pages": expand(
            "results/galaxies/{galaxy}/{page}.png", galaxy=GALAXIES, page=("summary", "quality", "examples")
        ),
        "truths": expand("results/galaxies/{galaxy}/truth.png", galaxy=SIMULATED),
        "explorers": expand("results/galaxies/{galaxy}/explorer.html", galaxy=GALAXIES),
        "template": plain(of_project("report/page.html.j2")),
        "captions": [
            plain(of_project(f"report/{kind}.rst"))
            for kind in ("validation", "claims", "galaxy", "quality", "examples", "truth", *PRIOR_FIGURES)
        ],
    },
    output="results/report.html",
    params={
        "config": fixed(CONFIG.model_dump_json(exclude={"sources"})),
        "galaxies": lambda wildcards, input: [str(Path(file).parent) for file in input.summaries],
        "templates": folder_of("template"),
        # no input, or `all` would make what is optional
        "ppxf": fixed([str(file) for file in [Path("results/ppxf/comparison.json")] if file.is_file()]),
        "foreign": fixed(
            [file for name in LEARNERS if Path(file := f"results/foreign/{name}.json").is_file()]
        ),
        "more_figures": fixed(
            [
                file
                for name in ("ppxf", "foreign", "learning_curve")
                if Path(file := f"results/figures/{name}.png").is_file()
            ]
        ),
        "learning": fixed([file for file in LEARNING_POINTS if Path(file).is_file()]),
    },
    options="--metrics {input.metrics} --figures {input.figures} {params.more_figures} --galaxies {params.galaxies} "
    "--templates {params.templates} --ppxf {params.ppxf} --foreign {params.foreign} --learning {params.learning} "
    "--benchmarks benchmarks --out {output}",
    env="figures",
    mem_mb=2000,
    minutes=10,
)
