"""The model of the page to try stubs in says of wrong stubs what QEMU does."""

from __future__ import annotations

import shutil

import pytest

from machine.qemu import TREE
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


@pytest.mark.long
def test_all_wrong_stubs() -> None:
    stubs = [*agreement.known(), *agreement.changed()]
    assert len(stubs) > 100
    found = agreement.compare_all(stubs)
    numbers = agreement.counts(found)
    assert numbers["different"] == 0, agreement.table(found)
    assert numbers["same"] > 100
