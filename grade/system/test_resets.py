"""What a student reads where the machine resets before it has printed a word: not
that QEMU did not start, but what happened, and where to look."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from machine import deadlines, environment
from machine.qemu import TREE

sys.path.insert(0, str(TREE / "labs"))
import tree  # noqa: E402  pylint: disable=wrong-import-position

# Of lab 1's solution: a triple fault in gdt_init, and one in ring 3.
LEFT_OUT = ["\tlgdt(&gdtr);\n", "\tltr(TSS_SELECTOR);\n"]


@pytest.fixture(scope="module", name="place", params=LEFT_OUT)
def _place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
           ) -> Path:
    """A student's tree, of which lab 1 was done without that line."""
    files = tree.files(None, 2)
    mode, text = files["kernel/gdt.c"]
    assert request.param.encode() in text
    files["kernel/gdt.c"] = mode, text.replace(request.param.encode(), b"")
    return tree.write(files, tmp_path_factory.mktemp("resets") / "student")


@pytest.mark.parametrize("tool", ["trace", "rewind"])
def test_a_tool_says_that_the_machine_reset_and_where_to_look(
    place: Path, tool: str
) -> None:
    done = subprocess.run(
        ["make", "-s", tool, "PROG=/bin/hello"], cwd=place, stdin=subprocess.DEVNULL,
        env=environment.without_make(), capture_output=True, text=True,
        timeout=deadlines.host())
    said = done.stdout + done.stderr
    assert done.returncode, said
    assert "the machine reset itself, as after a triple fault" in said
    assert "make grade says where" in said and "did not start" not in said
