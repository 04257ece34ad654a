"""make batch ENGINE=slurm: a job array on a cluster of two nodes, which this test starts
and ends; a task that is killed, a node that is set down."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Callable, Iterator, TypeVar

import pytest

from machine import deadlines
from machine.qemu import TREE

import mixed_course
from test_batch import put, rows

DAEMONS = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol", "sinfo")
NODES = ("n1", "n2")
T = TypeVar("T")


def missing() -> str:
    """Why there is no cluster to start here; nothing if there is one."""
    lack = [name for name in DAEMONS if not shutil.which(name)]
    if lack:
        return (f"no Slurm here, without {', '.join(lack)}; make build/tools-slurm "
                "installs it on Debian")
    return "" if os.geteuid() == 0 else "Slurm's daemons are started by root only"


pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())


def free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def configuration(place: Path) -> str:
    ports, host = free_ports(1 + len(NODES)), socket.gethostname().partition(".")[0]
    nodes = "".join(
        f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=1 "
        "RealMemory=500 State=UNKNOWN\n" for name, port in zip(NODES, ports[1:]))
    return f"""ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
AuthType=auth/munge
AuthInfo=socket={place}/munge.socket,cred_expire=5
SlurmUser=root
SlurmdUser=root
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=0
MpiDefault=none
StateSaveLocation={place}/state
SlurmdSpoolDir={place}/spool-%n
SlurmctldPidFile={place}/slurmctld.pid
SlurmdPidFile={place}/slurmd-%n.pid
SlurmctldLogFile={place}/slurmctld.log
SlurmdLogFile={place}/slurmd-%n.log
{nodes}PartitionName=grade Nodes=ALL Default=YES MaxTime=60 State=UP
"""


@pytest.fixture(name="cluster")
def _cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Slurm with two nodes of one core, on loopback. Its daemons end with the test."""
    place = tmp_path / "slurm"
    (place / "state").mkdir(parents=True)
    (place / "key").write_bytes(os.urandom(128))
    (place / "key").chmod(0o400)
    (place / "slurm.conf").write_text(configuration(place))
    monkeypatch.setenv("SLURM_CONF", str(place / "slurm.conf"))
    with contextlib.ExitStack() as stack:
        stack.enter_context(daemon(place, "munged", "-F", "--force", *(
            f"--{what}={place}/{file}" for what, file in (
                ("socket", "munge.socket"), ("key-file", "key"), ("seed-file", "seed"),
                ("pid-file", "munged.pid"), ("log-file", "munged.log")))))
        wait_for((place / "munge.socket").exists)
        stack.enter_context(daemon(place, "slurmctld", "-D"))
        for name in NODES:
            stack.enter_context(daemon(place, "slurmd", "-D", "-N", name))
        wait_for(lambda: said("sinfo", "-h", "-o", "%T %D") == "idle 2")
        yield place
        subprocess.run(["scancel", "--user=root"], check=False)


@contextlib.contextmanager
def daemon(place: Path, *command: str) -> Iterator[None]:
    with (place / f"{command[0]}.out").open("a") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(deadlines.host())
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def said(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False,
                          timeout=deadlines.host())
    return done.stdout.strip()


def wait_for(what: Callable[[], T]) -> T:
    """What it says as soon as that is something."""
    until = time.monotonic() + deadlines.host()
    while not (found := what()):
        assert time.monotonic() < until, "the cluster does not get there"
        time.sleep(0.1)
    return found


# ---- the batch --------------------------------------------------------------

@pytest.fixture(name="course")
def _course(tmp_path: Path) -> Path:
    """Seven of lab 4, right and wrong, one of them with a name for a shell."""
    for number in range(6):
        put(tmp_path / f"course/s{number}", None if number % 3 else "no C\n")
    put(tmp_path / "course/$(touch made-by-sh) 'END'")
    return tmp_path / "course"


def command(course: Path, out: Path, *more: str, lab: int = 4) -> list[str]:
    return ["make", "-s", "batch", f"IN={course}", f"OUT={out}", f"LAB={lab}", "SEED=9",
            *more]


@contextlib.contextmanager
def started(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """A batch that runs; it is ended where the test is."""
    with subprocess.Popen(arguments, cwd=TREE, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, start_new_session=True) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)


def finish(process: "subprocess.Popen[str]", runs: int = 10) -> str:
    told, wrong = process.communicate(timeout=deadlines.run() * runs)
    assert process.returncode == 0, told + wrong
    return told


def done(*arguments: str, runs: int = 10) -> str:
    with started(*arguments) as process:
        return finish(process, runs)


def tasks(cluster: Path) -> list[int]:
    """The processes of this cluster's tasks that grade now."""
    found, ours = [], f"SLURM_CONF={cluster}/slurm.conf".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (b"--task" in (entry / "cmdline").read_bytes().split(b"\0")
                    and ours in (entry / "environ").read_bytes().split(b"\0")):
                found.append(int(entry.name))
    return found


@contextlib.contextmanager
def a_task_held_on(node: str, cluster: Path) -> Iterator[None]:
    """All tasks stand still, and one of them is on that node: it cannot end before
    the node does."""
    while True:
        held = wait_for(lambda: tasks(cluster))
        for pid in held:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        if said("squeue", "-h", "-w", node, "-t", "R") and len(tasks(cluster)) > 1:
            break
        for pid in held:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        time.sleep(0.2)
    yield
    for pid in held:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def through_bad_luck(cluster: Path, course: Path, out: Path, lab: int = 4) -> str:
    """What a batch says in which a task is killed, as where a node is out of memory, and
    a node goes down with a task on it; Slurm begins that again. Then the node is back."""
    with started(*command(course, out, "ENGINE=slurm", lab=lab)) as batch:
        os.kill(wait_for(lambda: tasks(cluster))[0], signal.SIGKILL)
        wait_for(lambda: list(out.glob("[!.]*.json")))
        with a_task_held_on(NODES[0], cluster):
            said("scontrol", "update", f"nodename={NODES[0]}", "state=down",
                 "reason=test")
            assert said("sinfo", "-h", "-n", NODES[0], "-o", "%T") == "down"
        log = cluster / "slurmctld.log"
        wait_for(lambda: re.search(f"requeu.*{NODES[0]}", log.read_text(),
                                   re.IGNORECASE))
        said("scontrol", "update", f"nodename={NODES[0]}", "state=resume")
        return finish(batch, runs=max(10, 2 * len(list(course.iterdir()))))


def test_a_cluster_makes_the_table_that_one_machine_makes(
        cluster: Path, course: Path, tmp_path: Path) -> None:
    out, local = tmp_path / "out", tmp_path / "local"
    assert f"{out}/grades.csv: 7 of 7 graded" in through_bad_luck(cluster, course, out)
    assert done(*command(course, local))
    assert (out / "grades.csv").read_bytes() == (local / "grades.csv").read_bytes()
    assert {row["total"] for row in rows(out).values()} == {"0", "29"}
    assert sorted(path.name for path in out.iterdir() if path.name != "slurm.log"
                  ) == sorted(path.name for path in local.iterdir())
    assert not [*TREE.glob("made-by-*"), *out.glob("made-by-*")]
    # All are graded: nothing is left for a cluster to do.
    assert "7 submissions, 0 to grade" in done(*command(course, out, "ENGINE=slurm"))


@pytest.mark.long
def test_four_hundred_through_a_cluster(cluster: Path, tmp_path: Path) -> None:
    course, out, local = (tmp_path / name for name in ("course", "out", "local"))
    mixed_course.course(course, 400)
    assert "400 of 400 graded" in through_bad_luck(cluster, course, out, lab=3)
    assert done(*command(course, local, lab=3), runs=400)
    assert (out / "grades.csv").read_bytes() == (local / "grades.csv").read_bytes()


def test_who_interrupts_a_batch_ends_its_array(cluster: Path, course: Path,
                                               tmp_path: Path) -> None:
    with started("/usr/bin/python3", "labs/batch.py", str(course), "--out",
                 str(tmp_path / "out"), "--lab", "4", "--engine", "slurm") as batch:
        wait_for(lambda: tasks(cluster))
        batch.terminate()
        assert batch.wait(deadlines.host()) == 130
    wait_for(lambda: not said("squeue", "-h"))
    wait_for(lambda: not tasks(cluster))
