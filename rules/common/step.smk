# How a step is run: what all rules that run a script have in common, in one place.
import os

# Threads that wait sleep: spinning ones made training 50 times slower where another program had one of the cores. They
# spin some microseconds first, the gap between two operations: a quarter off a step of training on quiet cores, a fifth
# more beside another program.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "3000")

# An activation of an environment that failed is no error to Snakemake, so the step itself looks (--require-env). Without
# conda a step runs with the Python that runs Snakemake.
IN_CONDA = "conda" in str(workflow.deployment_settings.deployment_method).lower()


def program(script, launcher=()):
    """Return, as a parameter, the words that start a script; what it is told besides comes from the rule.

    Snakemake removes PYTHONPATH when it activates an environment, so src/ is put there behind the activation. The
    function takes `input`, so that Snakemake does not compare these words, which name folders of this machine.
    """
    words = ["env", f"PYTHONPATH={ROOT / 'src'}", "PYTHONNOUSERSITE=1"]
    words += ["python" if IN_CONDA else sys.executable, *launcher, str(ROOT / "scripts" / f"{script}.py")]
    words += ["--config", JOB_CONFIG, *(["--require-env"] if IN_CONDA else [])]
    return lambda wildcards, input: words


def command(options):
    """Return the shell command of a rule with the parameter `program`; every {field} in it is quoted.

    exec: SLURM sends SIGTERM to every process of a job. A shell that stood between would end at once (bash before 5.1
    keeps one), and Snakemake with it, while a training still writes its checkpoint.
    """
    text = f"exec {{params.program}} --log {{log}} {options}"
    return re.sub(r"\{([^{}:]+)\}", r"{\1:q}", text)


def folder_of(name):
    """Return, as a parameter, the folder of an input or output of the rule, for scripts that take a folder."""

    def folder(wildcards, input, output):
        file = dict(input.items())[name] if name in input.keys() else dict(output.items())[name]
        return str(Path(file if isinstance(file, str) else file[0]).parent)

    return folder


def growing(amount, beside=0):
    """Return memory (MB) or time (minutes) of which a retry asks more; what stands `beside` it stays the same."""
    return lambda wildcards, attempt: int(amount * attempt + beside)


def step(
    name,
    message,
    *,
    input=None,
    output,
    options,
    env,
    mem_mb,
    minutes,
    reads=(),
    params=None,
    threads=1,
    script=None,
    launcher=(),
    without=(),
    wildcards=None,
    **resources,
):
    """Define the rule of a step that runs scripts/NAME.py, with log, benchmark, environment and what makes it run again.

    Parameters
    ----------
    name, message : str
        Name of the rule, and what it says when it runs.
    input, output : dict, str or list
        Files, by name or not. Log and benchmark are named after the wildcards of the first output.
    options : str
        What the script is told, with {input.x}, {output.x}, {params.x} and {wildcards.x}; they are quoted here.
    env : str
        Name of a file in envs/.
    mem_mb, minutes : float or function
        What the first attempt asks for; each retry asks for more. `growing` says so in other ways.
    reads : list of str
        What it reads of the configuration (`section`).
    params : dict, optional
        Named parameters besides.
    threads : int
        Most that it can use.
    script : str, optional
        Script, if not of the rule's name.
    launcher : sequence of str
        What stands between the Python and the script.
    without : sequence of str
        Modules whose code changes no product of this step.
    wildcards : dict, optional
        Constraints of wildcards.
    **resources
        Others, e.g. gpu.
    """
    script = script or name
    outputs, named_outputs = listed(output)
    inputs, named_inputs = listed(input or [])
    first = str([*outputs, *named_outputs.values()][0])
    place = "_".join(re.findall(r"\{\w+\}", first))
    place = f"{script}/{place}" if place else script

    rule:
        name:
            name
        input:
            *inputs,
            **named_inputs,
        output:
            *outputs,
            **named_outputs,
        log:
            f"logs/{place}.log",
        benchmark:
            f"benchmarks/{place}.tsv"
        wildcard_constraints:
            **(wildcards or {}),
        conda:
            f"../envs/{env}.yaml"
        threads: threads
        resources:
            **resources,
            mem_mb=mem_mb if callable(mem_mb) else growing(mem_mb),
            runtime=minutes if callable(minutes) else growing(minutes),
        params:
            *map(fixed, reads),
            **(params or {}),
            program=program(script, launcher),
            code=code(script, without),
        message:
            message
        shell:
            command(f"--threads {{threads}} {options}")


def listed(files):
    """Return files as a list and as a dictionary, one of them empty."""
    if isinstance(files, dict):
        return [], files
    return ([files] if isinstance(files, str) else list(files)), {}
