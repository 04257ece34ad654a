"""What the tests of the five labs are written with.

    @points(4)
    @hint("SYSRET takes SS from STAR[63:48] + 8.")
    def test_star_names_the_selectors_of_both_directions(lab: Lab) -> None:
        machine = lab.machine("/bin/probe_spin", gdb=True, stopped=True)
        ...
        wrong("STAR[63:48] is 0x28: SYSRET loads CS 0x3b", expected="0x23",
              found="0x28", where=lab.place("init_syscall"), gdb="msr")

A test says what is wrong by `wrong` and what it lacks by `lab.needs`. A machine
that stopped or hung is looked at by itself when the test meets MachineGone,
GdbTimeout or MachineError. Whatever else a test raises is the grader's own
error, never a zero without a word.

This is also the pytest plugin that gives each test its `lab`, and writes one
line of JSON for each test to --grade-results.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import zlib
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping, NoReturn, Optional, TypeVar

import pytest

import labs
from . import postmortem, probes
from machine import deadlines
from machine.gdb_remote import (KERNEL_CS, KERNEL_SS, WATCH_INTERVAL, Gdb, GdbTimeout,
                         MachineGone)
from machine.qemu import KERNEL, TREE, Machine, MachineError, Result, STATUS_FAULT, STATUS_PANIC
from machine.symbols import Symbols

# Seconds that each test took when grade.py last ran it.
DURATIONS = TREE / "build/grade/durations.json"
SEED_VARIABLE = "THRESHOLD_GRADE_SEED"
# How much of a console a result keeps, in characters, and how much a machine may
# print, in bytes.
CONSOLE_LIMIT = 4000
OUTPUT_LIMIT = 256 << 10
# A machine hangs when QEMU has computed for this part of its time. When QEMU
# could compute too little it gets more time: this many times as much at most.
# A kernel that has hung in some tests gets less time in the others.
HUNG_SHARE = 0.6
HUNG_BEFORE, HUNG_AGAIN_SHARE = 3, 0.25
MORE_PATIENCE = 3

# The names that a submission has to give, and where.
CONTRACT = {
    "gdt_init": "kernel/gdt.c",
    "init_syscall": "kernel/msr.c",
    "syscall_entry": "kernel/syscall_entry.c",
    "syscall_exit": "kernel/syscall_entry.c",
    "get_syscall_frame": "kernel/frame.c",
    "get_saved_user_rsp": "kernel/frame.c",
    "fork": "kernel/fork.c",
}

Test = TypeVar("Test", bound=Callable[..., None])


# ---- what stands before a test ----------------------------------------------

def points(number: int) -> Callable[[Test], Test]:
    """What a test is worth."""
    def mark(test: Test) -> Test:
        test.grade_points = number  # type: ignore[attr-defined]
        return test
    return mark


def hint(text: str) -> Callable[[Test], Test]:
    """What a failure of this test usually means, without the solution. The place
    of the lab's task is put behind it."""
    def mark(test: Test) -> Test:
        test.grade_hint = " ".join(text.split())  # type: ignore[attr-defined]
        return test
    return mark


# ---- verdicts ---------------------------------------------------------------

@dataclasses.dataclass
class Verdict(Exception):
    """Why a test did not pass, for the student. `cause` is a full sentence or
    two; `where` is `file:line` or a function; `gdb` a command that shows it."""

    cause: str
    outcome: str = "fail"
    expected: Optional[str] = None
    found: Optional[str] = None
    where: Optional[str] = None
    gdb: Optional[str] = None

    def __str__(self) -> str:
        lines = [self.cause]
        if self.expected is not None:
            lines.append(f"expected  {self.expected}")
        if self.found is not None:
            lines.append(f"found     {self.found}")
        if self.where is not None:
            lines.append(f"look at   {self.where}")
        if self.gdb is not None:
            lines.append(f"in GDB    {self.gdb}")
        return "\n".join(lines)


def wrong(cause: str, *, expected: object = None, found: object = None,
          where: Optional[str] = None, gdb: Optional[str] = None) -> NoReturn:
    """Fails the test with this cause. Numbers are shown in hexadecimal."""
    raise Verdict(cause, "fail", _shown(expected), _shown(found), where, gdb)


def _shown(value: object) -> Optional[str]:
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:#x}"
    return str(value)


@functools.lru_cache(maxsize=None)
def _probe_symbols(program: Path) -> Symbols:
    return Symbols(program)


# ---- the machine of a test --------------------------------------------------

class LabMachine(Machine):
    """A machine of the submission's kernel. Each wait has a deadline of its own.

    A wait ends early if the CPU is halted for good, or if QEMU has computed for
    most of the time that it had; it is prolonged if this machine is so busy that
    QEMU could not compute. Before QEMU is killed its state is kept.
    """

    def __init__(self, init: Optional[str], **options: Any) -> None:
        self.patience: float = options.get("deadline") or deadlines.probe()
        self.hung_share = HUNG_SHARE
        self.state: Optional[postmortem.State] = None
        self.started_as = dict(options, init=init)
        # Of the present wait: its beginning, how long it may last, QEMU's CPU
        # time then, and how much longer it may last by now.
        self._begun = self._allowed = self._computed = self._given = 0.0
        options.setdefault("monitor", True)
        super().__init__(init, **options)
        self._output_limit = OUTPUT_LIMIT

    def gdb(self) -> Gdb:
        if self._gdb is None:
            self._begin()
            gdb = super().gdb()
            gdb.patience = self.patience
            gdb.on_begin = self._begin
            gdb.on_wait = self._watch
        return super().gdb()

    def expect(self, pattern: str) -> re.Match[str]:
        self._begin()
        return super().expect(pattern)

    def wait(self) -> Result:
        self._begin()
        while self.is_running:
            remaining = self._deadline - time.monotonic()
            try:
                self._process.wait(max(0.0, min(remaining, WATCH_INTERVAL)))
            except subprocess.TimeoutExpired:
                self._deadline += self._watch()
                if time.monotonic() >= self._deadline:
                    break
        return super().wait()

    def _begin(self, seconds: Optional[float] = None) -> None:
        """Another wait begins, of some seconds."""
        self._begun = time.monotonic()
        self._allowed = seconds or self.patience
        self._deadline = self._begun + self._allowed
        self._computed = self._cpu_seconds()
        self._given = 0.0

    def _watch(self) -> float:
        """Seconds by which the present wait becomes longer, or shorter."""
        waited = time.monotonic() - self._begun
        state = postmortem.state_of(self)
        if state is not None and state.is_dead:
            return -1e6
        computed = self._cpu_seconds() - self._computed
        if computed > self.hung_share * self._allowed:
            return -1e6
        halted = state is not None and state.halted
        if (waited + WATCH_INTERVAL > self._allowed + self._given and not halted
                and self._given < MORE_PATIENCE * self._allowed):
            self._given += self._allowed / 2
            return self._allowed / 2
        return 0.0

    def _cpu_seconds(self) -> float:
        """CPU time that QEMU has used so far."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2]
            user, system = fields.split()[11:13]
            return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
        except (OSError, ValueError):
            return 0.0

    def _stop(self, reason: str) -> None:
        if self.state is None and threading.current_thread() is not self._reader:
            self.state = postmortem.state_of(self, stop=True)
        super()._stop(reason)


class Lab:
    """What a test may ask: machines of the submission's kernel, its names, and
    numbers that differ from run to run."""

    def __init__(self, kernel: Path, symbols: Symbols, seed: int, name: str) -> None:
        self.kernel_path = kernel
        self.kernel = symbols
        self.seed = seed
        self.random = random.Random(seed ^ zlib.crc32(name.encode()))
        self.machines: list[LabMachine] = []
        self.has_hung = False
        self._directory: Optional[Path] = None

    def machine(self, init: str, *, files: Optional[Mapping[str, bytes]] = None,
                **options: Any) -> LabMachine:
        """Boots the submission's kernel with the grader's archive, and `files`
        ("bin/x": bytes) in it; other options as for Machine. It is closed after
        the test."""
        probes.require(init, files or {})
        initrd = probes.base_archive()
        if files:
            initrd = probes.archive_with(files, self.directory)
        options.setdefault("initrd", initrd)
        options.setdefault("kernel", self.kernel_path)
        machine = LabMachine(init, **options)
        if self.has_hung:
            machine.hung_share = HUNG_AGAIN_SHARE
        self.machines.append(machine)
        return machine

    def run(self, init: str, *, may_fail: bool = False, **options: Any) -> Result:
        """Boots and waits for the end. Unless the first program ended by itself
        (or may_fail), the end is decoded and raised."""
        machine = self.machine(init, **options)
        result = machine.wait()
        if not may_fail and (result.status is None
                             or result.status in (STATUS_FAULT, STATUS_PANIC)):
            self.stopped(machine)
        return result

    def stopped(self, machine: Machine) -> NoReturn:
        """Raises what became of a machine that ended, or hung, where the test
        waited for something else."""
        assert isinstance(machine, LabMachine)
        raise Verdict(**postmortem.examine(machine, self.kernel).as_dict())

    def needs(self, what: str, met: bool = False) -> None:
        """Says that the test could not do its work because of something that an
        earlier lab or test has to give, unless that is met."""
        if not met:
            raise Verdict(f"This test needs {what}", "blocked")

    def probe(self, name: str) -> Symbols:
        """Names and addresses of a probe program."""
        return _probe_symbols(probes.program(name))

    def place(self, name: str) -> Optional[str]:
        """Where a kernel function begins, as `kernel/msr.c:14`."""
        return self.kernel.line_of(name) if name in self.kernel else None

    def rdmsr(self, gdb: Gdb, msr: int) -> int:
        """A model-specific register of the stopped machine."""
        return gdb.rdmsr(msr, self.kernel.address("machine_exit"))

    def call(self, gdb: Gdb, function: str, *arguments: int) -> int:
        """The result of a kernel function, called on the stopped machine in
        ring 0 with interrupts off; then all registers are put back.

        It runs below the current stack, or, where the machine is on the user's
        stack, on the current process's kernel stack below the live frame.
        """
        names = [name for name in gdb.layout if re.fullmatch(
            r"r(ax|bx|cx|dx|si|di|bp|sp|ip|\d+)|eflags", name)]
        saved = {name: gdb.register(name) for name in names}
        selectors = {name: gdb.register(name) for name in ("ss", "cs")}
        top = gdb.read_u64(self.kernel.address("per_cpu"))
        back = self.kernel.address("machine_exit")
        ring_3 = selectors["cs"] & 3 == 3
        on_kernel_stack = not ring_3 and saved["rsp"] >= 1 << 63
        rsp = ((saved["rsp"] if on_kernel_stack else top) - 1024 & ~15) - 8
        if ring_3:
            gdb.set_register("ss", KERNEL_SS)
            gdb.set_register("cs", KERNEL_CS)
        try:
            gdb.write(rsp, back.to_bytes(8, "little"))
            for name, value in zip(("rdi", "rsi", "rdx", "rcx", "r8", "r9"),
                                   arguments):
                gdb.set_register(name, value)
            gdb.set_register("rsp", rsp)
            gdb.set_register("eflags", 2)
            gdb.set_register("rip", self.kernel.address(function))
            gdb.insert_breakpoint(back)
            try:
                for _ in range(8):  # the test's own breakpoints stop it as well
                    gdb.cont()
                    if gdb.register("rip") == back:
                        return gdb.register("rax")
                    gdb.step()
            finally:
                gdb.remove_breakpoint(back)
            raise Verdict(f"{function}() did not return when it was called",
                          where=self.place(function), gdb=f"break {function}")
        finally:
            if ring_3:
                gdb.set_register("cs", selectors["cs"])
                gdb.set_register("ss", selectors["ss"])
            for name, value in saved.items():
                gdb.set_register(name, value)

    @property
    def directory(self) -> Path:
        """A directory that is removed after the test."""
        if self._directory is None:
            self._directory = Path(tempfile.mkdtemp(prefix="threshold-lab-"))
        return self._directory

    @property
    def console(self) -> str:
        """The end of what the test's last machine has printed."""
        if not self.machines:
            return ""
        return self.machines[-1].console[-CONSOLE_LIMIT:]

    def close(self) -> None:
        for machine in self.machines:
            machine.close()
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)


# ---- the plugin -------------------------------------------------------------

def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("grading")
    group.addoption("--kernel", type=Path, default=KERNEL, metavar="ELF",
                    help="the kernel to grade (build/kernel.elf)")
    group.addoption("--seed", type=lambda text: int(text, 0), metavar="N",
                    help="repeat a run that printed this seed")
    group.addoption("--grade-results", type=Path, metavar="FILE",
                    help="append one line of JSON for each test")
    group.addoption("--grade-claims", type=Path, metavar="DIR",
                    help="share the tests with others that are given DIR too")


def pytest_configure(config: pytest.Config) -> None:
    # xdist's workers inherit the environment of the process that drives them.
    if not hasattr(config, "workerinput"):
        seed = config.getoption("--seed")
        if seed is None:
            seed = random.SystemRandom().getrandbits(32)
        os.environ[SEED_VARIABLE] = str(seed)


def pytest_report_header(config: pytest.Config) -> str:
    return f"seed: {os.environ[SEED_VARIABLE]}"


def pytest_collection_finish(session: pytest.Session) -> None:
    """Says which tests there are before the first one runs, so that one whose
    result never comes is missed."""
    # One says so: of xdist's workers, or of those that grade.py has started.
    worker = getattr(session.config, "workerinput", {}).get("workerid", "gw0")
    if worker == "gw0" and os.environ.get("GRADE_WORKER", "0") == "0":
        planned = [_identity(item) for item in session.items if _lab_of(item)]
        _append(session.config, {"plan": planned})


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> Optional[bool]:
    """With --grade-claims, runs the tests that no other process has begun, the
    longest of the last run first."""
    claims = session.config.getoption("--grade-claims")
    if claims is None or session.config.option.collectonly or session.testsfailed:
        return None
    try:
        known = json.loads(DURATIONS.read_text())
    except (OSError, ValueError):
        known = {}
    numbered = list(enumerate(session.items))
    numbered.sort(key=lambda pair: -known.get(_identity(pair[1])["name"], 0.0))
    for number, item in numbered:
        try:
            os.close(os.open(claims / f"claim-{number}",
                             os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            continue
        # After each test all is torn down but what belongs to the session.
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=session)
    return True


@pytest.fixture(scope="session")
def _submission(request: pytest.FixtureRequest) -> tuple[Path, Symbols]:
    path = request.config.getoption("--kernel").resolve()
    if not path.exists():
        pytest.fail(f"{path} is missing: run make", pytrace=False)
    return path, Symbols(path)


@pytest.fixture
def lab(request: pytest.FixtureRequest, _submission: tuple[Path, Symbols]
        ) -> Iterator[Lab]:
    """The submission's kernel, for one test."""
    path, symbols = _submission
    made = Lab(path, symbols, int(os.environ[SEED_VARIABLE]), request.node.name)
    claims = request.config.getoption("--grade-claims")
    made.has_hung = (claims is not None
                     and len(list(claims.glob("hung-*"))) >= HUNG_BEFORE)
    try:
        yield made
    finally:
        made.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """No test of a lab lasts longer than deadlines.test()."""
    def late(*_: object) -> NoReturn:
        raise GdbTimeout("the test did not come to its end")

    if _lab_of(item):
        before = signal.signal(signal.SIGALRM, late)
        signal.setitimer(signal.ITIMER_REAL, deadlines.test())
    yield
    if _lab_of(item):
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Iterator[None]:
    """Turns what a test raised into a verdict, and keeps it as JSON."""
    outcome = yield
    if not _lab_of(item):
        return
    report = outcome.get_result()  # type: ignore[attr-defined]
    if call.when == "setup" and not report.failed and not report.skipped:
        return
    if call.when == "teardown" and not report.failed:
        return
    lab: Optional[Lab] = getattr(item, "funcargs", {}).get("lab")
    verdict = _verdict(call, report, lab)
    if verdict is not None:
        report.longrepr = f"{verdict}\n\nhint      {_hint(item)}"
    record = _identity(item)
    record.update(
        outcome=verdict.outcome if verdict else "pass",
        earned=0 if verdict else record["points"],
        cause=verdict.cause if verdict else None,
        expected=verdict.expected if verdict else None,
        found=verdict.found if verdict else None,
        where=verdict.where if verdict else None,
        gdb=verdict.gdb if verdict else None,
        seconds=round(report.duration, 3),
        console=lab.console if lab and verdict else "",
    )
    _append(item.config, record)
    claims = item.config.getoption("--grade-claims")
    if claims is not None and record["outcome"] == "hung":
        (claims / f"hung-{item.name}").touch()


def _verdict(call: pytest.CallInfo[None], report: pytest.TestReport,
             lab: Optional[Lab]) -> Optional[Verdict]:
    """What a test raised, as a verdict; None if it passed."""
    if report.passed:
        return None
    error = call.excinfo.value if call.excinfo else None
    if isinstance(error, Verdict):
        return error
    if isinstance(error, (MachineGone, GdbTimeout, MachineError)) and lab \
            and lab.machines:
        try:
            lab.stopped(lab.machines[-1])
        except Verdict as verdict:
            return verdict
        except Exception as second:  # pylint: disable=broad-except
            error = second
    if isinstance(error, KeyError) and lab and error.args[0] in CONTRACT \
            and error.args[0] not in lab.kernel:
        return Verdict(f"The kernel has no function {error.args[0]}: it was renamed, "
                       "removed or made static", where=CONTRACT[error.args[0]])
    if report.skipped:
        return Verdict(f"the test was skipped: {error}", "error")
    if call.excinfo is None:
        return Verdict("the test failed without saying why", "error")
    return Verdict(f"{type(error).__name__}: {error} "
                   f"({_origin(call.excinfo)}); "
                   "this is the grader's own fault, not the submission's", "error")


def _origin(info: pytest.ExceptionInfo[BaseException]) -> str:
    """The grader's line that raised."""
    entry = info.traceback[-1]
    return f"{Path(str(entry.path)).name}:{entry.lineno + 1}"


def _lab_of(item: pytest.Item) -> int:
    """The lab that a test belongs to, or 0."""
    return labs.of_test_file(Path(str(item.fspath)).name)


def _hint(item: pytest.Item) -> str:
    """A test's own hint, and where the task of its lab is described."""
    own = getattr(getattr(item, "function", None), "grade_hint", "")
    task = f"The task: {labs.LABS[_lab_of(item)].task}."
    return f"{own.rstrip('.')}. {task}" if own else task


def _identity(item: pytest.Item) -> dict[str, Any]:
    """What is known of a test before it runs."""
    function = getattr(item, "function", None)
    return {
        "lab": _lab_of(item),
        "name": f"{Path(str(item.fspath)).name}::{item.name}",
        "title": title(item.name),
        "points": getattr(function, "grade_points", 0),
        "hint": _hint(item),
    }


# What a test's name cannot show: an apostrophe. No name has these as plurals.
OWNERS = "user parent child grandparent kernel process cpu 3".split()
SHOUTED = """gdt tss star lstar sfmask efer rax rbx rcx rdx rsi rdi rbp rsp rip rflags
cs ss ds es fs gs r8 r9 r10 r11 r12 r13 r14 r15 ist rsp0 gdtr tr cpu iretq sysret
syscall nmi df tf nt ac dpl rpl nx xmm null iopl simd io msr lgdt ltr cf id
enosys efault""".split()


PHRASES = {"64 bit": "64-bit", "32 bit": "32-bit", "no execute": "no-execute",
           "gib": "GiB", "c": "C", "kernel GS base": "KERNEL_GS_BASE",
           "single stepped": "single-stepped", "hlt cli": "hlt, cli",
           "getpid getppid": "getpid, getppid", "files directory": "files, directory"}


def title(name: str) -> str:
    """A test's name as a sentence."""
    bare, _, parameter = name.removeprefix("test_").partition("[")
    # Functions keep their underscores.
    functions = [f for f in (*CONTRACT, "syscall_handler") if f"_{f}_" in f"_{bare}_"]
    for number, function in enumerate(functions):
        bare = f"_{bare}_".replace(f"_{function}_", f"_<{number}>_").strip("_")
    words = bare.replace("_", " ")
    words = re.sub(rf"\b({'|'.join(OWNERS)})s\b", r"\1's", words)
    words = re.sub(rf"\b({'|'.join(SHOUTED)})\b",
                   lambda word: word[1].upper(), words)
    for spoken, written in PHRASES.items():
        words = re.sub(rf"\b{spoken}\b", written, words)
    begins = words[:1].upper() + words[1:]
    for number, function in enumerate(functions):
        begins = begins.replace(f"<{number}>", function)
    return begins + (f" ({parameter.rstrip(']')})" if parameter else "")


def _append(config: pytest.Config, record: Mapping[str, Any]) -> None:
    """One line at the end of the results, in one write."""
    path = config.getoption("--grade-results")
    if path is not None:
        line = (json.dumps(record) + "\n").encode()
        with open(path, "ab", buffering=0) as file:
            file.write(line)
