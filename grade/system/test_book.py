"""The book: it builds without a word of complaint, holds every header, and a
browser reads it from the disk alone."""

from __future__ import annotations

import html
import posixpath
import re
import subprocess
import sys
import urllib.parse
import zipfile
from pathlib import Path
from typing import Iterator
from xml.etree import ElementTree

import pytest

from machine import deadlines
from browser import Browser, missing
from machine.qemu import TREE
from playing import faults

sys.path[:0] = [str(TREE / "docs"), str(TREE / "labs")]
# pylint: disable=wrong-import-position
import contents  # noqa: E402
import release  # noqa: E402
import tree  # noqa: E402

pytestmark = [
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(
        subprocess.run(["sh", TREE / "kernel/host/doctor.sh", "has", "book"],
                       timeout=deadlines.host()).returncode != 0,
        reason="what the book is made with is not here: make book says how")]

HTML = TREE / "build/book/html"
SCREENSHOTS = TREE / "build/screenshots"
# One page of each kind: text, a lab with its player, headers, a front page, a long list,
# the theme's own.
KINDS = ("docs/tour", "labs/3-entry", "labs/teacher", "docs/api", "docs/glossary",
         "docs/index", "docs/traces", "docs/differences", "docs/chapters/7-files",
         "genindex", "search")
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


def test_the_students_edition_shows_no_solution_that_is_to_come() -> None:
    """Of lab 3's release: its handouts and chapters, and no line that tells the
    solutions of labs 3 to 5."""
    done = subprocess.run([sys.executable, TREE / "docs/book.py", "--lab", "3"], cwd=TREE,
                          capture_output=True, text=True, timeout=deadlines.host())
    assert done.returncode == 0, done.stdout + done.stderr
    edition = TREE / "build/book-3/html"
    pages = {str(path.relative_to(edition)) for path in edition.rglob("*.html")}
    assert {"labs/3-entry.html", "docs/chapters/5-processes.html", "docs/glossary.html",
            "docs/memory.html"} <= pages
    assert not pages & {"labs/4-frame.html", "docs/tour.html", "docs/api.html",
                        "docs/traces.html", "labs/teacher.html"}
    assert told(edition, tree.solved(), 3) == set()


def test_a_release_has_its_book_and_can_make_it(
        tmp_path: Path, make_environment: dict[str, str]) -> None:
    """In the tree that students clone before the first lab, where no kernel runs: all
    handouts, the chapters with their exercises, and no line of a solution."""
    whole = tree.solved()
    place = tree.write(tree.student_tree(whole, 1), tmp_path / "students")
    done = subprocess.run(["make", "-s", "book"], cwd=place, env=make_environment,
                          capture_output=True, text=True, timeout=deadlines.host())
    assert done.returncode == 0, done.stdout + done.stderr
    edition = place / "build/book/html"
    pages = {str(path.relative_to(edition)) for path in edition.rglob("*.html")}
    assert {"labs/1-gdt.html", "labs/5-fork.html", "docs/chapters/10-linux.html",
            "docs/glossary.html", "genindex.html", "index.html"} <= pages
    assert not pages & {"docs/tour.html", "docs/api.html", "docs/traces.html"}
    chapter = (edition / "docs/chapters/5-processes.html").read_text()
    assert 'class="answer"' in chapter and "Record the call with" in chapter
    assert told(edition, whole, 1) == set()


def test_the_epub_is_whole_and_plays_nothing(book: str) -> None:
    """Each page is XML, as readers of EPUB want it; each link leads somewhere in it; it
    has no script and no frame, and the answers are printed."""
    with zipfile.ZipFile(HTML / "threshold.epub") as archive:
        assert archive.namelist()[0] == "mimetype" and archive.testzip() is None
        names = set(archive.namelist())
        pages = {name: archive.read(name).decode() for name in names
                 if name.endswith((".xhtml", ".opf", ".ncx"))}
    trees = {name: ElementTree.fromstring(text) for name, text in pages.items()}
    assert len(pages) > 30 and "Answer: " in pages["docs/chapters/3-traps.xhtml"]
    tags = {element.tag.rpartition("}")[2] for page in trees.values()
            for element in page.iter()}
    assert not tags & {"script", "iframe", "form", "input"}
    for name, page in trees.items():
        for element in page.iter():
            for link in (element.get("href"), element.get("src")):
                target = urllib.parse.urlsplit(link or "")
                if target.path and not target.scheme:
                    path = posixpath.join(posixpath.dirname(name), target.path)
                    assert posixpath.normpath(urllib.parse.unquote(path)) in names, (
                        name, link)


def test_the_epub_has_its_pages_in_the_order_of_the_book(book: str) -> None:
    """In the reading order, and in the table of contents, each once and none that is not
    there; and within a page each ID once."""
    with zipfile.ZipFile(HTML / "threshold.epub") as archive:
        package, nav = (archive.read(name).decode() for name in ("content.opf", "nav.xhtml"))
        pages = {name: archive.read(name).decode() for name in archive.namelist()
                 if name.endswith(".xhtml")}
    places = dict(re.findall(r'<item id="([^"]+)" href="([^"]+)"', package))
    spine = [places[name] for name in re.findall(r'<itemref idref="([^"]+)" />', package)]
    chapters = [f"docs/chapters/{path.stem}.xhtml" for path in contents.chapters()]
    assert len(spine) == len(set(spine)) > 30
    assert [page for page in spine if page in chapters] == chapters
    assert [page for page in re.findall(r'href="([^"#]+)"', nav) if page in chapters] == chapters
    for name, text in pages.items():
        ids = re.findall(r'\sid="([^"]+)"', text)
        assert [one for one in set(ids) if ids.count(one) > 1] == [], name


def told(edition: Path, whole: tree.Files, lab: int) -> set[str]:
    """The lines in an edition that tell the solutions from a lab on."""
    telling = release.telling_lines(whole, lab)
    assert len(telling.lines) > 50
    return {f"{path.name}: {line}" for path in edition.rglob("*")
            if path.suffix in (".html", ".js", ".svg")
            for _, line in telling.hits(html.unescape(
                re.sub(r"<[^>]*>", "", path.read_text())).encode())}


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


def test_a_link_to_a_step_that_the_trace_does_not_have_is_found(tmp_path: Path) -> None:
    import book as builder  # pylint: disable=import-outside-toplevel

    (tmp_path / "trace.html").write_text(
        '<script type="application/json" data-role="mine">'
        '{"sections":[{"id":"call","steps":[{},{}]}]}</script>')
    (tmp_path / "a.html").write_text("".join(
        f'<a href="trace.html#{step}">x</a>' for step in ("call/2", "call/3", "child/0")))
    assert builder.broken_links(tmp_path) == ["a.html: trace.html#call/3",
                                              "a.html: trace.html#child/0"]


@pytest.mark.parametrize("lost", [
    'body[data-theme="dark"]{--a: #111}',
    'body[data-theme="dark"]{--a: #111} @media (prefers-color-scheme: dark) {'
    'body[data-theme="auto"] .theme-toggle svg{display: block}}',
], ids=["all", "all-but-the-button"])
def test_a_theme_that_has_lost_what_the_system_prefers_gets_it_back(lost: str) -> None:
    import book as builder  # pylint: disable=import-outside-toplevel

    mended = builder.with_system_theme(lost)
    assert 'body:not([data-theme="light"]){--a: #111}' in mended
    assert builder.with_system_theme(mended) == mended


@pytest.fixture(scope="module")
def chromium(book: str, tmp_path_factory: pytest.TempPathFactory
             ) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("chromium")) as browser:
        browser.look(1280, 800)
        yield browser


def texts(*kinds: str) -> list[Path]:
    """The pages with text of some kinds, all of them without one; not those that play
    recorded calls."""
    found = [path for path in sorted(HTML.rglob("*.html")) if path.parent != HTML / "traces"
             and path != HTML / "index.html"]
    return [path for path in found if not kinds or path.parent.name in kinds]


@in_a_browser
def test_no_page_complains_or_asks_for_anything_from_outside(chromium: Browser
                                                             ) -> None:
    """Neither in the console, nor, as Furo does, in the page."""
    complaints = []
    for page in sorted(HTML.rglob("*.html")):
        chromium.open(page)
        complaints += chromium.run("""return [...document.querySelectorAll('article nav')]
            .map((nav) => getComputedStyle(nav, '::before').content)
            .filter((said) => said.includes('ERROR'));""")
    assert chromium.collect() == ([], []) and not complaints


@in_a_browser
def test_the_front_page_lists_each_chapter_once(chromium: Browser) -> None:
    chromium.open(HTML / "docs/index.html")
    listed = chromium.run("return [...document.querySelectorAll('article section td a')]"
                          ".map((link) => link.getAttribute('href'))"
                          ".filter((place) => place.startsWith('chapters/'));")
    named = chromium.run("return [...document.querySelectorAll('.toctree-wrapper a')]"
                         ".map((link) => link.getAttribute('href'));")
    chapters = [f"chapters/{path.stem}.html" for path in contents.chapters()]
    assert listed[1:] == chapters and listed[0] == chapters[0], "Chapter 1, then the table"
    assert not set(named) & set(chapters)


@pytest.mark.parametrize("name", ["html/docs/index.html", "epub/docs/index.xhtml"])
def test_no_row_of_an_editions_front_page_leads_nowhere(name: str, book: str) -> None:
    page = (TREE / "build/book" / name).read_text()
    rows = re.findall(r"<tr.*?</tr>", page.partition("<tbody>")[2].partition("</tbody>")[0],
                      re.DOTALL)
    assert len(rows) >= 6 and all("<a " in row for row in rows)
    assert ("Recorded calls" in page) == name.startswith("html")


@in_a_browser
def test_its_search_works_from_the_disk(chromium: Browser) -> None:
    """What it finds comes one by one."""
    chromium.driver.get((HTML / "search.html").as_uri() + "?q=swapgs")
    assert chromium.eventually("""return [...document.querySelectorAll('ul.search li a')]
        .some((link) => link.href.includes('tour'));""", True)


@in_a_browser
@pytest.mark.parametrize(("chapter", "step"), [
    ("1-gdt", ["gdt", 52]), ("2-msr", ["msr", 0]), ("3-entry", ["call", 0]),
    ("4-frame", ["call", 20]), ("5-fork", ["call", 49])])
def test_each_handout_plays_a_recorded_call_at_its_step(chapter: str, step: list[object],
                                                        chromium: Browser) -> None:
    chromium.open(HTML / f"labs/{chapter}.html")
    frame = chromium.driver.find_element("css selector", "iframe.trace")
    chromium.driver.execute_script("arguments[0].scrollIntoView()", frame)
    chromium.driver.switch_to.frame(frame)
    try:
        chromium.driver.execute_async_script("""const done = arguments[0];
            (function wait() { const player = document.querySelector('trace-player');
                player && player.section ? done() : setTimeout(wait, 20); })();""")
        assert chromium.run("return [player.section.id, player.position];") == step
    finally:
        chromium.driver.switch_to.default_content()


@in_a_browser
@pytest.mark.parametrize("chosen", ["auto", "light", "dark"])
@pytest.mark.parametrize("system", ["light", "dark"])
def test_the_page_its_code_and_its_player_have_one_theme(system: str, chosen: str,
                                                         chromium: Browser) -> None:
    chromium.look(1280, 800, dark=system == "dark")
    chromium.open(HTML / "labs/3-entry.html")
    chromium.run("document.body.dataset.theme = arguments[0];"
                 "document.querySelector('iframe.trace').scrollIntoView();", chosen)
    dark = chosen == "dark" or (chosen == "auto" and system == "dark")
    grounds = [not dark, not dark]
    assert grounds == chromium.eventually("""
        const light = (element) => { const [r, g, b] = getComputedStyle(element)
            .backgroundColor.match(/[0-9.]+/g).map(Number); return r + g + b > 382; };
        return [light(document.body), light(document.querySelector('.highlight'))];""",
        grounds)
    chromium.driver.switch_to.frame(
        chromium.driver.find_element("css selector", "iframe.trace"))
    try:
        chromium.driver.execute_async_script("""const [theme, done] = arguments;
            (function wait() { const player = document.querySelector('trace-player');
                player && player.dataset.theme === theme ? done()
                    : setTimeout(wait, 20); })();""", "dark" if dark else "light")
    finally:
        chromium.driver.switch_to.default_content()


@in_a_browser
def test_the_letters_of_a_figure_can_be_read_on_a_phone(chromium: Browser) -> None:
    """A figure is 760 wide, its letters 12: 9 at least are to be left of them."""
    chromium.look(375, 800, phone=True)
    small = []
    for path in texts("labs", "chapters", "docs"):
        chromium.open(path)
        small += [f"{path.stem}: {name}" for name in chromium.run("""
            return [...document.querySelectorAll('article img')].filter((image) =>
                image.naturalWidth > 700 && 12 * image.getBoundingClientRect().width
                / image.naturalWidth < 9).map((image) => image.src);""")]
    assert not small


@in_a_browser
def test_the_words_of_a_figure_are_apart(chromium: Browser) -> None:
    glued = []
    for path in texts("labs", "chapters", "docs"):
        source = (TREE / path.relative_to(HTML).with_suffix(".md")).read_text()
        chromium.open(path)
        for alt in chromium.run("return [...document.querySelectorAll('article img')]"
                                ".map((image) => image.alt);"):
            if alt not in " ".join(source.split()):
                glued.append(f"{path.stem}: {alt[:60]}")
    assert not glued


@in_a_browser
@pytest.mark.parametrize(("width", "whole", "where"), [
    (1280, r"[\w/.]+", "td code"), (375, r"[^\W_]+", "td code"), (375, r"\w*-[\w>]+", "code")],
    ids=["desk", "phone", "hyphens"])
def test_a_name_is_broken_only_at_its_joints(chromium: Browser, width: int, whole: str,
                                             where: str) -> None:
    """In a table MSR_ and STAR may stand on two lines of a phone; MSR_STA and R may
    not, and nowhere - and > or - and ENOSYS."""
    chromium.look(width, 800, phone=width < 400)
    torn = []
    for path in texts("labs", "chapters", "docs"):
        chromium.open(path)
        torn += [f"{path.stem}: {name}" for name in chromium.run("""
            const [whole, where] = arguments;
            return [...document.querySelectorAll(`article ${where}`)].filter((code) => {
                if (code.closest('pre')) return false;
                const texts = document.createTreeWalker(code, NodeFilter.SHOW_TEXT);
                const place = (at) => {   // of a letter of the code: its line's top
                    texts.currentNode = code;
                    for (let text; (text = texts.nextNode()); at -= text.length)
                        if (at < text.length) {
                            const range = document.createRange();
                            range.setStart(text, at);
                            range.setEnd(text, at + 1);
                            return range.getBoundingClientRect().top;
                        }
                };
                return [...code.textContent.matchAll(new RegExp(whole, 'g'))].some((name) =>
                    place(name.index) !== place(name.index + name[0].length - 1));
            }).map((code) => code.textContent);""", whole, where)]
    assert not torn


@in_a_browser
def test_each_check_of_a_handout_begins_a_line(chromium: Browser) -> None:
    begun = {}
    for path in sorted(HTML.glob("labs/?-*.html")):
        chromium.open(path)
        begun[path.stem] = chromium.run("""
            return [...document.querySelectorAll('article li > p:not(:first-child)')].filter(
                (check) => check.textContent.startsWith('Check:')).length;""")
    assert begun == {path.stem: path.read_text().count("*Check:*")
                     for path in sorted((TREE / "labs").glob("?-*.md"))}


@in_a_browser
def test_the_list_of_pages_shows_the_one_that_is_read(chromium: Browser) -> None:
    """It is longer than a small screen, and the labs are at its end."""
    chromium.look(1280, 600)
    hidden = []
    for path in sorted(HTML.glob("labs/*.html")):
        chromium.open(path)
        bottom = chromium.run("return document.querySelector('.sidebar-tree .current-page')"
                              ".getBoundingClientRect().bottom")
        if not 0 < bottom <= 600:
            hidden.append(f"{path.stem}: {bottom}")
    assert not hidden


@in_a_browser
def test_an_exercise_says_whether_an_answer_is_right(chromium: Browser) -> None:
    """Each with its own answer, in hexadecimal too, and with one that is wrong."""
    told = {}
    for path in sorted(HTML.glob("docs/chapters/*.html")):
        chromium.open(path)
        told[path.stem] = chromium.run("""
            return [...document.querySelectorAll('form.answer')].map((form) => {
                const say = (text) => { form.querySelector('input').value = text;
                    form.requestSubmit(); return form.querySelector('output').className; };
                const {answer} = form.dataset, [first] = answer.split('|');
                const number = /^\\d+$/.test(answer);
                return [say(first), number ? say('0x' + BigInt(answer).toString(16))
                    : say(first.toUpperCase()), say(number ? answer + '1' : 'no ' + first)];
            });""")
    asked = {path.stem: path.read_text().count("{exercise}")
             for path in (TREE / "docs/chapters").glob("*.md")}
    assert {stem: len(forms) for stem, forms in told.items()} == asked
    assert {tuple(form) for forms in told.values() for form in forms} == {
        ("right", "right", "wrong")}


@in_a_browser
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, True)],
                         ids=["desk-light", "desk-dark", "phone"])
def test_axe_finds_no_serious_fault(width: int, dark: bool, chromium: Browser, axe: str
                                    ) -> None:
    chromium.look(width, 800, dark=dark, phone=width < 400)
    found = []
    for name in KINDS:
        chromium.open(HTML / f"{name}.html")
        found += [f"{name}: {fault}" for fault in faults(chromium, axe)]
    assert not found, "\n".join(found)


@in_a_browser
@pytest.mark.parametrize(("name", "width", "height"),
                         [("desk", 1280, 800), ("phone", 375, 800)])
def test_nothing_is_wider_than_the_screen(chromium: Browser, name: str, width: int,
                                          height: int) -> None:
    """What is, is rolled in a box of its own, which Tab reaches."""
    chromium.look(width, height, phone=name == "phone")
    too_wide, out_of_reach = [], []
    for page in texts():
        chromium.open(page)
        chromium.screenshot(SCREENSHOTS / f"book-{page.stem}-{name}.png")
        if chromium.run("return document.documentElement.scrollWidth") > width:
            too_wide.append(page.name)
        out_of_reach += [f"{page.stem}: {text}" for text in chromium.run("""
            return [...document.querySelectorAll('article *')].filter((box) =>
                box.scrollWidth > box.clientWidth && box.tabIndex < 0
                && ['auto', 'scroll'].includes(getComputedStyle(box).overflowX))
                .map((box) => `${box.tagName} ${box.textContent.slice(0, 40)}`);""")]
    assert not too_wide
    assert not out_of_reach


@in_a_browser
@pytest.mark.parametrize("height", [800, 844])
@pytest.mark.parametrize("width", [1280, 390])
def test_a_framed_player_is_in_sight(width: int, height: int, chromium: Browser) -> None:
    """On a desk its panels and its step buttons; on a phone all of it."""
    chromium.look(width, height, phone=width < 400)
    chromium.open(HTML / "labs/5-fork.html")
    tall = chromium.run("return document.querySelector('iframe.trace').offsetHeight;")
    frame = chromium.driver.find_element("css selector", "iframe.trace")
    chromium.driver.execute_script("arguments[0].scrollIntoView()", frame)
    chromium.driver.switch_to.frame(frame)
    try:
        chromium.eventually("return Boolean(player && player.section);", True)
        top, bottom = chromium.run("""return ['main', '.steps'].map((part, i) => { const box =
            player.shadowRoot.querySelector(part).getBoundingClientRect();
            return i ? box.bottom : box.top; });""")
    finally:
        chromium.driver.switch_to.default_content()
    assert bottom - top <= height and bottom <= tall
    assert width > 400 or tall <= height


@in_a_browser
def test_an_exercises_text_stands_clear_of_its_edge(chromium: Browser) -> None:
    chromium.look(1280, 800)
    chromium.open(HTML / "docs/chapters/3-traps.html")
    gaps = chromium.run("""return [...document.querySelectorAll('.exercise')].map((box) =>
        box.querySelector('.question').getBoundingClientRect().left
        - box.getBoundingClientRect().left);""")
    assert len(gaps) >= 8 and min(gaps) >= 12
