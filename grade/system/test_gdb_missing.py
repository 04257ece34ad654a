"""Where something is missing, the debugger says so in a sentence: a machine, the
kernel, or a lab's solution."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from gdb_answers import COMMANDS, FIELDS, SHOWS, frame_of, no_traceback, wait_until
from machine import deadlines
from machine.qemu import Machine, TREE
from replay.session import copy_tree, debug, gdb, rewind

sys.path.insert(0, str(TREE / "labs"))
# pylint: disable=wrong-import-position
import cut  # noqa: E402


def test_help_lists_every_command_in_one_line() -> None:
    session = gdb(["help threshold", *(f"help {name}" for name in COMMANDS)],
                  socket=None, connects=False)
    lines = [line for line in session[0].splitlines() if re.match(r"[a-z-]+  ", line)]
    assert [line.split()[0] for line in lines] == COMMANDS
    for name, line, answer in zip(COMMANDS, lines, session.answers[1:]):
        assert len(line) <= 80
        assert answer.splitlines()[0] == line.split(maxsplit=1)[1], name
        assert max(map(len, answer.splitlines())) <= 80, name


def test_nothing_is_asked_or_refused_on_the_way_to_main() -> None:
    session = debug("/bin/hello", ["show confirm", "show pagination"])
    assert re.search(r"main \(start_info=\d+\) at kernel/main.c:\d+", session.start)
    for word in ("auto-load", "declined", "(y or n)", "warning"):
        assert word not in session.start
    assert "off" in session[0] and "off" in session[1]


def test_without_a_machine_each_command_says_so() -> None:
    session = gdb([*SHOWS, "next-syscall", "step-entry"], socket=None, connects=False)
    for answer in session.answers:
        assert answer.startswith("No machine is attached."), session
    no_traceback(session)


def test_connect_says_that_nobody_answers(tmp_path: Path) -> None:
    session = gdb([f"connect {tmp_path}"], socket=None, connects=False)
    assert session[0].startswith(f"Nobody answers on {tmp_path}.")
    no_traceback(session)


def test_at_reset_each_command_says_how_to_go_on() -> None:
    with Machine("/bin/hello", stopped=True) as machine:
        wait_until(machine.gdb_socket.exists, "QEMU serves no debugger")
        session = gdb([f"target remote {machine.gdb_socket}", *SHOWS, "step-entry"],
                      socket=None, connects=False)
    for answer in session.answers[1:]:
        assert answer.startswith("The CPU is not in long mode yet."), session


def test_a_gdb_that_sends_no_packets_says_which_does() -> None:
    """GDB 11 and older know no send_packet."""
    old = "python sys.modules['threshold.machine'].sends_packets = lambda: False"
    commands = ["python import sys", old, "msr"]
    for session in (debug("/bin/hello", commands),
                    rewind("/bin/hello", [*commands, "last-write $r10", "moment"])):
        for answer in session.answers[2:]:
            assert answer.strip() == "Only GDB 12 or newer can ask this of the machine."


def empty_labs(tree: Path, first: int) -> None:
    """Takes the solutions of a lab and of those after it out of a tree."""
    for path in sorted((tree / "kernel").glob("*.[chS]")):
        path.write_text(cut.cut(path.name, path.read_text(), range(first, 10)))


@pytest.mark.parametrize("lab, says", [
    (1, "lab 1"), (2, "lab 2"), (3, "lab 3"), (4, "not inside a call|no process"),
    (5, "RIP: "),
])
def test_an_empty_lab_gives_sentences(
    lab: int, says: str, tmp_path: Path, make_environment: dict[str, str]
) -> None:
    tree = copy_tree(tmp_path / "tree")
    empty_labs(tree, lab)
    built = subprocess.run(["make", "build/kernel.elf"], cwd=tree, capture_output=True,
                           env=make_environment, text=True, timeout=deadlines.host())
    assert built.returncode == 0, built.stderr
    commands = ["next-syscall", *SHOWS, "step-entry 20", *SHOWS, "step-entry 30", *SHOWS,
                "backtrace", "continue", *SHOWS]
    session = debug("/bin/sh -c hello", commands, tree=tree)
    no_traceback(session)
    assert re.search(says, str(session)), session


def test_sysframe_shows_a_push_of_the_wrong_register(
    tmp_path: Path, make_environment: dict[str, str]
) -> None:
    tree = copy_tree(tmp_path / "tree")
    stub = tree / "kernel/syscall_entry.c"
    stub.write_text(stub.read_text().replace('"pushq %r12"', '"pushq %r13"'))
    subprocess.run(["make", "build/kernel.elf"], cwd=tree, check=True,
                   env=make_environment, capture_output=True, timeout=deadlines.host())
    session = debug("/bin/hello", ["tbreak sys_getpid", "continue", "sysframe"], tree=tree)
    assert re.search(r"\+72 +r12 .*BUT %r13 WAS PUSHED$", session[2], re.M)
    assert session[2].count("BUT") == 1


def test_sysframe_works_before_the_struct_is_there(
    tmp_path: Path, make_environment: dict[str, str]
) -> None:
    """Lab 4 defines the struct; the frame is there from lab 3 on."""
    tree = copy_tree(tmp_path / "tree")
    empty_labs(tree, 4)
    subprocess.run(["make", "build/kernel.elf"], cwd=tree, check=True,
                   env=make_environment, capture_output=True, timeout=deadlines.host())
    session = debug("/bin/hello", ["tbreak sys_getpid", "continue", "sysframe"], tree=tree)
    assert list(frame_of(session[2])) == list(reversed(FIELDS))


def test_sysframe_and_step_entry_follow_a_stub_that_is_half_written(
    tmp_path: Path, make_environment: dict[str, str]
) -> None:
    """As lab 3's second step leaves it: sixteen pushes, and nothing after them."""
    tree = copy_tree(tmp_path / "tree")
    empty_labs(tree, 5)
    stub = tree / "kernel/syscall_entry.c"
    pushes, _ = stub.read_text().split("	/* 3. ")
    stub.write_text(pushes + '	asm("ud2");\n}\n')
    subprocess.run(["make", "build/kernel.elf"], cwd=tree, check=True,
                   env=make_environment, capture_output=True, timeout=deadlines.host())
    session = debug("/bin/hello", ["next-syscall", "sysframe", "step-entry 19",
                                   "sysframe"], tree=tree)
    assert "nothing has been pushed yet" in session[1]
    assert list(frame_of(session[3])) == list(reversed(FIELDS))
    assert "number: getpid" in session[3]
