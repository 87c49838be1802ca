# From a written prior over galaxy histories to the histories of real galaxies: docs/running.md.
from snakemake.utils import min_version

min_version("9.0")


configfile: "config.yaml"


include: "rules/common.smk"
include: "rules/sources.smk"
include: "rules/prior.smk"
include: "rules/synthesis.smk"
include: "rules/training.smk"
include: "rules/validation.smk"
include: "rules/galaxies.smk"
include: "rules/figures.smk"
include: "rules/ppxf.smk"


rule all:
    default_target: True
    input:
        rules.validate.input,
        rules.figures.input,
        rules.galaxies.input,
        rules.report.output,
    localrule: True
