"""The staircase: in the tree in which lab n is the next, what is solved passes and
what is empty does not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from labs import LABS
from machine.qemu import TREE

sys.path.insert(0, str(TREE / "labs"))
# pylint: disable=wrong-import-position
import staircase  # noqa: E402
import tree  # noqa: E402

# Any will do; `make staircase` takes another each time.
SEED = 4


@pytest.mark.parametrize("first_empty", [*LABS, tree.ALL_SOLVED])
def test_solved_labs_pass_and_empty_ones_do_not(
    first_empty: int, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    # With all labs empty and with all solved every test is run; between them, the
    # tests of the two labs at the edge. `make stress` runs every test in each tree.
    edge = (first_empty - 1, first_empty)
    whole = pytestconfig.getoption("--long") or not set(edge) <= set(LABS)
    landing = staircase.land(first_empty, tmp_path / "tree", SEED,
                             graded=tuple(LABS) if whole else edge)
    faults = list(landing.faults())
    assert not faults, "\n".join(faults)
