# Upstream files, checked on arrival, and the SSP library made of them.
# Every source has a rule, fetch_NAME. Compute nodes often have no internet: the fetching runs where Snakemake runs.
# No fingerprint of the code here: an edit of the fetcher does not make the checked files any newer.
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
            program=program("fetch_source"),
            source=source,
            registry=REGISTRY.source(source).model_dump_json(include={"files"}),
        message:
            f"Fetch and check {source}: {REGISTRY.source(source).title.strip()}"
        shell:
            command("{params.source}")


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
        program=program("fetch_phangs"),
    message:
        "Fetch {wildcards.archived}"
    shell:
        command("{output}")


MIXTURE = CONFIG.synthesis.library_mixture
VARIANTS = dict(zip(MIXTURE.variants, MIXTURE.sources))
REACH = library_reach_aa(CONFIG.bands, CONFIG.prior.drawn_from("redshift")[1])


step(
    "build_ssp",
    "Build the SSP library {wildcards.ssp}",
    input={
        "emiles": upstream(CONFIG.ssp.old),
        "bc03": upstream(CONFIG.ssp.young),
        **{f"variant_{name}": upstream(source) for name, source in VARIANTS.items()},
    },
    output="results/ssp/{ssp}.h5",
    reads=section("ssp.seam_age_yr"),
    params={"emiles": folder_of("emiles")},
    options="--emiles {params.emiles} --bc03 {input.bc03} "
    + ("--reach {:.0f} {:.0f} ".format(*REACH) if REACH else "")
    + "".join(f"--variant {name}={{input.variant_{name}}} " for name in VARIANTS)
    + "--out {output}",
    env="synthesis",
    mem_mb=3000,
    minutes=10,
)
