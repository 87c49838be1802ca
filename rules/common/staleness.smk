# What makes a step run again: other values of the settings that it reads, or other code. Both are parameters of its rule,
# kept with its products and compared by Snakemake; a date counts for the data that a step reads and for nothing else.
import json

from sfhnet.tools.provenance import fingerprint

# The whole schema, the command line, progress and provenance: no number in a product depends on their code. The
# schema of a section counts for the modules that read it.
PLUMBING = (
    "sfhnet.config.root",
    "sfhnet.config.load",
    "sfhnet.config.base",
    "sfhnet.tools.script_options",
    "sfhnet.tools.progress",
    "sfhnet.tools.provenance",
    # lists of names: the modules that use one say what they use
    "sfhnet.tools.stream_names",
    "sfhnet.old_names",
    "pyprospect.old_names",
)
# How the loss is drawn while a network is trained.
LOSS_DRAWING = ("sfhnet.figures.loss_curve",)


def code(script, without=()):
    """Return the fingerprint of a script and of all modules that it imports: of their meaning, not of dates and comments."""
    return fingerprint([str(ROOT / "scripts" / f"{script}.py")], without=[*PLUMBING, *without])


def section(*keys, without=()):
    """Return the parts of the configuration that a step reads, value by value.

    A key is a section ("noise") or a value in one ("synthesis.storage"); `without` names values that are left out.
    """
    values = []
    for key in keys:
        value = CONFIG.model_dump(mode="json")
        for name in key.split("."):
            value = value[name]
        values += flat(key, value)
    return [text for text in values if text.split("=")[0] not in without]


def flat(key, value):
    if isinstance(value, dict) and value:
        return [text for name in value for text in flat(f"{key}.{name}", value[name])]
    return [f"{key}={json.dumps(value)}"]


def fixed(value):
    """Return a value as a parameter in which Snakemake fills no {word} in; text without braces it leaves alone anyway."""
    return value if isinstance(value, str) and "{" not in value else lambda wildcards: value
