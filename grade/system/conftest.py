"""What the tests of pages share: recorded traces, the pages that play them, and a
browser. All that use it run in one worker (the group "browser"), which has one
browser and records once.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Iterator

import pytest

from known_wrong import run as known_wrong
from machine import deadlines
from machine.qemu import TREE
from replay.recorder import Recorder
from browser import Browser

sys.path.insert(0, str(TREE / "docs/player"))
import page  # noqa: E402 # pylint: disable=wrong-import-position

Trace = dict[str, Any]

# A stub that pops R8 and R10 in the wrong order.
WRONG = "E68"
AXE = "axe-core@4.14.1"


@pytest.fixture(scope="session")
def right() -> Trace:
    return Recorder("/bin/forktest", 57).record()


@pytest.fixture(scope="session")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    tree = known_wrong.wrong_tree(WRONG, tmp_path_factory.mktemp("wrong") / "tree")
    return Recorder("/bin/forktest", 57, tree=tree).record()


@pytest.fixture(scope="session")
def pages(right: Trace, wrong: Trace, tmp_path_factory: pytest.TempPathFactory
          ) -> dict[str, Path]:
    """The page of the right stub's trace, and one that compares the wrong one."""
    directory = tmp_path_factory.mktemp("pages")
    made = {"right": page.page(right), "compare": page.page(wrong, right)}
    for name, text in made.items():
        (directory / f"{name}.html").write_text(text)
    return {name: directory / f"{name}.html" for name in made}


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture
def player(chromium: Browser, pages: dict[str, Path]) -> Iterator[Browser]:
    """The right stub's call, at its beginning, on a desk's screen. Whatever a test
    does, the page complains of nothing and asks for nothing from outside."""
    chromium.look(1280, 800)
    chromium.open(pages["right"])
    yield chromium
    assert chromium.collect() == ([], [])


@pytest.fixture
def comparing(player: Browser, pages: dict[str, Path]) -> Browser:
    player.open(pages["compare"])
    return player


@pytest.fixture(scope="session")
def axe() -> str:
    """axe-core's script, fetched by npm into build/ when first asked for."""
    directory = TREE / "build/axe"
    script = directory / "node_modules/axe-core/axe.min.js"
    if not script.exists():
        if not shutil.which("npm"):
            pytest.skip("no npm to fetch axe-core with")
        directory.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            ["npm", "install", "--prefix", str(directory), "--ignore-scripts",
             "--no-audit", "--no-fund", AXE], stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=deadlines.host())
        if done.returncode:
            pytest.skip(f"npm could not fetch {AXE}: {done.stderr[-200:]}")
    return script.read_text()
