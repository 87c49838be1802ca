# Spectra, band fluxes and labels of the galaxies of a shard, without noise.


rule synthesize:
    input:
        prior="results/prior/{shard}.h5",
        ssp=f"results/ssp/{CONFIG.ssp.name}.h5",
        filters=upstream("hst_filters"),
        lines=upstream("mappings51"),
        script=script("synthesize"),
        code=code("synthesize"),
    output:
        "results/synthesis/{shard}.h5",
    log:
        "logs/synthesize/{shard}.log",
    benchmark:
        "benchmarks/synthesize/{shard}.tsv"
    conda:
        "../envs/synthesis.yaml"
    threads: 2
    resources:
        mem_mb=growing(1500 + 30 * KILO_GALAXIES),
        runtime=growing(10 + 0.1 * KILO_GALAXIES),
        slots=1,
    params:
        *section("grid", "bands", "synthesis", without=WHICH_SHARDS),
        filters=lambda wildcards, input: Path(input.filters[0]).parent,
        lines=lambda wildcards, input: next(file for file in input.lines if file.endswith(".fits.gz")),
        code=code_hash("synthesize"),
    message:
        "Synthesise the galaxies of shard {wildcards.shard}"
    shell:
        "python {input.script} $CONFIG $GUARD --threads {threads} --log {log} --ssp {input.ssp} --prior {input.prior} "
        "--filters {params.filters} --mappings {params.lines} --out {output}"


# Galaxies unlike those of the training, for the validation only.
rule stress_mocks:
    input:
        ssp=f"results/ssp/{CONFIG.ssp.name}.h5",
        filters=upstream("hst_filters"),
        lines=upstream("mappings51"),
        script=script("stress_mocks"),
        code=code("stress_mocks"),
    output:
        "results/stress/{stress}.h5",
    log:
        "logs/stress_mocks/{stress}.log",
    benchmark:
        "benchmarks/stress_mocks/{stress}.tsv"
    conda:
        "../envs/synthesis.yaml"
    threads: 2
    resources:
        mem_mb=growing(1500 + 0.06 * CONFIG.validation.stress_galaxies),
        runtime=growing(10),
    params:
        *section("seed", "prior", "age_bins_myr", "grid", "bands", "synthesis", without=WHICH_SHARDS),
        *section("validation.stress_galaxies", "validation.spiky_alpha"),
        filters=lambda wildcards, input: Path(input.filters[0]).parent,
        lines=lambda wildcards, input: next(file for file in input.lines if file.endswith(".fits.gz")),
        code=code_hash("stress_mocks"),
    message:
        "Make galaxies unlike those of the training: {wildcards.stress}"
    shell:
        "python {input.script} $CONFIG $GUARD --threads {threads} --log {log} --kind {wildcards.stress} "
        "--ssp {input.ssp} --filters {params.filters} --mappings {params.lines} --out {output}"
