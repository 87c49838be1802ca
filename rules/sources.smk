# Upstream files, checked on arrival, and the SSP library made of them.
# Every source has a rule, fetch_NAME. Compute nodes often have no internet: the fetching runs where Snakemake runs.
# The code is no input here: an edit of the fetcher does not make the checked files any newer.
for source in REGISTRY.sources:

    rule:
        name:
            f"fetch_{source}"
        output:
            upstream(source),
        log:
            f"logs/fetch_source/{source}.log",
        retries: 3
        localrule: True
        conda:
            "../envs/sources.yaml"
        threads: 1
        resources:
            mem_mb=500,
            runtime=60,
        params:
            script=script("fetch_source"),
            source=source,
            registry=REGISTRY.source(source).model_dump_json(include={"files"}),
        message:
            f"Fetch and check {source}: {REGISTRY.source(source).title.strip()}"
        shell:
            "python {params.script} $CONFIG $GUARD --log {log} {params.source}"


# Public files of galaxies with the source phangs: one job a file, so that a failure costs no other. No retries: the
# download itself goes on where it broke off, and where there is no network the answer is known at once.
rule fetch_phangs:
    output:
        "{archived}",
    log:
        "logs/fetch_phangs/{archived}.log",
    wildcard_constraints:
        archived=one_of(TO_FETCH),
    retries: 0
    localrule: True
    conda:
        "../envs/archives.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=2880,
    params:
        script=script("fetch_phangs"),
    message:
        "Fetch {wildcards.archived}"
    shell:
        "python {params.script} $CONFIG $GUARD --log {log} {output}"


rule build_ssp:
    input:
        emiles=upstream(CONFIG.ssp.old),
        bc03=upstream(CONFIG.ssp.young),
        script=script("build_ssp"),
        code=code("build_ssp"),
    output:
        "results/ssp/{ssp}.h5",
    log:
        "logs/build_ssp/{ssp}.log",
    benchmark:
        "benchmarks/build_ssp/{ssp}.tsv"
    conda:
        "../envs/synthesis.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(10),
    params:
        emiles=lambda wildcards, input: Path(input.emiles[0]).parent,
        seam_myr=CONFIG.ssp.seam_age_yr / 1e6,
        code=code_hash("build_ssp"),
    message:
        "Build the SSP library {wildcards.ssp}"
    shell:
        "python {input.script} $GUARD --threads {threads} --log {log} --emiles {params.emiles} --bc03 {input.bc03} "
        "--seam-myr {params.seam_myr} --out {output}"
