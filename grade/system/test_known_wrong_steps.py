"""Mistakes in unfinished solutions: at which steps one can be made, and what is read
of it first."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from labs import LABS
from machine.qemu import TREE

sys.path.insert(0, str(TREE / "grade"))
from known_wrong import steps  # noqa: E402  pylint: disable=wrong-import-position
from known_wrong.entries import Entry, entries, read_entry  # noqa: E402
from known_wrong.verdict import Outcome  # noqa: E402
from test_known_wrong import HEADER, STUB, write_entry  # noqa: E402

PUSH = '\tasm("pushq %rbp");                       /* rbp */\n'
POP = '\tasm("popq %rbp");\n'


def entry_of(directory: Path, old: str, new: str, file: str = STUB,
             header: str = HEADER) -> Entry:
    write_entry(directory, "E1-mistake", header, old, new, file)
    return read_entry(directory / "E1-mistake.patch")


@pytest.mark.parametrize(("old", "new", "possible"), [
    (PUSH, "", [2, 3, 4, 5, 6, 7]),  # the frame is step 2
    (PUSH, '\tasm("xorl %ebp, %ebp");\n' + PUSH, [2, 3, 4, 5, 6, 7]),
    (POP, "", [5, 6, 7]),            # the way back, step 5
    ('\tasm("addq $16, %rsp");', '\tasm("addq $8, %rsp");', [7]),
    ('\tasm("cli");', '\tasm("nop");', []),  # the last step is the finished solution
])
def test_a_mistake_is_made_when_its_lines_are_typed(
    tmp_path: Path, old: str, new: str, possible: list[int]
) -> None:
    entry = entry_of(tmp_path, old, new)
    assert [trial.step for trial in steps.trials(entry)] == possible


def test_a_trial_has_the_mistake_and_nothing_of_later_steps(tmp_path: Path) -> None:
    trial = next(t for t in steps.trials(entry_of(tmp_path, POP, "")) if t.step == 5)
    stub = trial.files[STUB]
    assert POP not in stub and 'asm("popq %rbx");' in stub
    assert 'asm("cli");' not in stub and "FRAME_RAX) " not in stub


def test_what_is_no_students_mistake_is_not_tried(tmp_path: Path) -> None:
    room = entry_of(tmp_path, "per_cpu.kernel_rsp = top;",
                    "per_cpu.kernel_rsp = top - 8;", "kernel/per_cpu.c",
                    HEADER + "\nRoom: kernel/per_cpu.c")
    assert not list(steps.trials(room))
    assert not any(list(steps.trials(e)) for e in entries(["A04"]))


def told(*records: tuple[str, str]) -> Outcome:
    entry = entries(["E11"])[0]
    return Outcome(entry, "caught", failed=[
        {"name": f"test_{n}", "outcome": outcome, "cause": cause}
        for n, (outcome, cause) in enumerate(records)])


def test_the_first_story_that_is_told_counts() -> None:
    assert steps.story(told(("blocked", "needs"), ("fail", "one"), ("fail", "two"))
                       ) == "one"
    assert steps.story(told(("blocked", "needs"))) == ""


def test_a_cause_is_named_whichever_test_tells_it(tmp_path: Path) -> None:
    entry = entry_of(tmp_path, POP, "", header=HEADER + "\nCause: nothing .* RBP")
    assert steps.names_the_cause(entry, "nothing restores RBP")
    assert steps.names_the_cause(entry, "R10 came back")
    assert not steps.names_the_cause(entry, "no cli")


def test_a_cause_that_is_not_named_needs_a_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trial = steps.Trial(entry_of(tmp_path, POP, ""), 5, {})
    tried = [(trial, told(("fail", "no cli")))]
    assert steps.report(tried, {}) == ["E1-5: the cause is not named: 'no cli'"]
    assert steps.report(tried, {"E1-5": "why"}) == []
    assert "E1-5    why" in capsys.readouterr().out
    unseen = [(trial, told())]
    assert "no test sees it" in steps.report(unseen, {})[0]
    assert steps.report(unseen, {"E1-5": "why"}) == []
    named = [(trial, told(("fail", "R10")))]
    assert "is named" in steps.report(named, {"E1-5": "why"})[0]


def test_mistakes_of_every_lab_are_tried() -> None:
    assert {entry.lab for entry in entries() if list(steps.trials(entry))} == set(LABS)


def test_the_reasons_are_for_trials_that_there_are() -> None:
    known = {trial.name for entry in entries() for trial in steps.trials(entry)}
    assert set(steps.reasons()) <= known
