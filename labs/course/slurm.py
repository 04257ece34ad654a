"""A batch as a Slurm job array: Slurm spreads it, watches it, and begins again what was
on a node that died.

Nothing is kept between the two sides but OUT, which all nodes see, as they see this
tree and the submissions. The list of what to do is in the job's own script. Which
partition, account or time limit a site wants, sbatch reads from its own variables,
SBATCH_PARTITION and so on.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Iterator, Sequence

from intake.error import GraderError
from machine import deadlines

# So many cores are made use of. The half second in which a task's Python begins is shared
# by what it grades, so there are fewer than the 1000 that Slurm's MaxArraySize allows.
TASKS = 100
LOG = "slurm.log"
INDEX = "SLURM_ARRAY_TASK_ID"
POLL = 1.0  # s


@contextlib.contextmanager
def array(command: Sequence[str], paths: Sequence[str], about: dict[str, Any], out: Path
          ) -> Iterator[subprocess.Popen[str]]:
    """A job array of `command`, whose tasks read their part by `part`; yields what
    waits for its end. Whoever leaves before that, ends it. Raises GraderError."""
    if shutil.which("sbatch") is None:
        raise GraderError("There is no sbatch here: ENGINE=slurm needs a machine from "
                          "which jobs are submitted.")
    tasks = min(len(paths), TASKS)
    given = json.dumps({**about, "paths": paths, "tasks": tasks})  # one line of ASCII
    script = (f"#!/bin/sh\nexec {shlex.join(command)} <<'END'\n{given}\nEND\n")
    waiting = subprocess.Popen(
        ["sbatch", "--wait", "--parsable", "--requeue", "--job-name=threshold",
         f"--array=0-{tasks - 1}", "--ntasks=1", "--cpus-per-task=1",
         f"--chdir={os.getcwd()}", "--open-mode=append",
         f"--output={str(out.resolve() / LOG).replace('%', '%%')}"],
        text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert waiting.stdin and waiting.stdout and waiting.stderr
    waiting.stdin.write(script)
    waiting.stdin.close()
    job = waiting.stdout.readline().strip().partition(";")[0]
    if not job:
        waiting.wait()
        raise GraderError("Slurm took no job: " + " ".join(
            waiting.stderr.read().split())[:300])
    try:
        yield waiting
    finally:
        if waiting.poll() is None:
            subprocess.run(["scancel", job], check=False, timeout=deadlines.host())
            waiting.terminate()
            waiting.wait()


def part() -> tuple[list[str], dict[str, Any]]:
    """What this task is to do: its paths, and what is said about all."""
    about = json.load(sys.stdin)
    paths: list[str] = about.pop("paths")
    return paths[int(os.environ[INDEX])::about.pop("tasks")], about
