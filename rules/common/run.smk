# What holds for the run as a whole: the patterns of wildcards, and the record of who runs it.
import socket


wildcard_constraints:
    shard=r"\d+",
    model=r"[a-z0-9_]+",
    ssp=r"[a-z0-9_]+",
    galaxy=r"[A-Za-z0-9_.+-]+",
    figure=r"[a-z0-9_]+",
    stress=one_of(STRESS),
    size=r"\d+",
    case=one_of(PPXF_CASES),
    chunk=r"\d+",


def record_run():
    """For sfhnet.tools.run_lock, which tells a dead run from one on another machine."""
    record = {"host": socket.gethostname(), "pid": os.getpid()}
    write_text(".snakemake/run.json", json.dumps(record))


onstart:
    record_run()
