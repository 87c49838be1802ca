# Figures, each drawn from stored numbers: restyling one recomputes nothing else.


rule figures:
    input:
        expand("results/figures/{figure}.png", figure=[*PRIOR_FIGURES, *VALIDATION_FIGURES, "claims"]),
    localrule: True


rule plot_prior:
    input:
        shards=shard_files(DRAWN_SHARDS),
        prior=f"results/prior/{DRAWN_SHARDS[0]}.h5",
        filters=upstream("hst_filters"),
        catalogues=[file for source in CATALOGUES for file in upstream(source)],
        script=script("plot_prior"),
        code=code("plot_prior"),
    output:
        [
            report(
                f"results/figures/{figure}.png",
                caption=f"../report/{figure}.rst",
                category="Prior",
                labels={"figure": figure},
            )
            for figure in PRIOR_FIGURES
        ],
        expand("results/figures/{figure}.pdf", figure=PRIOR_FIGURES),
        coverage="results/figures/prior_coverage.json",
    log:
        "logs/plot_prior.log",
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(20),
    params:
        *section("bands", "figures"),
        filters=lambda wildcards, input: Path(input.filters[0]).parent,
        catalogues=[f"--{option} {Path(upstream(source)[0]).parent}" for source, option in CATALOGUES.items()],
        folder=lambda wildcards, output: Path(output.coverage).parent,
        code=code_hash("plot_prior"),
    message:
        "Draw the prior"
    shell:
        "python {input.script} $CONFIG $GUARD --threads {threads} --log {log} --shards {input.shards} "
        "--prior {input.prior} --filters {params.filters} {params.catalogues} --out-dir {params.folder}"


rule plot_validation:
    input:
        metrics=lambda wildcards: validation_files(
            wildcards.figure, "results/validation/{model}/metrics.json"
        ),
        numbers=lambda wildcards: validation_files(
            wildcards.figure, "results/validation/{model}/validation.h5"
        ),
        weights=lambda wildcards: validation_files(
            wildcards.figure, "results/model/{model}/weights.safetensors"
        ),
        history=lambda wildcards: validation_files(wildcards.figure, "results/model/{model}/history.csv"),
        script=script("plot_validation"),
        code=code("plot_validation"),
    output:
        report(
            "results/figures/{figure}.png",
            caption="../report/validation.rst",
            category="Validation",
            labels={"figure": "{figure}"},
        ),
        "results/figures/{figure}.pdf",
    log:
        "logs/plot_validation/{figure}.log",
    wildcard_constraints:
        figure="|".join(VALIDATION_FIGURES),
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        *section("figures"),
        name=lambda wildcards: VALIDATION_FIGURES[wildcards.figure][0],
        folders=lambda wildcards, input: [Path(file).parent for file in input.weights],
        out_dir=lambda wildcards, output: Path(output[0]).parent,
        code=code_hash("plot_validation"),
    message:
        "Draw {wildcards.figure}"
    shell:
        "python {input.script} $CONFIG $GUARD --threads {threads} --log {log} --metrics {input.metrics} "
        "--h5 {input.numbers} --model-dirs {params.folders} --figures {params.name} --out-dir {params.out_dir}"


rule plot_claims:
    input:
        numbers="results/validation/claims.json",
        script=script("plot_claims"),
        code=code("plot_claims"),
    output:
        png=report(
            "results/figures/claims.png",
            caption="../report/claims.rst",
            category="Validation",
            labels={"figure": "claims"},
        ),
        pdf="results/figures/claims.pdf",
    log:
        "logs/plot_claims.log",
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        *section("figures"),
        code=code_hash("plot_claims"),
    message:
        "Draw the tests of the paper's claims"
    shell:
        "python {input.script} $CONFIG $GUARD --threads {threads} --log {log} --claims {input.numbers} "
        "--out {output.png}"


rule plot_learning_curve:
    input:
        points=expand("results/learning_curve/{size}.json", size=SIZES),
        script=script("plot_learning_curve"),
        code=code("plot_learning_curve"),
    output:
        png=report(
            "results/figures/learning_curve.png",
            caption="../report/learning_curve.rst",
            category="Validation",
            labels={"figure": "learning_curve"},
        ),
        pdf="results/figures/learning_curve.pdf",
    log:
        "logs/plot_learning_curve.log",
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        *section("figures"),
        code=code_hash("plot_learning_curve"),
    message:
        "Draw the learning curve"
    shell:
        "python {input.script} $CONFIG $GUARD --threads {threads} --log {log} --points {input.points} "
        "--out {output.png}"


# Every number and picture of the run on one page.
rule report:
    input:
        metrics=expand("results/validation/{model}/metrics.json", model=MODELS),
        figures=expand("results/figures/{figure}.png", figure=[*PRIOR_FIGURES, *VALIDATION_FIGURES, "claims"]),
        summaries=expand("results/galaxies/{galaxy}/summary.json", galaxy=GALAXIES),
        pages=expand("results/galaxies/{galaxy}/summary.png", galaxy=GALAXIES),
        checks=expand("results/galaxies/{galaxy}/{page}.png", galaxy=GALAXIES, page=("quality", "examples")),
        truths=expand("results/galaxies/{galaxy}/truth.png", galaxy=SIMULATED),
        template="report/page.html.j2",
        captions=expand(
            "report/{kind}.rst",
            kind=("validation", "claims", "galaxy", "quality", "examples", "truth", *PRIOR_FIGURES),
        ),
        script=script("report"),
        code=code("report"),
    output:
        "results/report.html",
    log:
        "logs/report.log",
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        config=CONFIG.model_dump_json(exclude={"sources"}),
        galaxies=lambda wildcards, input: [Path(file).parent for file in input.summaries],
        templates=lambda wildcards, input: Path(input.template).parent,
        # no input, or `all` would make what is optional
        ppxf=[str(file) for file in [Path("results/ppxf/comparison.json")] if file.is_file()],
        ppxf_figure=[str(file) for file in [Path("results/figures/ppxf.png")] if file.is_file()],
        code=code_hash("report"),
    message:
        "Write the report, results/report.html"
    shell:
        "python {input.script} $CONFIG $GUARD --threads {threads} --log {log} --metrics {input.metrics} "
        "--figures {input.figures} {params.ppxf_figure} --galaxies {params.galaxies} --templates {params.templates} "
        "--ppxf {params.ppxf} --out {output}"
