"""`make gdb` as a person sees it in a terminal."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import time
from pathlib import Path
from typing import Iterator

import pytest

from gdb_answers import qemu_of, wait_until
from machine import deadlines
from replay.session import copy_tree


class Tmux:
    """A terminal of 100 x 45, or as wide as is said, that a test can type into and look
    at."""

    def __init__(self, directory: Path, environment: dict[str, str], width: int = 100) -> None:
        self._width = width
        self._base = ["tmux", "-S", str(directory / "tmux"), "-f", "/dev/null"]
        self._environment = environment
        self._directory = directory

    def __enter__(self) -> Tmux:
        self("new-session", "-d", "-x", str(self._width), "-y", "45", "-s", "test", "sh")
        # What is typed earlier is shown twice, and the answer begins after a prompt.
        self.wait_for(r"[#$]$")
        return self

    def __exit__(self, *_: object) -> None:
        self("kill-server")

    def lines(self, pane: str = "test") -> list[str]:
        """What is on the screen, a line that the terminal had to break as one."""
        return self("capture-pane", "-p", "-J", "-t", pane).rstrip("\n").split("\n")

    def __call__(self, *words: str) -> str:
        return subprocess.run([*self._base, *words], env=self._environment, text=True,
                              capture_output=True, timeout=deadlines.answer()).stdout

    def type(self, line: str, pane: str = "test") -> None:
        self("send-keys", "-t", pane, "-l", line)
        self("send-keys", "-t", pane, "Enter")

    def wait_for(self, pattern: str, pane: str = "test") -> str:
        """The screen, once it shows the pattern."""
        until = time.monotonic() + deadlines.answer() * 2
        while True:
            screen = self("capture-pane", "-p", "-t", pane)
            if re.search(pattern, screen, re.M):
                return screen
            assert time.monotonic() < until, f"no {pattern!r} on:\n{screen}"
            time.sleep(0.05)


@pytest.fixture(params=[80, 160])
def sized(request: pytest.FixtureRequest, tmp_path: Path, make_environment: dict[str, str]
          ) -> Iterator[Tmux]:
    """GDB on a machine that runs forktest, alone in a terminal of 80 or 160 columns."""
    tree = copy_tree(tmp_path / "tree")
    with Tmux(tmp_path, {**make_environment, "TERM": "screen"}, request.param) as tmux:
        tmux("new-window", "-d", "-t", "test:5", "-c", str(tree),
             "make qemu GDB=1 PROG=/bin/forktest")
        tmux.type(f"cd {shlex.quote(str(tree))}; PS1='ready> '; "
                  "while [ ! -S build/gdb.sock ]; do sleep 0.1; done; make gdb")
        tmux.wait_for(r"^\(gdb\)$")
        yield tmux
        tmux.type("quit")
        tmux.wait_for(r"^ready>$")
    wait_until(lambda: not qemu_of(tree), "a QEMU is left")


# What is typed, a pattern of what comes, and how many lines that may take at 80 columns.
SESSION = [
    ("next-syscall", r"^=> \d+ +asm\(.swapgs", 9),
    ("step-entry", r"^=> \d+ +asm\(.movq %rsp", 8),
    ("step-entry 6", r"^=> \d+ +asm\(.pushq %rbp", 19),
    ("gdt", r"0x30 .*code, DPL 3, 64-bit", 9),
    ("tss", r"iomap_base", 7),
    ("msr", r"^KERNEL_GS_BASE", 9),
    ("percpu", r"segments", 10),
    ("break-kernel fork", r"^Breakpoint 1 at", 2),
    ("continue", r"^=> \d+ +\{", 12),
    ("kstack", r"<- RSP", 34),
    ("sysframe", r"\+0 +r9", 19),
    ("regs", r"cr3", 22),
    ("finish-syscall", r"fork returns 2(.|\n)*^=> \d+", 9),
    ("next-syscall write", r"calls write(.|\n)*^=> \d+ +asm", 11),
    ("idt", r"0x30-0xff", 33),
    ("ps", r"forktest", 4),
    ("pagewalk 0x401000", r"in a page of 4 KB", 7),
    ("help threshold", r"^.help COMMAND", 23),
    ("next-syscall not_a_call_that_any_kernel_has_had_or_will_have", r"has no call", 2),
]


@pytest.mark.skipif(not shutil.which("tmux"), reason="there is no tmux")
def test_no_line_is_broken_by_the_terminal_and_none_is_said_twice(sized: Tmux) -> None:
    """With context on, as it is for a person."""
    width = int(sized("display-message", "-p", "-t", "test", "#{window_width}"))
    for typed, pattern, most in SESSION:
        sized("send-keys", "-t", "test", "C-l")
        sized.type(typed)
        sized.wait_for(pattern + r"(.|\n)*^\(gdb\)$")
        lines = [line.rstrip() for line in sized.lines()]
        said = lines[lines.index(f"(gdb) {typed}") + 1 if f"(gdb) {typed}" in lines else 1:-1]
        assert [line for line in said if len(line) > width] == [], typed
        assert len(said) <= most, f"{typed}: {len(said)} lines:\n" + "\n".join(said)
        nexts = [" ".join(line.split()) for line in said if re.match(r"=> \d", line)]
        assert len(nexts) == len(set(nexts)), f"{typed}: {nexts}"


@pytest.fixture
def terminal(tmp_path: Path, make_environment: dict[str, str]) -> Iterator[Tmux]:
    tree = copy_tree(tmp_path / "tree")
    with Tmux(tmp_path, {**make_environment, "TERM": "screen"}) as tmux:
        tmux.type(f"PS1='ready> '; cd {shlex.quote(str(tree))}")
        tmux.wait_for(r"^ready>$")
        yield tmux
    wait_until(lambda: not qemu_of(tree), "a QEMU is left")


@pytest.mark.skipif(not shutil.which("tmux"), reason="there is no tmux")
class TestMakeGdb:
    """`make gdb` as a person sees it."""

    def test_in_one_terminal(self, terminal: Tmux) -> None:
        terminal.type("unset TMUX; make gdb")
        terminal.wait_for(r"QEMU waits for GDB")
        terminal.wait_for(r"^\(gdb\)$")
        terminal.type("next-syscall")
        screen = terminal.wait_for(r"^=> \d+ +asm\(.swapgs")
        assert re.search(r"^\w+\[1\] calls \w+ \(\d+\)", screen, re.M)
        for command, pattern in (
                ("step-entry 200", r"ring 3: CS 0x33(.|\n)*=> 0x40"),
                ("gdt", r"0x30 .*code, DPL 3, 64-bit +<- CS"),
                ("msr", r"KERNEL_GS_BASE .*for SWAPGS to bring"),
                ("next-syscall write", r"calls write"),
                ("step-entry 20", r"=> \d+ +asm"),
                ("sysframe", r"\+112 rax .*number: write"),
                ("kstack", r"<- RSP"),
                ("pagewalk 0", r"not mapped"),
                ("print nosuch", r'^No symbol "nosuch"')):
            terminal.type("echo \\033[2J\\033[H")
            terminal.type(command)
            terminal.wait_for(pattern)
        terminal.type("continue")
        terminal.wait_for(r"^\S*\$$")
        terminal("send-keys", "-t", "test", "C-c")
        terminal.wait_for(r"received signal SIGINT")
        terminal.type("quit")
        terminal.wait_for(r"^ready>$")

    def test_in_a_tmux_that_is_already_there(self, terminal: Tmux) -> None:
        terminal.type("make gdb PROG=hello")
        terminal.wait_for(r"QEMU waits for GDB", "test.0")
        terminal.wait_for(r"^\(gdb\)$", "test.1")
        terminal.type("continue", "test.1")
        terminal.wait_for(r"hello: greetings(.|\n)*Enter closes GDB", "test.0")
        terminal.type("", "test.0")
        terminal.wait_for(r"^ready>$", "test.0")
        assert len(terminal("list-panes", "-t", "test").splitlines()) == 1

    def test_quit_in_a_tmux_that_is_already_there(self, terminal: Tmux) -> None:
        terminal.type("make gdb PROG=hello")
        terminal.wait_for(r"^\(gdb\)$", "test.1")
        terminal.type("next-syscall", "test.1")
        terminal.wait_for(r"hello\[1\] calls getpid", "test.1")
        terminal.type("quit", "test.1")
        screen = terminal.wait_for(r"^ready>$", "test.0")
        for word in ("Enter closes", "Error", "panic", "greetings"):
            assert word not in screen, screen

    def test_in_two_terminals(self, terminal: Tmux) -> None:
        terminal.type("make qemu GDB=1 PROG=hello")
        terminal("split-window", "-t", "test", "-c", "#{pane_current_path}", "sh")
        wait_until(lambda: bool(terminal("list-panes", "-t", "test").count("\n") == 2),
                   "no second pane")
        terminal.wait_for(r"[#$]$", "test.1")
        terminal.type("while [ ! -S build/gdb.sock ]; do sleep 0.1; done; make gdb",
                      "test.1")
        terminal.wait_for(r"^\(gdb\)$", "test.1")
        terminal.type("next-syscall", "test.1")
        terminal.wait_for(r"hello\[1\] calls getpid", "test.1")
        terminal.type("quit", "test.1")
        terminal.wait_for(r"hello: greetings", "test.0")

    def test_without_tmux(self, terminal: Tmux) -> None:
        terminal.type("mkdir empty; for p in sh stty gdb uname; do "
                      "ln -s $(command -v $p) empty; done; PATH=$PWD/empty sh kernel/host/debug.sh")
        screen = terminal.wait_for("in another")
        assert re.search(r"type `make qemu GDB=1` in\s+one\s+terminal", screen)
