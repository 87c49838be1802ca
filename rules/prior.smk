# Histories, metallicities, dust and lines drawn from the prior, a file a shard.


rule sample_prior:
    input:
        script=script("sample_prior"),
        code=code("sample_prior"),
    output:
        "results/prior/{shard}.h5",
    log:
        "logs/sample_prior/{shard}.log",
    benchmark:
        "benchmarks/sample_prior/{shard}.tsv"
    conda:
        "../envs/prior.yaml"
    threads: 1
    resources:
        mem_mb=growing(800 + 10 * KILO_GALAXIES),
        runtime=growing(5 + 0.1 * KILO_GALAXIES),
        slots=1,
    params:
        *section("seed", "prior", "age_bins_myr", "synthesis.galaxies_per_shard"),
        test=lambda wildcards: wildcards.shard in TEST_SHARDS and bool(CONFIG.prior.held_out_families),
        code=code_hash("sample_prior"),
    message:
        "Draw the galaxies of shard {wildcards.shard} from the prior"
    shell:
        "python {input.script} $CONFIG $GUARD --threads {threads} --log {log} --shard {wildcards.shard} --out {output}"
