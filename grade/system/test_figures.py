"""The pages' figures: drawn by the sources beside them, and told in words to who
cannot see them."""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from machine.qemu import TREE

sys.path.insert(0, str(TREE / "labs/figures"))
import draw  # noqa: E402  pylint: disable=wrong-import-position

SVG = "{http://www.w3.org/2000/svg}"
DRAWN = {path: text for place in draw.directories()
         for path, text in draw.figures(place).items()}
PAGES = sorted([*TREE.glob("labs/**/*.md"), *TREE.glob("docs/**/*.md"),
                TREE / "README.md"])


def name(path: Path) -> str:
    return str(path.relative_to(TREE))


@pytest.mark.parametrize("path", DRAWN, ids=name)
def test_a_figure_is_as_its_source_draws_it(path: Path) -> None:
    assert path.exists() and path.read_text() == DRAWN[path], "type: make figures"


def test_every_figure_has_a_source() -> None:
    found = {path for place in draw.directories() for path in place.glob("*.svg")}
    assert found == set(DRAWN)


@pytest.mark.parametrize("path", DRAWN, ids=name)
def test_a_figure_says_what_it_shows(path: Path) -> None:
    root = ElementTree.fromstring(DRAWN[path])
    assert root.get("role") == "img"
    first, second = list(root)[:2]
    assert (first.tag, second.tag) == (f"{SVG}title", f"{SVG}desc")
    assert len(first.text or "") >= 4 and len(second.text or "") >= 40
    assert root.get("aria-labelledby") == f"{first.get('id')} {second.get('id')}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_page_shows_figures_that_are_there_and_says_what_they_show(page: Path
                                                                     ) -> None:
    for text, target in re.findall(r"!\[([^\]]*)\]\(([^)\s]+)\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target
        assert len(text) >= 10, f"{target} has no text that stands for it"


def test_every_figure_is_on_a_page() -> None:
    shown = {(page.parent / target).resolve() for page in PAGES
             for target in re.findall(r"!\[[^\]]*\]\(([^)\s]+)\)", page.read_text())}
    assert set(DRAWN) <= shown


def test_text_that_does_not_fit_is_an_error() -> None:
    figure = draw.Figure("small", 100, 50, "Small", "A figure with little room.")
    with pytest.raises(ValueError, match="needs"):
        figure.box(10, 10, 40, 20, "far too long")
    with pytest.raises(ValueError, match="leaves the figure"):
        figure.text(80, 20, "over the edge")
