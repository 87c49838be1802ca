"""A real SLURM on the loopback of one machine, for the tests: munge, slurmctld and a slurmd for each node.

The daemons are Debian's (`slurm-wlm`, `munge`); nothing is imitated but the GPUs, which are character devices
named as a generic resource. Everything lives in one folder, with the one exception of a symbolic link at
/etc/slurm/slurm.conf: the job-step plugin of Snakemake drops every SLURM_* variable, SLURM_CONF too, before its
nested `srun`, so the configuration must stand where SLURM looks for it by default.

By hand (as root):  python cluster.py start FOLDER [--cpu-nodes 3]   and   python cluster.py stop FOLDER
"""

import argparse
import json
import os
import secrets
import shutil
import signal
import socket
import string
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

NEEDED = ("munged", "munge", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "sinfo")
DEFAULT_CONF = Path("/etc/slurm/slurm.conf")
TEMPLATE = Path(__file__).with_name("slurm.conf.in")
DAEMONS = ("munged", "slurmctld", "slurmd")


def missing_programs() -> list[str]:
    """Names of the SLURM and munge programs that this machine lacks."""
    return [name for name in NEEDED if shutil.which(name) is None]


def wait_for(what: str, true: Callable[[], bool], seconds: float, every: float = 0.2) -> None:
    """Wait until `true()`; raise TimeoutError, naming `what`, after `seconds`."""
    until = time.monotonic() + seconds
    while not true():
        if time.monotonic() > until:
            raise TimeoutError(f"{what}: not so after {seconds:.0f} s")
        time.sleep(every)


def says(*command: str) -> str | None:
    """The output of a command that ended well, else None."""
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=20)
    return done.stdout if done.returncode == 0 else None


@dataclass
class Cluster:
    """Nodes c1..cN (partition cpu, the default) and g1..gN (partition gpu; two GPU-like resources each)."""

    folder: Path
    cpu_nodes: int = 3
    gpu_nodes: int = 1
    node_cpus: int = 4
    node_mem_mb: int = 16000  # a training that is tried again has to fit, too
    gpus_per_node: int = 2
    port: int = 0  # first of the ports taken; found when started
    pids: dict[str, int] = field(default_factory=dict)

    @property
    def nodes(self) -> list[str]:
        return [f"c{i + 1}" for i in range(self.cpu_nodes)] + [f"g{i + 1}" for i in range(self.gpu_nodes)]

    @property
    def conf(self) -> Path:
        return self.folder / "etc" / "slurm.conf"

    def start(self) -> None:
        """Write the configuration and start the daemons; returns when every node is idle."""
        if missing := missing_programs():
            raise RuntimeError(f"no {', '.join(missing)}: apt-get install slurm-wlm munge")
        if DEFAULT_CONF.exists() and not DEFAULT_CONF.is_symlink():
            raise RuntimeError(f"{DEFAULT_CONF} is a real file: this machine has a SLURM of its own")
        if other := controller_of(DEFAULT_CONF):
            raise RuntimeError(
                f"another test's SLURM is at work on this machine (slurmctld is process {other})"
            )
        self.port = free_ports(11 + len(self.nodes))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        for name in ("etc", "log", "pid", "state", "munge", "gpu", *(f"spool/{n}" for n in self.nodes)):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self._write_conf()
        DEFAULT_CONF.parent.mkdir(parents=True, exist_ok=True)
        DEFAULT_CONF.unlink(missing_ok=True)
        DEFAULT_CONF.symlink_to(self.conf)
        try:
            self._start_munge()
            subprocess.run(["slurmctld"], check=True, env=self.env())
            self._note("slurmctld")
            wait_for("slurmctld answers", lambda: says("scontrol", "ping") is not None, 30)
            for node in self.nodes:
                subprocess.run(["slurmd", "-N", node], check=True, env=self.env())
                self._note(f"slurmd-{node}")
            wait_for("all nodes are idle", self._all_idle, 60)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Cancel what runs, end the daemons (newest first, by their recorded ids) and remove the link."""
        if "slurmctld" in self.pids:
            subprocess.run(["scancel", "--user", "root"], timeout=20, check=False)
            time.sleep(1)
        for name, pid in reversed(list(self.pids.items())):
            end(pid, lambda text: any(daemon in text for daemon in DAEMONS))
            (self.folder / "pid" / f"{name}.pid").unlink(missing_ok=True)
            del self.pids[name]
        for pid in self.strays():
            end(pid, lambda text: "slurmstepd" in text or "snakemake" in text)
        if DEFAULT_CONF.is_symlink() and DEFAULT_CONF.readlink() == self.conf:
            DEFAULT_CONF.unlink()
        self._record()

    def strays(self) -> list[int]:
        """Step daemons of this cluster's nodes that outlived their job."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            text = command_line(int(folder.name))
            if "slurmstepd" in text and str(self.folder) in text:
                found.append(int(folder.name))
        return found

    def env(self) -> dict[str, str]:
        return {**os.environ, "SLURM_CONF": str(self.conf)}

    def jobs(self, *columns: str) -> list[list[str]]:
        """One row a job that the controller still remembers, in squeue's format letters (%i, %T, ...)."""
        text = says("squeue", "--states=all", "--noheader", "--sort=i", "--format", "|".join(columns))
        return [[cell.strip() for cell in line.split("|")] for line in (text or "").splitlines()]

    def columns(self, *names: str) -> list[list[str]]:
        """One row a job, with columns under squeue's long names (jobid, tres-per-job, ...)."""
        wide = ",".join(f"{name}:60" for name in names)
        text = says("squeue", "--states=all", "--noheader", "--sort=i", "--Format", wide)
        return [
            [line[60 * i : 60 * (i + 1)].strip() for i in range(len(names))]
            for line in (text or "").splitlines()
        ]

    def set_grace(self, seconds: int) -> None:
        """Time that a job of the partition gpu has between SLURM's SIGTERM and its end, when it is preempted."""
        command = ["scontrol", "update", "PartitionName=gpu", f"GraceTime={seconds}"]
        subprocess.run(command, check=True, env=self.env())

    def submit(self, *arguments: str) -> str:
        """Submit a job of the tests' own; returns its number."""
        command = ["sbatch", "--parsable", "--output=/dev/null", *arguments]
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=self.env())
        return done.stdout.strip()

    def start_now(self, job: str) -> None:
        """Let a job that waits for its begin time start at once."""
        command = ["scontrol", "update", f"JobId={job}", "StartTime=now"]
        subprocess.run(command, check=True, env=self.env())

    def _all_idle(self) -> bool:
        lines = (says("sinfo", "--noheader", "--Node", "--format", "%N %t") or "").split("\n")
        return {line for line in lines if line.endswith(" idle")} == {f"{n} idle" for n in self.nodes}

    def _start_munge(self) -> None:
        folder = self.folder / "munge"
        folder.chmod(0o711)
        key = folder / "munge.key"
        if not key.exists():
            key.touch(mode=0o600)
            key.write_bytes(secrets.token_bytes(1024))
            key.chmod(0o400)
        command = ["munged", "--num-threads=4", f"--key-file={key}", f"--socket={folder}/munge.socket"]
        command += [f"--pid-file={self.folder}/pid/munged.pid", f"--log-file={self.folder}/log/munged.log"]
        subprocess.run([*command, f"--seed-file={folder}/munged.seed"], check=True)
        wait_for(
            "munged answers", lambda: says("munge", "-n", "-S", f"{folder}/munge.socket") is not None, 10
        )
        self._note("munged")

    def _note(self, name: str) -> None:
        file = self.folder / "pid" / f"{name}.pid"
        wait_for(f"{name} has written its id", lambda: file.exists() and bool(file.read_text().strip()), 20)
        self.pids[name] = int(file.read_text())
        self._record()

    def _record(self) -> None:
        if self.folder.is_dir():
            (self.folder / "pids.json").write_text(json.dumps(self.pids))

    def _write_conf(self) -> None:
        host = socket.gethostname().split(".")[0]
        nodes, gres = [], []
        for i, node in enumerate(self.nodes):
            line = f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={self.port + 11 + i}"
            line += f" CPUs={self.node_cpus} RealMemory={self.node_mem_mb} State=UNKNOWN"
            if node.startswith("g"):
                line += f" Gres=gpu:fake:{self.gpus_per_node}"
                folder = self.folder / "gpu" / node
                folder.mkdir(exist_ok=True)
                for k in range(self.gpus_per_node):
                    if not (folder / f"nvidia{k}").exists():
                        # a null device: SLURM insists on a device file behind each GPU
                        subprocess.run(["mknod", str(folder / f"nvidia{k}"), "c", "1", "3"], check=True)
                last = self.gpus_per_node - 1
                gres.append(f"NodeName={node} Name=gpu Type=fake File={folder}/nvidia[0-{last}]")
            nodes.append(line)
        partitions = (
            f"PartitionName=cpu Nodes=c[1-{self.cpu_nodes}] Default=YES MaxTime=24:00:00 DefaultTime=10\n"
        )
        # jobs of the partition gpu make way for those of urgent: SIGTERM, and the end after the grace time
        gpus = f"Nodes=g[1-{self.gpu_nodes}] MaxTime=24:00:00 DefaultTime=10"
        partitions += f"PartitionName=gpu {gpus} PriorityTier=1 PreemptMode=REQUEUE GraceTime=30\n"
        partitions += f"PartitionName=urgent {gpus} PriorityTier=10 PreemptMode=OFF\n"
        text = string.Template(TEMPLATE.read_text()).substitute(
            host=host, folder=self.folder, port=self.port, nodes="\n".join(nodes), partitions=partitions
        )
        self.conf.write_text(text)
        (self.folder / "etc" / "gres.conf").write_text("\n".join(gres) + "\n")
        (self.folder / "etc" / "cgroup.conf").write_text("CgroupAutomount=no\n")


def controller_of(conf: Path) -> int | None:
    """The process of the slurmctld that a linked configuration belongs to, if it lives."""
    record = conf.resolve().parents[1] / "pids.json"
    pid = json.loads(record.read_text()).get("slurmctld") if conf.is_symlink() and record.is_file() else None
    return pid if pid is not None and "slurmctld" in command_line(pid) else None


def free_ports(n: int) -> int:
    """The first of n ports in a row that nobody listens on, on the loopback."""
    for first in range(26800, 29800, 100):
        try:
            for port in range(first, first + n + 1):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
            return first
        except OSError:
            continue
    raise RuntimeError("no row of free ports from 26800 to 29800")


def command_line(pid: int) -> str:
    """The command line of a process, or nothing if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def end(pid: int, is_ours: Callable[[str], bool], seconds: float = 10) -> None:
    """End one process, if its command line is one that we started: SIGTERM, and SIGKILL when that is ignored."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if not is_ours(command_line(pid)):
            return
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        until = time.monotonic() + seconds
        while command_line(pid) and time.monotonic() < until:
            time.sleep(0.1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=["start", "stop"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cpu-nodes", type=int, default=3)
    args = parser.parse_args()
    cluster = Cluster(args.folder.resolve(), cpu_nodes=args.cpu_nodes)
    if args.action == "start":
        cluster.start()
        sys.stdout.write(says("sinfo", "-N", "-o", "%10N %10P %6t %4c %8m %15G") or "")
    else:
        cluster.pids = json.loads((cluster.folder / "pids.json").read_text())
        cluster.stop()


if __name__ == "__main__":
    main()
