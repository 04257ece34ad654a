"""The runner of the known-wrong solutions: it tells a mistake that was caught by
its cause from every other way to end."""

from __future__ import annotations

import difflib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Optional

import pytest

from machine import deadlines
from machine.qemu import TREE

sys.path.insert(0, str(TREE / "grade"))
from known_wrong import run as known_wrong  # noqa: E402  pylint: disable=wrong-import-position
from known_wrong import entries, table  # noqa: E402  pylint: disable=wrong-import-position

STUB = "kernel/syscall_entry.c"
REGISTERS = "test_3_entry.py::test_registers_that_c_does_not_keep_come_back"
REACHES = "test_3_entry.py::test_a_call_reaches_syscall_handler"


def write_entry(directory: Path, name: str, header: str, old: str, new: str,
                file: str = STUB) -> None:
    """An entry that changes one text of a file of this tree."""
    before = (TREE / file).read_text()
    assert before.count(old) == 1, old
    diff = difflib.unified_diff(
        before.splitlines(True), before.replace(old, new).splitlines(True),
        f"a/{file}", f"b/{file}")
    (directory / f"{name}.patch").write_text(
        f"Id: {name.partition('-')[0]}\n{header}\n\n{''.join(diff)}")


def grade(directory: Path, *arguments: str, scale: Optional[str] = None
          ) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    """Runs the named tests of the entries in a directory; entries by their Id."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
    if scale:
        environment["DEADLINE_SCALE"] = scale
    out = directory / "result.json"
    done = subprocess.run(
        [sys.executable, str(TREE / "grade/known_wrong/run.py"), "--named", "--jobs", "1",
         "--patches", str(directory), "--out", str(out), *arguments],
        env=environment, capture_output=True, text=True, timeout=deadlines.host())
    result = json.loads(out.read_text()) if out.exists() else {"entries": []}
    return done, {e["id"]: e for e in result["entries"]} | {"all": result}


def test_every_entry_of_this_tree_is_well_formed() -> None:
    chosen = known_wrong.entries()
    assert len({entry.id for entry in chosen}) == len(chosen)


@pytest.mark.of_gcc("what C code leaves in a register is another thing")
def test_outcomes_are_told_apart(tmp_path: Path) -> None:
    lost = ('asm("popq %r10");', 'asm("addq $8, %rsp");')
    write_entry(tmp_path, "A1-caught",
                f"Lab: 3\nMistake: m\nTest: {REGISTERS}\nMessage: R10", *lost)
    write_entry(tmp_path, "A2-cause",
                f"Lab: 3\nMistake: m\nTest: {REGISTERS}\nMessage: R15", *lost)
    write_entry(tmp_path, "A3-survives",
                f"Lab: 3\nMistake: m\nTest: {REACHES}\nMessage: R10", *lost)
    write_entry(tmp_path, "A4-other",
                f"Lab: 3\nMistake: m\nTest: {REGISTERS}\nTest: {REACHES}\n"
                "Message: R10", *lost)
    write_entry(tmp_path, "A5-build",
                "Lab: 3\nMistake: m\nTest: build\nMessage: no such instruction",
                'asm("sysretq");', 'asm("sysretx");')
    write_entry(tmp_path, "A6-build",
                f"Lab: 3\nMistake: m\nTest: {REACHES}\nMessage: x",
                'asm("sysretq");', 'asm("sysretx");')
    done, result = grade(tmp_path)
    assert {name: e["verdict"] for name, e in result.items() if name != "all"} == {
        "A1": "caught", "A2": "wrong cause", "A3": "survived", "A4": "other test",
        "A5": "caught", "A6": "error"}, done.stdout + done.stderr
    assert done.returncode == 1
    assert "R10" in result["A1"]["failed"][0]["cause"]
    assert "on return R10 holds" in result["A1"]["proof"]["sentence"]
    counted = result["all"]
    assert (counted["total"], counted["cause_named"]) == (6, 2)
    assert counted["labs"]["3"]["total"] == 6


def test_all_caught_is_a_success(tmp_path: Path) -> None:
    write_entry(tmp_path, "B1-caught",
                f"Lab: 3\nMistake: m\nTest: {REGISTERS}\nMessage: R8 came back.*popq %r8",
                'asm("popq %r10");', 'asm("popq %r8 ");')
    done, result = grade(tmp_path)
    assert done.returncode == 0, done.stdout
    assert result["B1"]["verdict"] == "caught"


def test_a_patch_that_does_not_apply_is_an_error(tmp_path: Path) -> None:
    write_entry(tmp_path, "C1-stale",
                f"Lab: 3\nMistake: m\nTest: {REGISTERS}\nMessage: R10",
                'asm("popq %r10");', 'asm("popq %r8 ");')
    path = tmp_path / "C1-stale.patch"
    path.write_text(path.read_text().replace("popq", "pop"))
    _, result = grade(tmp_path)
    assert result["C1"]["verdict"] == "error"
    assert "does not apply" in result["C1"]["detail"]


def test_an_entry_is_ended_at_its_deadline(tmp_path: Path,
                                           monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a process that hangs, nothing is left, and its end is a failure."""
    write_entry(tmp_path, "D1-hangs",
                f"Lab: 3\nMistake: m\nTest: {REGISTERS}\nMessage: R10",
                'asm("popq %r10");', 'asm("popq %r8 ");')
    script = (
        "import sys, time\n"
        "from known_wrong import run as known_wrong\n"
        "known_wrong.ENTRY = 0.5\n"
        "known_wrong.run_tests = lambda *_: time.sleep(100)\n"
        "sys.exit(known_wrong.main(sys.argv[1:]))")
    out = tmp_path / "result.json"
    done = subprocess.run(
        [sys.executable, "-c", script, "--patches", str(tmp_path), "--out", str(out)],
        cwd=TREE / "grade", capture_output=True, text=True, timeout=deadlines.host())
    entry = json.loads(out.read_text())["entries"][0]
    assert (done.returncode, entry["verdict"]) == (1, "hung"), done.stdout


HEADER = "Lab: 3\nMistake: m\nTest: " + REGISTERS + "\nMessage: R10"


@pytest.mark.parametrize(("header", "file", "complaint"), [
    (HEADER.replace("Lab: 3", "Lab: 6"), STUB, "no lab 6"),
    (HEADER.replace("Mistake: m\n", ""), STUB, "one line 'Mistake:'"),
    (HEADER + "\nAccept: yes", STUB, "either 'Accept: yes'"),
    ("Lab: 3\nMistake: m", STUB, "either 'Accept: yes'"),
    ("Lab: 3\nMistake: m\nTest: " + REGISTERS, STUB, "both needed"),
    (HEADER.replace("does_not", "never_did"), STUB, "there is no test_3_entry"),
    (HEADER.replace("R10", "(R10"), STUB, "Message"),
    (HEADER + "\nWho: me", STUB, "unknown header Who"),
    (HEADER + "\nsome words", STUB, "not a header line"),
    (HEADER, "kernel/proc.c", "changes kernel/proc.c, which is no lab's"),
])
def test_a_wrong_header_is_refused(tmp_path: Path, header: str, file: str,
                                   complaint: str) -> None:
    line = (TREE / file).read_text().splitlines()[1]
    write_entry(tmp_path, "E1-header", header, line, line + "!", file)
    with pytest.raises(known_wrong.BadEntry, match=re.escape(complaint)):
        known_wrong.entries(patches=tmp_path)


def record(name: str, outcome: str, cause: Optional[str] = None) -> dict[str, Any]:
    return {"name": name, "outcome": outcome, "cause": cause, "seconds": 0.1}


def judged(directory: Path, header: str, *records: dict[str, Any]
           ) -> known_wrong.Outcome:
    write_entry(directory, "F1-entry", header, 'asm("cli");', 'asm("nop");')
    lines = [{"plan": [{"name": r["name"]} for r in records]}, *records]
    (directory / "tests.jsonl").write_text(
        "\n".join(json.dumps(line) for line in lines))
    (directory / "facts.json").write_text("{}")
    entry = known_wrong.entries(patches=directory)[0]
    return known_wrong.judge(entry, directory, False, 1.0)


def test_an_accepted_entry_must_pass_everything(tmp_path: Path) -> None:
    accept = "Lab: 3\nMistake: m\nAccept: yes"
    one = record("test_1_gdt.py::test_x", "pass")
    assert judged(tmp_path, accept, one).verdict == "accepted"
    two = record("test_2_msr.py::test_y", "blocked", "This test needs lab 1")
    assert judged(tmp_path, accept, one, two).verdict == "refused"


def test_the_graders_own_error_is_never_a_catch(tmp_path: Path) -> None:
    outcome = judged(tmp_path, HEADER, record(REGISTERS, "fail", "R10"),
                     record(REACHES, "error", "KeyError"))
    assert (outcome.verdict, outcome.named) == ("error", False)


def test_it_is_told_which_mistakes_a_test_is_needed_for(tmp_path: Path) -> None:
    outcome = judged(tmp_path, HEADER, record(REACHES, "pass"),
                     record(REGISTERS, "fail", "R10"))
    by_test = table.by_test([outcome])
    assert by_test[REGISTERS] == {"only": ["F1"], "first": ["F1"], "caught": ["F1"]}
    assert by_test[REACHES] == {"only": [], "first": [], "caught": []}


def test_the_reasons_are_for_tests_that_there_are() -> None:
    reasons = table.reasons()
    assert reasons and all(reasons.values())
    missing = [name for name in reasons if not entries.test_exists(name)]
    assert not missing
