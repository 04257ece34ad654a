"""The book: it builds without a word of complaint, holds every header, and a
browser reads it from the disk alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Iterator

import pytest

from machine import deadlines
from browser import Browser, missing
from machine.qemu import TREE

sys.path.insert(0, str(TREE / "docs"))

pytestmark = [
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(
        subprocess.run(["sh", TREE / "kernel/host/doctor.sh", "has", "book"],
                       timeout=deadlines.host()).returncode != 0,
        reason="what the book is made with is not here: make book says how")]

HTML = TREE / "build/book/html"
SCREENSHOTS = TREE / "build/screenshots"
in_a_browser = pytest.mark.skipif(missing() is not None, reason=str(missing()))


@pytest.fixture(scope="module")
def book() -> str:
    """What building it printed, links checked and warnings taken for errors."""
    done = subprocess.run([sys.executable, TREE / "docs/book.py"], cwd=TREE,
                          capture_output=True, text=True, timeout=deadlines.host())
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_it_builds_without_a_warning(book: str) -> None:
    lines = book.splitlines()
    assert len(lines) == 1 and lines[0].startswith("build/book/html/index.html: ")


def test_every_header_is_in_the_api() -> None:
    api = (TREE / "docs/api.md").read_text()
    missing_ones = [path.name for path in sorted((TREE / "kernel").rglob("*.h"))
                    if f"{{doxygenfile}} {path.name}\n" not in api]
    assert not missing_ones


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    import book as builder  # pylint: disable=import-outside-toplevel

    (tmp_path / "a.html").write_text(
        '<a href="b.html#here">1</a> <a href="b.html#gone">2</a> '
        '<img src="c.svg"> <a href="https://outside.invalid/">3</a>')
    (tmp_path / "b.html").write_text('<p id="here"></p>')
    assert builder.broken_links(tmp_path) == ["a.html: b.html#gone",
                                              "a.html: c.svg"]


@pytest.fixture(scope="module")
def chromium(book: str, tmp_path_factory: pytest.TempPathFactory
             ) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("chromium")) as browser:
        browser.look(1280, 800)
        yield browser


@in_a_browser
def test_no_page_complains_or_asks_for_anything_from_outside(chromium: Browser
                                                             ) -> None:
    for page in sorted(HTML.rglob("*.html")):
        chromium.open(page)
    assert chromium.collect() == ([], [])


@in_a_browser
def test_its_search_works_from_the_disk(chromium: Browser) -> None:
    chromium.driver.get((HTML / "search.html").as_uri() + "?q=swapgs")
    chromium.driver.implicitly_wait(deadlines.answer())
    found = chromium.driver.find_elements("css selector", "ul.search li a")
    assert any("tour" in link.get_attribute("href") for link in found)


@in_a_browser
def test_the_chapters_on_entry_frame_and_fork_play_a_recorded_call(chromium: Browser
                                                                   ) -> None:
    for chapter in ("3-entry", "4-frame", "5-fork"):
        chromium.open(HTML / f"labs/{chapter}.html")
        chromium.driver.switch_to.frame(
            chromium.driver.find_element("css selector", "iframe.trace"))
        assert "syscall" in chromium.run("return player.shadowRoot.textContent")
        chromium.driver.switch_to.default_content()


@in_a_browser
@pytest.mark.parametrize(("name", "width", "height"),
                         [("desk", 1280, 800), ("phone", 375, 800)])
def test_nothing_is_wider_than_the_screen(chromium: Browser, name: str, width: int,
                                          height: int) -> None:
    chromium.look(width, height, phone=name == "phone")
    too_wide = []
    for page in sorted(HTML.glob("*/*.html")):
        if page.parent.name in ("docs", "labs"):
            chromium.open(page)
            chromium.screenshot(SCREENSHOTS / f"book-{page.stem}-{name}.png")
            if chromium.run("return document.documentElement.scrollWidth") > width:
                too_wide.append(page.name)
    assert not too_wide
