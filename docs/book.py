"""Builds the book: `make book`, then open build/book/html/index.html. With LAB=2 it is
the students' edition of that release, in build/book-2: without what shows a solution
that is not released yet.

Doxygen reads the kernel's headers, a few calls are recorded for the chapter on
traces, and Sphinx makes pages of it all. Every warning is an error, and so is a
link inside the book that leads nowhere.
"""

from __future__ import annotations

import argparse
import dataclasses
import html.parser
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
from pathlib import Path
from typing import Optional

TREE = Path(__file__).resolve().parents[1]
for folder in ("grade", "docs/player"):
    sys.path.insert(0, str(TREE / folder))
# pylint: disable=wrong-import-position
import page  # noqa: E402
import stub  # noqa: E402
from machine import deadlines  # noqa: E402
from replay.recorder import Recorder  # noqa: E402

# In a student's tree the edition is theirs, of all handouts that are there, and what
# takes a kernel that makes calls is left out.
SOLVED = (TREE / "labs/teacher.mk").exists()
LAST_LAB = 5

# A stub that pops R8 and R10 in the wrong order, for the chapter's comparison.
WRONG = "E68"

# Where the output's top leads to.
ENTRANCE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Threshold</title>
<meta http-equiv="refresh" content="0; url=docs/index.html">
<p><a href="docs/index.html">Threshold, the book</a></p></html>
"""


@dataclasses.dataclass(frozen=True)
class Edition:
    """The whole book, or the students' of a lab."""

    lab: Optional[int] = None

    @property
    def place(self) -> Path:
        name = f"book-{self.lab}" if self.lab and SOLVED else "book"
        return TREE / "build" / name

    @property
    def html(self) -> Path:
        return self.place / "html"


def headers(edition: Edition) -> None:
    """The kernel's headers as XML."""
    options = (TREE / "docs/Doxyfile").read_text()
    subprocess.run(["doxygen", "-"], cwd=TREE, check=True, text=True,
                   input=f"{options}\nOUTPUT_DIRECTORY = {edition.place}/doxygen\n",
                   timeout=deadlines.host())
    for path in (edition.place / "doxygen/xml").glob("struct*.xml"):
        path.write_text(NAMELESS.sub("", path.read_text()))


# An anonymous union is a member without a name for Doxygen 1.9.8 and later, which
# Sphinx cannot read as C; 1.9.4 leaves it out.
NAMELESS = re.compile(r"<memberdef (?:(?!</memberdef>).)*?<name></name>.*?</memberdef>",
                      re.DOTALL)

# The calls that are recorded for the chapters: program, number, count, how deep the
# handler is followed.
CALLS: dict[str, tuple[str, int, int, int]] = {
    "getpid": ("/bin/regs 7", 39, 2, 2), "fork": ("/bin/forktest", 57, 1, 2),
    "exec": ("/bin/exectest", 59, 1, 2), "write": ("/bin/hello", 1, 1, 3),
    "wait": ("/bin/forktest", 61, 1, 2), "kill": ("/bin/handler", 62, 1, 2),
    "open": ("/bin/cat /etc/motd", 2, 1, 3), "pipe": ("/bin/filetest", 0, 1, 3),
    "background": ("/bin/jobtest", 0, 2, 4),
}


def traces(edition: Edition) -> None:
    """The JSON of each recorded call, for the exercises' answers, and a page for it. A
    trace holds the sources that ran, so the students' edition has no page."""
    directory = edition.place / "extra/traces"
    directory.mkdir(parents=True)
    recordings = edition.place / "traces"
    recordings.mkdir()
    for name, (program, number, count, depth) in CALLS.items():
        trace = Recorder(program, number, count, depth=depth).record()
        (recordings / f"{name}.json").write_text(json.dumps(trace))
        if edition.lab is not None:
            continue
        (directory / f"{name}.html").write_text(page.page(trace))
        if name == "getpid":
            getpid = trace
    if edition.lab is not None:
        return
    # pylint: disable=import-outside-toplevel
    from known_wrong import run as known_wrong

    with tempfile.TemporaryDirectory(prefix="threshold-book-") as place:
        tree = known_wrong.wrong_tree(WRONG, Path(place) / "tree")
        wrong = Recorder("/bin/regs 7", 39, 2, tree=tree).record()
    (directory / "wrong.html").write_text(page.page(wrong, getpid))
    (directory / "try.html").write_text(page.try_page(
        stub.stub_lines(TREE), stub.layout(TREE), stub.mistakes(TREE)))


def pages(edition: Edition) -> None:
    sphinx(edition, "html", edition.html, "-d", str(edition.place / "doctrees"))


def sphinx(edition: Edition, builder: str, output: Path, *options: str) -> None:
    """Runs Sphinx; ends the program where it complains."""
    students = [] if edition.lab is None else ["-t", "students"]
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-E", "-b",
         builder, "-c", "docs", *students, *options, ".", str(output)],
        cwd=TREE, timeout=deadlines.host(),
        env={**os.environ, "THRESHOLD_BOOK": str(edition.place),
             "THRESHOLD_LAB": str(edition.lab or "")})
    if done.returncode:
        sys.exit("book: Sphinx had something to complain about.")


def epub(edition: Edition) -> None:
    """The same as one file for a reader of books, beside the pages."""
    made = edition.place / "epub"
    sphinx(edition, "epub", made, "-t", "epub", "-d", str(edition.place / "doctrees-epub"))
    shutil.copy(made / "threshold.epub", edition.html)


def bundle_theme(html_: Path) -> None:
    """Makes of Furo's files what a browser loads from a disk. Its packages differ:
    the script is in modules, by one import or another, and the pages may ask for it
    as a module; the style sheet may name normalize.css, by an address of a web
    server's or of a bundler's, or hold it."""
    script = html_ / "_static/scripts/furo.js"
    # The module that is imported has no names, only a default.
    script.write_text(re.sub(r"\bimport \* as (\w+) from", r"import \1 from",
                             script.read_text()))
    subprocess.run(["esbuild", script, "--bundle", f"--outfile={script}",
                    "--allow-overwrite", "--log-level=warning"],
                   check=True, timeout=deadlines.host())
    for path in html_.rglob("*.html"):
        path.write_text(re.sub(r'<script type="module"(?= src="[^"]*/furo\.js)',
                               "<script", path.read_text()))
    style = html_ / "_static/styles/furo.css"
    style.write_text(with_system_theme(re.sub(
        r"@import [^;]*\bnormalize\.css[^;]*;", lambda _: normalize(),
        style.read_text())))


def normalize() -> str:
    """The style sheet that Furo imports, where it is packaged; where it is not,
    book.css has what the pages need of it."""
    path = Path("/usr/share/javascript/normalize.css/normalize.css")
    return path.read_text() if path.exists() else ""


def with_system_theme(css: str) -> str:
    """Furo's style sheet, made to follow the system where no theme is chosen. Some of
    Debian's builds of it have lost that, all of it or all but the button's picture:
    what `body[data-theme="dark"]` gets is written once more, for a system that prefers
    dark."""
    if re.search(r'body:not\(\[data-theme="?light"?\]\)', css):
        return css
    dark = re.findall(r'body\[data-theme="?dark"?\]([^{},]*)(\{[^{}]*\})', css)
    rules = "".join(f'body:not([data-theme="light"]){rest}{block}' for rest, block in dark
                    if "theme-toggle" not in rest)
    return f"{css}\n@media screen and (prefers-color-scheme: dark) {{{rules}}}\n"


# What Furo has forgotten to say, for a screen reader: at which level its captions in the
# sidebar are headings, and which of two sidebars one is.
UNSAID = [('role="heading">', 'role="heading" aria-level="2">'),
          ('<aside class="sidebar-drawer">',
           '<aside class="sidebar-drawer" aria-label="Pages of the book">'),
          ('<aside class="toc-drawer">', '<aside class="toc-drawer" aria-label="This page">')]


def say_unsaid(html_: Path) -> None:
    """Says it in every page."""
    for path in html_.rglob("*.html"):
        text = path.read_text()
        for unsaid, said in UNSAID:
            text = text.replace(unsaid, said)
        path.write_text(text)


class Links(html.parser.HTMLParser):
    """The addresses that a page refers to, and the places it has."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.places = {""}
        self.links: list[str] = []
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.places |= {values.get("id") or "", values.get("name") or ""}
        for name in ("href", "src"):
            if values.get(name):
                self.links.append(str(values[name]))


def is_step(page_: Path, fragment: str) -> bool:
    """Whether a fragment, as in #call/22, is a step of the trace that a page plays."""
    address = re.fullmatch(r"([a-z]+)/(\d+)", fragment)
    data = re.search(r'<script type="application/json" data-role="mine">(.*?)</script>',
                     page_.read_text(), re.DOTALL)
    if not address or not data:
        return False
    return any(section["id"] == address[1] and int(address[2]) <= len(section["steps"])
               for section in json.loads(data[1])["sections"])


def broken_links(directory: Path) -> list[str]:
    """"page: link" for each link inside the book that leads nowhere, and for each
    file that would be fetched from elsewhere."""
    found = {path: Links(path) for path in sorted(directory.rglob("*.html"))}
    broken = []
    for path, links in found.items():
        for link in links.links:
            parts = urllib.parse.urlsplit(link)
            if parts.scheme or parts.netloc:
                continue  # a reader's way out; what a page loads, a browser tests
            target = path
            if parts.path:
                target = (path.parent / urllib.parse.unquote(parts.path)).resolve()
            fragment = urllib.parse.unquote(parts.fragment)
            if not target.exists() or (
                    target in found and fragment not in found[target].places
                    and not is_step(target, fragment)):
                broken.append(f"{path.relative_to(directory)}: {link}")
    return broken


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lab", type=int, choices=range(1, 6),
                        help="the students' edition of this lab's release")
    edition = Edition(parser.parse_args().lab or (None if SOLVED else LAST_LAB))
    start = time.monotonic()
    shutil.rmtree(edition.place, ignore_errors=True)
    (edition.place / "extra").mkdir(parents=True)
    (edition.place / "extra/index.html").write_text(ENTRANCE)
    if edition.lab is None:
        headers(edition)
    if SOLVED:
        traces(edition)
    pages(edition)
    bundle_theme(edition.html)
    say_unsaid(edition.html)
    epub(edition)
    broken = broken_links(edition.html)
    for line in broken:
        print(f"book: broken link: {line}", file=sys.stderr)
    count = len(list(edition.html.rglob("*.html")))
    print(f"{edition.html.relative_to(TREE)}/index.html: {count} pages in "
          f"{time.monotonic() - start:.0f} s")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
