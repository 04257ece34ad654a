"""Verdicts that can be trusted: the same for the same submission, one post-mortem
for one hang, and never the grader's error for what a kernel does."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import types
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

import labs
from intake import build, read
from judge import call_checks, runner, spin
from judge.lab import Lab
from judge.qemu_log import QemuLog
from judge.verdict import Ground, Verdict, foundation, verdict
from machine import deadlines
from machine.gdb_remote import GdbTimeout
from machine.kernel import Kernel
from machine.qemu import KERNEL, TREE

Record = dict[str, Any]
Grader = Callable[[int], Record]

# Where each lab's code begins, and what hangs there.
BEGINNINGS = {
    1: ("kernel/gdt.c", "void gdt_init(struct segments *segments)\n{\n", "\tfor (;;) ;\n"),
    2: ("kernel/msr.c", "void init_syscall(void)\n{\n", "\tfor (;;) ;\n"),
    3: ("kernel/syscall_entry.c", "void syscall_entry(void)\n{\n",
        '\tasm("1: jmp 1b");\n'),
    4: ("kernel/frame.c", "get_syscall_frame(void)\n{\n", "\tfor (;;) ;\n"),
    5: ("kernel/fork.c", "long fork(void)\n{\n", "\tfor (;;) ;\n"),
}


@pytest.fixture
def submission(tmp_path: Path) -> Path:
    """The labs' files, solved, as a student hands them in."""
    directory = tmp_path / "submission"
    for name in labs.FILES:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(TREE / name, directory / name)
    return directory


@pytest.fixture
def grade(submission: Path, tmp_path: Path) -> Grader:
    def run(lab: int) -> Record:
        output = tmp_path / "grade.json"
        done = subprocess.run(
            [sys.executable, str(TREE / "grade/grade.py"), "--submission",
             str(submission), "--lab", str(lab), "--seed", "7",
             "--output", str(output)],
            capture_output=True, text=True, timeout=deadlines.host(), check=False)
        print(done.stdout, done.stderr)
        result: Record = json.loads(output.read_text())
        return result
    return run


def put(directory: Path, name: str, old: str, new: str) -> None:
    """Puts `new` after `old` in a file."""
    text = (directory / name).read_text()
    assert text.count(old) == 1, old
    (directory / name).write_text(text.replace(old, old + new))


def apply(directory: Path, identity: str) -> None:
    """Makes a submission the one that is known to be wrong."""
    patch = next((TREE / "grade/known_wrong").glob(f"{identity}-*.patch"))
    subprocess.run(["patch", "-p1", "-s", "-i", str(patch)], cwd=directory, check=True,
                   timeout=deadlines.host())


def without_durations(result: Record) -> Record:
    for name in ("seconds", "started", "scale"):
        del result[name]
    for test in result["tests"]:
        del test["seconds"]
    return result


# ---- the same every time ----------------------------------------------------

@pytest.mark.parametrize("identity", ["E02", "E35"])
def test_the_same_submission_and_seed_give_the_same_result(
        submission: Path, grade: Grader, identity: str) -> None:
    apply(submission, identity)
    first, second = (without_durations(grade(3)) for _ in range(2))
    assert first == second
    assert first["total"]["earned"] < first["total"]["points"]


def test_no_clock_and_no_chance_is_in_reach(submission: Path, grade: Grader) -> None:
    """What a kernel's panic says is part of the result."""
    path = submission / "kernel/gdt.c"
    path.write_text(path.read_text().replace("void gdt_init(", """
static unsigned clock(unsigned char which)
{
	asm volatile("outb %b0, $0x70; inb $0x71, %b0" : "+a"(which));
	return which;
}

static unsigned long chance(void)
{
	unsigned a = 1, b, c, d;
	unsigned long drawn, ticks;

	asm volatile("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d));
	if (!(c & 1 << 30))
		return 0;
	asm volatile("rdrand %0" : "=r"(drawn));
	asm volatile("rdtsc; shl $32, %%rdx; or %%rdx, %0" : "=a"(ticks) : : "rdx");
	return drawn + ticks;
}

void gdt_init(""", 1).replace("\tmemset(", """
	panic("%u:%u:%u %lx " __DATE__ __TIME__, clock(4), clock(2), clock(0), chance());
	memset(""", 1))
    causes = set()
    for _ in range(2):
        causes.add(next(test["cause"] for test in grade(1)["tests"]))
        time.sleep(1.1)
    assert len(causes) == 1
    assert "The kernel panicked: 0:0:0 " in causes.pop()


def the_session(names: str, log: Path) -> Any:
    """As much of a pytest session as the runner asks for: tests that write down
    their names and their process; those in capitals are foundations."""
    def protocol(item: Any, nextitem: object) -> None:
        with log.open("a") as file:
            file.write(f"{item.name} {os.getpid()}\n")

    config = types.SimpleNamespace(
        hook=types.SimpleNamespace(pytest_runtest_protocol=protocol))
    items = []
    for name in names:
        def test() -> None:
            pass
        items.append(types.SimpleNamespace(
            name=name, config=config,
            function=foundation(test) if name.isupper() else test))
    return types.SimpleNamespace(items=items)


def test_what_others_stand_on_runs_first_and_in_the_process_that_forks(
        tmp_path: Path) -> None:
    runner.run(the_session("aBcDefgh", tmp_path / "log"), jobs=3)
    ran = [line.split() for line in (tmp_path / "log").read_text().splitlines()]
    assert [name for name, _ in ran[:2]] == ["B", "D"]
    assert sorted(name for name, _ in ran[2:]) == list("acefgh")
    here = str(os.getpid())
    assert [pid == here for _, pid in ran] == [True] * 2 + [False] * 6


# ---- hangs ------------------------------------------------------------------

@pytest.mark.parametrize("lab", BEGINNINGS)
def test_a_hang_is_found_once_and_the_rest_says_why_it_is_blocked(
        submission: Path, grade: Grader, lab: int) -> None:
    name, begins, loop = BEGINNINGS[lab]
    put(submission, name, begins, loop)
    result = grade(lab)
    assert result["error"] is None
    failed = [test for test in result["tests"] if test["outcome"] != "pass"]
    found = [test for test in failed if test["outcome"] != "blocked"]
    assert [test["outcome"] for test in found] == ["fail" if lab == 3 else "hung"]
    line = found[0]["cause"].partition(f"{name}:")[2].partition(")")[0].split(",")[0]
    assert line.isdecimal()
    blocked = [test["cause"] for test in failed if test["outcome"] == "blocked"]
    assert blocked and all(f"{name}:{line}" in cause for cause in blocked)


def test_a_loop_has_the_same_place_wherever_it_is_stopped(
        request: pytest.FixtureRequest, tmp_path: Path) -> None:
    name, begins, _ = BEGINNINGS[2]
    files = read.collect(TREE)
    files[name] = files[name].replace(begins.encode(), (
        begins + "\tfor (volatile int i = 0;; i++)\n"
        "\t\tif (rdmsr(MSR_EFER) == 7)\n\t\t\ti = 2;\n").encode())
    path = build.kernel(files, tmp_path)
    kernel = Kernel(path)
    lab = Lab(path, kernel, 1, request.node.name)
    request.addfinalizer(lab.close)
    stopped, places = set(), set()
    for seconds in (0.31, 0.42, 0.53, 0.64):
        machine = lab.machine("/bin/probe_exit 0", gdb=True, stopped=True)
        with pytest.raises(GdbTimeout):
            machine.gdb().cont(seconds)
        machine.gdb().interrupt()
        stopped.add(machine.gdb().register("rip"))
        places.add(spin.place_of(machine))
    assert len(places) == 1
    assert places.pop() in kernel.range("init_syscall")


# ---- what is a verdict, and what is an error --------------------------------

def test_a_frame_that_is_no_memory_is_a_verdict(submission: Path, grade: Grader
                                                ) -> None:
    put(submission, "kernel/gdt.c", "void gdt_check_user(void)\n{\n",
        "\textern void trap_handler(void *);\n"
        "\ttrap_handler((void *)0x123456789000);\n")
    result = grade(1)
    assert result["error"] is None
    outcomes = {test["outcome"] for test in result["tests"]}
    assert "error" not in outcomes and outcomes != {"pass"}


def test_a_process_that_never_sleeps_is_told_as_that_and_not_waited_for(
        submission: Path, grade: Grader) -> None:
    """Its stub hands over another number than nanosleep's, so it never waits in ring 0.
    Each interrupt of ring 3 stops the machine meanwhile, and the next one is due at
    once: such a program never gets to its end."""
    apply(submission, "E26")
    tests = {test["name"].partition("::")[2]: test for test in grade(3)["tests"]}
    sleeping = tests["test_interrupts_of_a_sleeping_system_find_the_kernels_gs"]
    assert sleeping["cause"].startswith("No interrupt came while the process slept")
    assert {test["outcome"] for test in tests.values()} == {"pass", "fail"}


def test_how_the_core_calls_ended_is_found_out_once(
        request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several tests ask for them; where they hang, each would hang again."""
    begun: list[Lab] = []

    def lost(lab: Lab, **_: object) -> None:
        begun.append(lab)
        raise verdict(Ground.HUNG, "The machine hung.")

    monkeypatch.setattr(call_checks, "caller_for", lambda lab, **_: lab)
    monkeypatch.setattr(call_checks, "make_core_calls", lost)
    monkeypatch.setattr(call_checks, "_recorded", {})
    lab = Lab(KERNEL, Kernel(KERNEL), 1, request.node.name)
    request.addfinalizer(lab.close)
    for _ in range(3):
        with pytest.raises(Verdict, match="hung"):
            call_checks.core_calls(lab)
    assert len(begun) == 1


def test_qemu_that_somebody_kills_is_the_graders_error(
        request: pytest.FixtureRequest) -> None:
    lab = Lab(KERNEL, Kernel(KERNEL), 1, request.node.name)
    request.addfinalizer(lab.close)
    machine = lab.machine("/bin/probe_exit 0", gdb=True, stopped=True)
    machine.gdb()
    os.kill(machine.pid, signal.SIGKILL)
    found = lab.verdict_of(machine)
    assert found.ground is Ground.GRADER and found.outcome == "error"


def test_a_machine_that_comes_back_each_time_but_slowly_ends_some_day(
        request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("judge.patience.LIFE", 0.2)
    monkeypatch.setattr("judge.patience.LIFE_IN_WAITS", 0)
    lab = Lab(KERNEL, Kernel(KERNEL), 1, request.node.name)
    request.addfinalizer(lab.close)
    gdb = lab.machine("/bin/probe_call", gdb=True, stopped=True).gdb()
    handler = lab.kernel.address("trap_handler")
    with pytest.raises(GdbTimeout, match="computed for too long"):
        while True:
            gdb.run_to(handler)


# ---- floods -----------------------------------------------------------------

@pytest.fixture
def log(tmp_path: Path) -> Iterator[QemuLog]:
    with QemuLog(tmp_path, limit=4096) as made:
        yield made


def test_of_a_log_only_the_end_is_kept_and_nothing_is_on_the_disk(
        log: QemuLog, tmp_path: Path) -> None:
    path = Path(log.flags[-1])
    with path.open("wb", buffering=0) as file:
        for number in range(20_000):
            file.write(b"%08d a line of a log that is much too long\n" % number)
    text = log.text()
    assert len(text) == 4096 and text.endswith("19999 a line of a log that is much too "
                                               "long\n")
    assert sum(entry.stat().st_size for entry in tmp_path.iterdir()) == 0
