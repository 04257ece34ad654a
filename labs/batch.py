"""Grades a whole course: `make batch IN=submissions LAB=3 OUT=results`.

Each directory and each archive in IN is a submission, named as it is named there;
what a learning system gives out is understood (a directory for each student, with
the archive in it). Each gets OUT/NAME.json, and all together OUT/grades.csv, one
line each, and OUT/index.html, which leads to a page for each; beside those pages lies
what each student may be sent. Several are graded side by side, with one seed for all,
which is kept in OUT, so that all meet the same numbers. On a terminal a line says how
far it is.

What has a verdict is not graded again, unless its content has changed: interrupt it,
repeat it, add late ones. ENGINE=slurm has a cluster do it: the same results, by a job
array whose nodes see this tree, IN and OUT.

Ends with 0 when every submission has a verdict, 2 if there is none for one.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import csv
import io
import json
import os
import random
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn, Optional, Sequence

TREE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TREE / "grade"))
# pylint: disable=wrong-import-position
from course import slurm  # noqa: E402
from course.overview import Overview, put  # noqa: E402
from course.progress import Progress, cost, cpu_seconds  # noqa: E402
from course.settings import Course  # noqa: E402
import labs  # noqa: E402
import report  # noqa: E402
from intake import bundle, sandbox  # noqa: E402
from intake.error import GraderError  # noqa: E402
from intake.scratch import abandon, scratch  # noqa: E402
from intake.trusted import tree_for  # noqa: E402
from judge import confined, whole  # noqa: E402
from report.text import plain, table  # noqa: E402

Record = dict[str, Any]

# What a batch has begun with.
BEGUN = ".batch.json"
# So often what a cluster's tasks have left undone is given to new ones.
ROUNDS = 3
# What learning systems put beside the submissions.
OF_NOBODY = ("submission_metadata.yml",)
# What learning systems put after a student's name.
OF_A_SYSTEM = re.compile(r"_assignsubmission_(?:file|onlinetext)_?$")


def main() -> int:
    options = _options()
    try:
        if options.task:
            return task()
        return batch(options.submissions, options.out, options.lab, options.jobs,
                     options.seed, options.engine)
    except GraderError as error:
        print(f"batch: {plain(str(error))}", file=sys.stderr)
    except OSError as error:
        print(f"batch: {plain(str(error))}", file=sys.stderr)
    return 2


def batch(directory: Path, out: Path, lab: Optional[int], jobs: int,
          seed: Optional[int], engine: str = "local") -> int:
    """Grades what has no verdict yet, and writes the table."""
    submissions = find(directory)
    if others := passed_over(directory):
        print("Neither a directory nor a zip or tar archive, so not graded: "
              + plain(", ".join(others)))
    out.mkdir(parents=True, exist_ok=True)
    seed = _seed(out, seed)
    todo = [path for path in submissions if not is_graded(path, out, lab)]
    print(f"{len(submissions)} submissions, {len(todo)} to grade, seed {seed}",
          flush=True)
    if todo:
        _make_ready(lab)
        if engine == "slurm":
            _grade_by_slurm(todo, out, lab, seed)
        else:
            _grade_all(todo, out, lab, jobs, seed)
    grades = [result_of(path, out) for path in submissions]
    whole_table = out / "grades.csv"
    put(out, whole_table.name, merged([grade for grade in grades if grade]))
    Overview([out], Course(), set(map(name_of, submissions))).write_pages(out)
    failed = [path for path, grade in zip(submissions, grades)
              if grade is None or report.exit_status(grade) == 2]
    print(f"{plain(str(whole_table))}: {len(grades) - len(failed)} of {len(grades)} "
          "graded")
    for path in failed:
        grade = result_of(path, out)
        print(f"no verdict on {plain(name_of(path))}: "
              f"{plain(grade['error'] if grade else 'no result')}")
    if failed:
        print("Run the same command again: only these are tried.")
    print(f"To look at: {plain(str(out / 'index.html'))}")
    return 2 if failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("submissions", nargs="?", metavar="IN",
                        default=os.environ.get("IN"))
    parser.add_argument("--out", metavar="DIR", default=os.environ.get("OUT"))
    parser.add_argument("--lab", type=int, choices=list(labs.LABS))
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1,
                        help="submissions side by side")
    parser.add_argument("--seed", type=lambda text: int(text, 0))
    parser.add_argument("--engine", choices=("local", "slurm"), default="local",
                        help="what does the work: this machine, or a cluster")
    parser.add_argument("--task", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        return options
    if not options.submissions or not options.out:
        _refuse("say where the submissions are and where the results go: "
                "make batch IN=submissions OUT=results LAB=3")
    options.submissions, options.out = Path(options.submissions), Path(options.out)
    return options


def _refuse(why: str) -> NoReturn:
    print(f"batch: {plain(why)}", file=sys.stderr)
    sys.exit(2)


def _seed(out: Path, wanted: Optional[int]) -> int:
    """The seed of all: what somebody asks for, or what this batch began with."""
    begun = out / BEGUN
    seed = wanted
    if seed is None:
        try:
            seed = int(json.loads(begun.read_text())["seed"])
        except (OSError, ValueError, KeyError, TypeError):
            seed = random.SystemRandom().getrandbits(32)
    whole.keep(begun, {"seed": seed})
    return seed


def _make_ready(lab: Optional[int]) -> None:
    """What all submissions share, and a look whether this machine can grade."""
    whole.measure({})
    kind = sandbox.kind_for_others()
    for number in [lab] if lab else list(labs.LABS):
        with scratch() as place:
            confined.test_machine(tree_for(number), sandbox.Sandbox(kind, place))


def _grade_all(todo: Sequence[Path], out: Path, lab: Optional[int], jobs: int,
               seed: int) -> None:
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        def stop(*_: object) -> NoReturn:
            abandon()
            os._exit(130)  # pylint: disable=protected-access

        # Who grades in a sandbox ends with this process.
        signal.signal(signal.SIGINT, stop)
        signal.signal(signal.SIGTERM, stop)
        progress = Progress(len(todo))
        before = cpu_seconds()

        def one(path: Path) -> Record:
            grade = grade_one(path, out, lab, seed)
            progress.ended(report.exit_status(grade))
            return grade

        for path, grade in zip(todo, pool.map(one, todo)):
            progress.say(line(path, grade))
        progress.close()
    print(cost(len(todo), cpu_seconds() - before))


def _grade_by_slurm(todo: Sequence[Path], out: Path, lab: Optional[int], seed: int
                    ) -> None:
    """Slurm begins again what was on a node that died. Whatever else ends a task, its
    work is missing in the end and given to another."""
    def stop(*_: object) -> NoReturn:
        sys.exit(130)

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    command = [sys.executable, str(Path(__file__).resolve()), "--task"]
    about = {"out": str(out.resolve()), "lab": lab, "seed": seed}
    before = {path: _written(path, out) for path in todo}
    left, progress = list(todo), Progress(len(todo))
    for _ in range(ROUNDS):
        with slurm.array(command, [str(path.resolve()) for path in left], about, out
                         ) as waiting:
            while left and waiting.poll() is None:
                left = _tell_new(left, before, out, progress)
                try:
                    waiting.wait(slurm.POLL)
                except subprocess.TimeoutExpired:
                    pass
        left = _tell_new(left, before, out, progress)
        if not left:
            break
    progress.close()
    log = out / slurm.LOG
    if log.exists() and not log.stat().st_size:
        log.unlink()


def _tell_new(left: Sequence[Path], before: dict[Path, Optional[int]], out: Path,
              progress: Progress) -> list[Path]:
    """Says what has a result now that had none, or another; returns the rest."""
    still = []
    for path in left:
        if _written(path, out) == before[path]:
            still.append(path)
        elif grade := result_of(path, out):
            progress.ended(report.exit_status(grade))
            progress.say(line(path, grade))
    return still


def _written(path: Path, out: Path) -> Optional[int]:
    try:
        return result_path(path, out).stat().st_mtime_ns
    except OSError:
        return None


def task() -> int:
    """One task of a cluster's job array: some submissions, one after another."""
    paths, about = slurm.part()
    for path in paths:
        grade_one(Path(path), Path(about["out"]), about["lab"], about["seed"])
    return 0


# ---- submissions ------------------------------------------------------------

def find(directory: Path) -> list[Path]:
    """The submissions in a directory. Two with the same name (ann/, ann.zip) would
    share a result: that is refused."""
    if not directory.is_dir():
        _refuse(f"there is no directory {directory}.")
    found = [path for path in _seen(directory) if _is_submission(path)]
    if not found:
        _refuse(f"there is no directory and no archive in {directory}.")
    names = [name_of(path) for path in found]
    for name in sorted(set(names)):
        if names.count(name) > 1:
            _refuse(f"{directory} has two submissions named {name}.")
    return found


def passed_over(directory: Path) -> list[str]:
    """The names of what lies there and is no submission."""
    return [path.name for path in _seen(directory) if not _is_submission(path)
            and path.name not in OF_NOBODY]


def _seen(directory: Path) -> list[Path]:
    return sorted(path for path in directory.iterdir()
                  if not path.name.startswith(".") and path.name != "__MACOSX")


def _is_submission(path: Path) -> bool:
    return path.is_dir() or bundle.is_archive(path)


def name_of(path: Path) -> str:
    """Whose it is, as far as its name tells."""
    name = path.name if path.is_dir() else bundle.stem(path)
    return OF_A_SYSTEM.sub("", name) or name


def result_path(path: Path, out: Path) -> Path:
    return out / f"{name_of(path)}.json"


def result_of(path: Path, out: Path) -> Optional[Record]:
    """A submission's result, if it has one that can be read."""
    try:
        return dict(json.loads(result_path(path, out).read_text()))
    except (OSError, ValueError):
        return None


def is_graded(path: Path, out: Path, lab: Optional[int]) -> bool:
    """Has it a verdict, for what it is now?"""
    grade = result_of(path, out)
    return (grade is not None and grade["lab"] == lab
            and report.exit_status(grade) != 2
            and grade.get("content") == bundle.fingerprint(path))


def grade_one(path: Path, out: Path, lab: Optional[int], seed: int) -> Record:
    """One test after another: here it is the submissions that are side by side."""
    grade = whole.blank(path, lab, "", seed)
    grade["submission"] = name_of(path)
    with whole.timed(grade):
        whole.measure(grade)
        whole.grade_others(grade, path, 1, lambda test: None)
    try:
        whole.keep(result_path(path, out), grade)
    except OSError as error:
        grade.update(tests=[], error=f"The result cannot be written: {error.strerror}.")
    return grade


# ---- what is told -----------------------------------------------------------

def line(path: Path, grade: Record) -> str:
    """What is said of one submission."""
    name = plain(name_of(path)).replace("\n", "?")
    if report.exit_status(grade) == 2:
        return f"  {name:24} no verdict: {plain(str(grade['error']))[:120]}"
    total = grade["total"]
    built = "" if grade["build"]["ok"] else "  does not build"
    return f"  {name:24} {total['earned']:3} of {total['points']}{built}"


def merged(grades: Sequence[Record]) -> str:
    """One table of many gradebooks: a column for whatever any of them has. When each
    was graded is not in it, so that it is the same whoever does it, and when."""
    rows = [next(csv.DictReader(io.StringIO(report.FORMATS["csv"](grade))))
            for grade in grades]
    columns = list(dict.fromkeys(name for row in rows for name in row
                                 if name != "started"))
    return table([columns, *([row.get(name, "") for name in columns] for row in rows)])


if __name__ == "__main__":
    sys.exit(main())
