"""Typing a solution in the steps of its handout, tests turn green step by step."""

from __future__ import annotations

import re
import sys

import pytest

from labs import LABS
from machine.qemu import TREE

sys.path.insert(0, str(TREE / "labs"))
# pylint: disable=wrong-import-position
import steps  # noqa: E402

SEED = 5
# What the normal run walks through; the others take minutes.
QUICK = 2


@pytest.mark.parametrize("lab", [
    lab if lab == QUICK else pytest.param(lab, marks=pytest.mark.long) for lab in LABS])
def test_each_step_turns_tests_green_and_none_red(lab: int) -> None:
    faults = steps.all_faults(list(steps.walk(lab, SEED)))
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("lab", LABS)
def test_the_steps_are_those_of_the_handout(lab: int) -> None:
    text = (TREE / LABS[lab].handout).read_text()
    task = text.partition("\n## The task\n")[2].partition("\n## ")[0]
    titles = re.findall(r"^\d+\. \*\*(.+?)\.\*\*", task, re.MULTILINE)
    assert [step.title for step in steps.steps_of(lab)] == titles


@pytest.mark.parametrize("lab", LABS)
def test_the_last_step_is_the_solution(lab: int) -> None:
    for name, data in steps.steps_of(lab)[-1].files.items():
        assert data == (TREE / name).read_bytes()
