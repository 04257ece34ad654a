"""The model of the page to try stubs in says of wrong stubs what QEMU does."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from machine.qemu import TREE, Machine, MachineError
from machine.recording import recording
import agreement

pytestmark = [pytest.mark.xdist_group("agreement"),
              pytest.mark.skipif(not shutil.which(agreement.NODE), reason=(
                  "no node to run the model with outside a browser"))]

# Of each kind one: a pop exchanged, no swapgs, a frame of 15 words, an exit by IRETQ, a
# stub with C in it, RFLAGS of ring 0; and of the right stub, a push and a pop less, an
# argument moved too early.
SAMPLE = ("E68", "E01", "E15", "A02", "F22", "L08", "L36", "X24")


def test_a_sample_of_wrong_stubs() -> None:
    stubs = [wrong for wrong in (*agreement.known(), *agreement.changed())
             if wrong.name in SAMPLE]
    assert len(stubs) == len(SAMPLE)
    found = agreement.compare_all(stubs)
    assert {one.wrong.name: one.outcome for one in found} == dict.fromkeys(SAMPLE, "same"), \
        agreement.table(found)


def test_a_model_that_is_wrong_is_found(tmp_path: object) -> None:
    """The comparison is of what happened: with another stub on the model, it differs."""
    [wrong] = [wrong for wrong in agreement.changed() if wrong.name == "L36"]
    right = [line["text"] for line in agreement.stub_lines(TREE)]
    trace = agreement.recorded(TREE)
    without = [text for text in right if text != "popq %r8"]
    same, different = agreement.on_model([(trace, right, agreement.layout(TREE)),
                                          (trace, without, agreement.layout(TREE))])
    assert wrong.what == "without popq %r10" or wrong.what
    assert (same["outcome"], different["outcome"]) == ("same", "different")


def test_a_stub_that_cannot_be_recorded_is_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """One such does not end the run, and it is tried twice."""
    tries = []

    def dies(tree: Path) -> agreement.Trace:
        tries.append(tree)
        raise MachineError("QEMU did not start the kernel\n---- console ----")

    monkeypatch.setattr(agreement, "recorded", dies)
    stub = next(agreement.changed())
    [row] = agreement.compare_all([stub], jobs=1)
    assert len(tries) == 2
    assert (row.outcome, row.why) == (
        "unrecorded", "could not be recorded: QEMU did not start the kernel")
    assert row.why in agreement.table([row])


def test_a_recording_that_was_cut_off_says_so() -> None:
    def kill(machine: Machine) -> bool:
        if machine.console:
            os.killpg(machine.pid, signal.SIGKILL)
        return False

    with recording("/bin/sh", meanwhile=kill) as recorded:
        with pytest.raises(MachineError, match="killed before its recording was whole"):
            recorded.replay()


@pytest.mark.long
def test_all_wrong_stubs() -> None:
    stubs = [*agreement.known(), *agreement.changed()]
    assert len(stubs) > 100
    found = agreement.compare_all(stubs)
    numbers = agreement.counts(found)
    assert numbers["different"] == 0, agreement.table(found)
    assert numbers["same"] > 100
