# Jobs that go wrong in the ways that clusters know, run by test_behaviour.py through the project's own profiles.


rule all:
    input:
        "results/good.txt",
        "results/fails.txt",
        "results/slow.txt",
        "results/cancelled.txt",


rule good:
    output:
        "results/good.txt",
    log:
        "logs/good.log",
    shell:
        "sleep 1; echo node $SLURMD_NODENAME > {output} 2> {log}"


rule fails:
    output:
        "results/fails.txt",
    log:
        "logs/fails.log",
    shell:
        "echo 'the reason of the failure' > {log}; exit 3"


# Longer than its limit on the first attempt, quick when it has been given more time.
rule slow:
    output:
        "results/slow.txt",
    log:
        "logs/slow.log",
    resources:
        runtime=lambda wildcards, attempt: attempt,
    retries: 1
    shell:
        "echo {resources.runtime} min >> {log}; [ {resources.runtime} -gt 1 ] || sleep 300; "
        "echo {resources.runtime} > {output}"


rule cancelled:
    output:
        "results/cancelled.txt",
    log:
        "logs/cancelled.log",
    shell:
        "sleep 300; echo done > {output} 2> {log}"
