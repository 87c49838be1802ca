# Optional: pPXF on the same mocks and the same galaxies. Its licence allows no commercial use, so nothing in `all` needs it.


rule ppxf:
    input:
        "results/ppxf/comparison.csv",
        "results/figures/ppxf.png",
        expand("results/galaxies/{galaxy}/ppxf.png", galaxy=GALAXIES),
    localrule: True


rule tune_ppxf:
    input:
        shards=shard_files(TEST_SHARDS),
        stress=expand("results/stress/{stress}.h5", stress=PPXF_STRESS),
        ssp=f"results/ssp/{CONFIG.ssp.name}.h5",
        filters=upstream("hst_filters"),
        lines=upstream("mappings51"),
        script=script("tune_ppxf"),
        code=code("tune_ppxf"),
    output:
        "results/ppxf/{case}/regularisation.json",
    log:
        "logs/tune_ppxf/{case}.log",
    benchmark:
        "benchmarks/tune_ppxf/{case}.tsv"
    conda:
        "../envs/ppxf.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000 + 1500 * CONFIG.training.cache_gb),
        runtime=growing(60),
    params:
        *section("seed", "noise", "validation", "ppxf", "grid", without=["ppxf.cases", "ppxf.chunk"]),
        filters=lambda wildcards, input: Path(input.filters[0]).parent,
        lines=lambda wildcards, input: next(file for file in input.lines if file.endswith(".fits.gz")),
        code=code_hash("tune_ppxf"),
    message:
        "Find the best regularisation of pPXF on {wildcards.case}"
    shell:
        "python {input.script} $CONFIG $GUARD --threads {threads} --log {log} --case {wildcards.case} "
        "--shards {input.shards} --stress {input.stress} --ssp {input.ssp} --filters {params.filters} "
        "--mappings {params.lines} --out {output}"


rule fit_ppxf:
    input:
        tuning="results/ppxf/{case}/regularisation.json",
        shards=shard_files(TEST_SHARDS),
        stress=expand("results/stress/{stress}.h5", stress=PPXF_STRESS),
        ssp=f"results/ssp/{CONFIG.ssp.name}.h5",
        filters=upstream("hst_filters"),
        lines=upstream("mappings51"),
        script=script("fit_ppxf"),
        code=code("fit_ppxf"),
    output:
        "results/ppxf/{case}/{chunk}.h5",
    log:
        "logs/fit_ppxf/{case}_{chunk}.log",
    benchmark:
        "benchmarks/fit_ppxf/{case}_{chunk}.tsv"
    conda:
        "../envs/ppxf.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000 + 1500 * CONFIG.training.cache_gb),
        runtime=growing(60),
    params:
        *section("seed", "noise", "validation", "ppxf", "grid", without=["ppxf.cases"]),
        filters=lambda wildcards, input: Path(input.filters[0]).parent,
        lines=lambda wildcards, input: next(file for file in input.lines if file.endswith(".fits.gz")),
        code=code_hash("fit_ppxf"),
    message:
        "Fit {wildcards.case}, chunk {wildcards.chunk}, with pPXF"
    shell:
        "python {input.script} $CONFIG $GUARD --threads {threads} --log {log} --case {wildcards.case} "
        "--chunk {wildcards.chunk} --tuning {input.tuning} --shards {input.shards} --stress {input.stress} "
        "--ssp {input.ssp} --filters {params.filters} --mappings {params.lines} --out {output}"


rule compare_ppxf:
    input:
        chunks=PPXF_FILES,
        tunings=expand("results/ppxf/{case}/regularisation.json", case=PPXF_CASES),
        metrics=expand("results/validation/{model}/metrics.json", model=MODELS),
        numbers=expand("results/validation/{model}/validation.h5", model=MODELS),
        script=script("compare_ppxf"),
        code=code("compare_ppxf"),
    output:
        json="results/ppxf/comparison.json",
        csv="results/ppxf/comparison.csv",
    log:
        "logs/compare_ppxf.log",
    conda:
        "../envs/validation.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        code=code_hash("compare_ppxf"),
    message:
        "Put pPXF and the networks side by side"
    shell:
        "python {input.script} $CONFIG $GUARD --threads {threads} --log {log} --chunks {input.chunks} "
        "--tunings {input.tunings} --metrics {input.metrics} --h5 {input.numbers} --out-json {output.json} "
        "--out-csv {output.csv}"


rule plot_ppxf:
    input:
        comparison="results/ppxf/comparison.json",
        script=script("plot_ppxf"),
        code=code("plot_ppxf"),
    output:
        png=report(
            "results/figures/ppxf.png",
            caption="../report/ppxf.rst",
            category="Validation",
            labels={"figure": "ppxf"},
        ),
        pdf="results/figures/ppxf.pdf",
    log:
        "logs/plot_ppxf.log",
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        *section("figures"),
        code=code_hash("plot_ppxf"),
    message:
        "Draw pPXF beside the networks"
    shell:
        "python {input.script} $CONFIG $GUARD --threads {threads} --log {log} --comparison {input.comparison} "
        "--out {output.png}"


rule fit_ppxf_galaxy:
    input:
        spectra="results/galaxies/{galaxy}/spectra.h5",
        ssp=f"results/ssp/{CONFIG.ssp.name}.h5",
        filters=upstream("hst_filters"),
        lines=upstream("mappings51"),
        script=script("fit_ppxf_galaxy"),
        code=code("fit_ppxf_galaxy"),
    output:
        "results/galaxies/{galaxy}/ppxf.h5",
    log:
        "logs/fit_ppxf_galaxy/{galaxy}.log",
    benchmark:
        "benchmarks/fit_ppxf_galaxy/{galaxy}.tsv"
    conda:
        "../envs/ppxf.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
    params:
        *section("age_bins_myr", "bands", "grid", "ppxf.multiplicative_degree", "ppxf.galaxy_regul"),
        filters=lambda wildcards, input: Path(input.filters[0]).parent,
        lines=lambda wildcards, input: next(file for file in input.lines if file.endswith(".fits.gz")),
        code=code_hash("fit_ppxf_galaxy"),
    message:
        "Fit the spectra of {wildcards.galaxy} with pPXF"
    shell:
        "python {input.script} $CONFIG $GUARD --threads {threads} --log {log} --spectra {input.spectra} "
        "--ssp {input.ssp} --filters {params.filters} --mappings {params.lines} --out {output}"


rule compare_ppxf_galaxy:
    input:
        spectra="results/galaxies/{galaxy}/spectra.h5",
        posterior="results/galaxies/{galaxy}/posterior.h5",
        predictive="results/galaxies/{galaxy}/predictive.h5",
        ppxf="results/galaxies/{galaxy}/ppxf.h5",
        script=script("compare_ppxf_galaxy"),
        code=code("compare_ppxf_galaxy"),
    output:
        "results/galaxies/{galaxy}/ppxf.json",
    log:
        "logs/compare_ppxf_galaxy/{galaxy}.log",
    conda:
        "../envs/galaxies.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(10),
    params:
        code=code_hash("compare_ppxf_galaxy"),
    message:
        "Compare pPXF with the network in {wildcards.galaxy}"
    shell:
        "python {input.script} $CONFIG $GUARD --threads {threads} --log {log} --spectra {input.spectra} "
        "--posterior {input.posterior} --predictive {input.predictive} --ppxf {input.ppxf} --out {output}"


rule plot_ppxf_galaxy:
    input:
        spectra="results/galaxies/{galaxy}/spectra.h5",
        posterior="results/galaxies/{galaxy}/posterior.h5",
        ppxf="results/galaxies/{galaxy}/ppxf.h5",
        comparison="results/galaxies/{galaxy}/ppxf.json",
        script=script("plot_ppxf_galaxy"),
        code=code("plot_ppxf_galaxy"),
    output:
        png=report(
            "results/galaxies/{galaxy}/ppxf.png",
            caption="../report/ppxf_galaxy.rst",
            category="Galaxies",
            labels={"galaxy": "{galaxy}", "figure": "pPXF"},
        ),
        pdf="results/galaxies/{galaxy}/ppxf.pdf",
    log:
        "logs/plot_ppxf_galaxy/{galaxy}.log",
    conda:
        "../envs/figures.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(20),
    params:
        *section("figures"),
        code=code_hash("plot_ppxf_galaxy"),
    message:
        "Draw pPXF beside the network in {wildcards.galaxy}"
    shell:
        "python {input.script} $CONFIG $GUARD --threads {threads} --log {log} --spectra {input.spectra} "
        "--posterior {input.posterior} --ppxf {input.ppxf} --comparison {input.comparison} --out {output.png}"
