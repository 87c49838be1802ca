# From a written prior over galaxy histories to the histories of real galaxies: docs/running.md.
from snakemake.utils import min_version

min_version("9.0")


include: "rules/common/project.smk"


# as a module: the folder may hold a config.yaml of the other workflow
BASE_CONFIG = of_project("config.yaml") if AS_MODULE else located("config.yaml")


configfile: BASE_CONFIG


# What the rules share, by what it serves; each file may use what stands above it.
include: "rules/common/configuration.smk"
include: "rules/common/staleness.smk"
include: "rules/common/step.smk"
include: "rules/common/ingredients.smk"
include: "rules/common/shards.smk"
include: "rules/common/models.smk"
include: "rules/common/galaxies.smk"
include: "rules/common/figures.smk"
include: "rules/common/foreign.smk"
include: "rules/common/ppxf.smk"
include: "rules/common/run.smk"
# The steps.
include: "rules/sources.smk"
include: "rules/prior.smk"
include: "rules/synthesis.smk"
include: "rules/training.smk"
include: "rules/validation.smk"
include: "rules/galaxies.smk"
include: "rules/figures.smk"
include: "rules/ppxf.smk"
include: "rules/foreign.smk"


rule all:
    default_target: True
    input:
        rules.validate.input,
        rules.figures.input,
        rules.galaxies.input,
        rules.report.output,
    localrule: True
