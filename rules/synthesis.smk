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
