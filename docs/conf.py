"""The book, for Sphinx: `make book`.

The sources are this tree's own files, read where they are: the chapters in
docs/ and labs/, the listings from kernel/ and user/, the API from the kernel's
headers by way of Doxygen, the table of wrong solutions from grade/known_wrong.
"""

from __future__ import annotations

import logging
import os
import posixpath
import re
import sys
import warnings
from pathlib import Path
from typing import Any

from docutils import nodes
from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx
from sphinx.builders.epub3 import Epub3Builder
from sphinx.util.docutils import SphinxDirective

TREE = Path(__file__).resolve().parents[1]
# Set by book.py: where this edition is made, and whose lab's it is.
BOOK = Path(os.environ.get("THRESHOLD_BOOK", TREE / "build/book"))
LAB = int(os.environ.get("THRESHOLD_LAB") or 0)
sys.path[:0] = [str(TREE / "grade"), str(TREE / "docs")]

# What Sphinx's next release will not do is said to those who write extensions.
warnings.filterwarnings("ignore", category=DeprecationWarning)
warnings.filterwarnings("ignore", category=PendingDeprecationWarning)

project = "Threshold"
author = "the Threshold authors"
# pylint: disable=redefined-builtin
copyright = "the Threshold authors, MIT licence"

extensions = ["myst_parser", "breathe", "directives"]
root_doc = "docs/index"
include_patterns = ["docs/*.md", "docs/chapters/*.md", "labs/*.md"]
# Nor are an exam's questions for whoever reads the book.
exclude_patterns = ["build", "labs/student", "labs/examples", "labs/teacher-exam.md"]
# What shows a solution, or is the teacher's: not in the students' edition, and neither
# are the handouts of labs to come. labs/teacher-only.txt keeps it out of releases.
NOT_FOR_STUDENTS = ["docs/start.md", "docs/tour.md", "docs/api.md",
                    "docs/from-reference.md", "docs/graders.md", "docs/traces.md",
                    "docs/alone.md", "docs/rewind.md", "labs/teacher.md",
                    "labs/teacher-term.md", "labs/teacher-security.md",
                    *(str(path.relative_to(TREE)) for path in TREE.glob("labs/?-*.md")
                      if int(path.name[0]) > LAB)] if LAB else []
# The edition for readers of EPUB plays nothing and fetches nothing: book.py says -t epub.
EPUB = tags.has("epub")  # type: ignore[name-defined]  # noqa: F821
LEFT_OUT = [*NOT_FOR_STUDENTS, *(["docs/traces.md"] if EPUB else [])]
exclude_patterns += LEFT_OUT
myst_heading_anchors = 3
myst_enable_extensions = ["deflist"]

breathe_projects = {"kernel": os.environ.get("DOXYGEN_XML", str(BOOK / "doxygen/xml"))}
breathe_default_project = "kernel"
breathe_domain_by_extension = {"h": "c"}
breathe_default_members = ("members",)

html_theme = "furo"
html_title = "Threshold"
html_static_path = ["static"]
html_css_files = ["book.css"]
html_js_files = ["book.js"]
html_show_sphinx = False
html_copy_source = False
# The recorded calls, each a page of its own that the chapters frame, and the
# page that leads from the top of the output to the book.
html_extra_path = [str(BOOK / "extra")]
version = "1"
epub_basename = "threshold"
epub_show_urls = "no"
epub_tocscope = "includehidden"
if EPUB:
    html_extra_path = []
    html_js_files = []
pygments_style = "colours.Light"
pygments_dark_style = "colours.Dark"
highlight_language = "none"
# An example with "…" in it is not quite C; it is shown without colours.
suppress_warnings = ["misc.highlighting_failure"]


class WrongSolutions(SphinxDirective):
    """Lists the known-wrong solutions of a lab, from their files' headers.

        ```{wrong-solutions} 3
        ```
    """

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        from known_wrong import entries  # pylint: disable=import-outside-toplevel

        lab = int(self.arguments[0])
        found = [entry for entry in entries.entries()
                 if entry.lab == lab and not entry.accept]
        for entry in found:
            self.env.note_dependency(str(entry.path))
        return [_table(("mistake", "the test that catches it"), [
            (entry.mistake, _test_title(entry.tests[0])) for entry in found])]


def _test_title(test: str) -> str:
    if test == "build":
        return "the compiler refuses it"
    return test.partition("::test_")[2].partition("[")[0].replace("_", " ")


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> nodes.table:
    """A table of plain words."""
    group = nodes.tgroup(cols=len(head))
    group.extend(nodes.colspec(colwidth=50) for _ in head)
    for part, lines in ((nodes.thead(), [head]), (nodes.tbody(), rows)):
        for line in lines:
            row = nodes.row()
            row.extend(nodes.entry("", nodes.paragraph(text=cell)) for cell in line)
            part += row
        group += part
    return nodes.table("", group)


# Where in a handout a recorded call is played: the heading before which it stands,
# the trace and the step, and what there is to see. All but lab 4's shows what the lab
# is to make, so it stands after the tests; lab 4 begins where lab 3's stub is done.
# Elsewhere, where handouts are read as plain Markdown, a frame would not be shown.
SHOWN = "It shows a solution: look when your own tests pass."
WATCHED = {
    "labs/1-gdt": ("Questions", "fork", "gdt/52", "The descriptors as they are written, "
                   f"in words, then LGDT, the segments and LTR. {SHOWN}"),
    "labs/2-msr": ("Questions", "fork", "msr/0", "What each WRMSR tells the CPU, and what "
                   f"SYSCALL will find there. {SHOWN}"),
    "labs/3-entry": ("Questions", "getpid", "call/0", "The registers go down the stack and "
                     f"come back from it; at the last step they are checked. {SHOWN}"),
    "labs/4-frame": ("A walk with the debugger", "getpid", "call/20", "The frame is "
                     "complete: what the accessors return a pointer to, sixteen words at "
                     "the top of the stack. Choose a value to go to its writer."),
    "labs/5-fork": ("Questions", "fork", "call/49", "The line that makes two of one: "
                    "the parent's frame and the child's side by side, and the word that "
                    f"differs. Then choose *The child*. {SHOWN}"),
}


def add_recorded_call(app: Sphinx, name: str, source: list[str]) -> None:
    """Puts the call that a handout is about where WATCHED says."""
    if name not in WATCHED or LAB or EPUB:
        return
    heading, trace, step, words = WATCHED[name]
    before, found, after = source[0].partition(f"\n## {heading}\n")
    if not found:
        raise ValueError(f"{name} has no heading {heading}")
    source[0] = f"""{before}
## Watch it

{words}

<iframe class="trace" title="A recorded call of {trace}" loading="lazy"
src="../traces/{trace}.html#{step}"></iframe>
{found}{after}"""


def leave_out(app: Sphinx, name: str, source: list[str]) -> None:
    """Takes out of a page of an edition what leads to a page that it does not have: a
    line of a table of contents; a link, but for its words."""
    for path in LEFT_OUT:
        stem = re.escape(Path(path).stem)
        source[0] = re.sub(rf"^(?:\.\./labs/)?{stem}\n", "", source[0], flags=re.MULTILINE)
        source[0] = re.sub(rf"\[([^\]]+)\]\([\w./-]*\b{stem}\.md[^)]*\)", r"\1", source[0])
    source[0] = re.sub(r"^```\{toctree\}\n(?::.*\n)*\s*```\n", "", source[0],
                       flags=re.MULTILINE)
    if name == root_doc:
        source[0] = without_signposts(source[0])


def without_signposts(front: str) -> str:
    """Takes out of the front page's table the rows that lead nowhere in this edition."""
    head, rule, rows = front.partition("| --- | --- |\n")
    return head + rule + "".join(row for row in rows.splitlines(keepends=True)
                                 if not row.startswith("| ") or "](" in row or "<a " in row)


def leave_out_links(app: Sphinx, name: str, source: list[str]) -> None:
    """Takes out of the EPUB the links that are written as HTML, but for their words:
    they lead to files that only a browser's book has."""
    source[0] = re.sub(r'<a href="\.\./[^"]*">(.*?)</a>', r"\1", source[0])
    if name == root_doc:
        source[0] = without_signposts(source[0])


def prepare_figures(app: Sphinx, tree: nodes.document) -> None:
    """Marks a figure's paragraph, so that a narrow screen can roll it. Its words may be
    wrapped in the handout: the parser drops those lines' ends, so they are read again
    from the source."""
    words = alternative_texts(Path(app.env.doc2path(app.env.docname)).read_text())
    for image in tree.findall(nodes.image):
        if isinstance(image.parent, nodes.paragraph) and len(image.parent) == 1:
            image.parent["classes"].append("figure-roll")
        name = Path(image["uri"]).name
        if name in words:
            image["alt"] = words[name]


def prepare_api(app: Sphinx, tree: nodes.document) -> None:
    """Makes of what Breathe has read what XML allows: an ID is there once, so that the
    headings above each room's functions lose the one that they have in common; and a
    paragraph holds no paragraph."""
    for paragraph in list(tree.findall(nodes.paragraph)):
        if len(paragraph) and all(isinstance(part, nodes.paragraph) for part in paragraph):
            paragraph.replace_self(paragraph.children)
    for rubric in tree.findall(nodes.rubric):
        if "breathe-sectiondef-title" in rubric["classes"]:
            rubric["ids"] = []


def prepare_checks(app: Sphinx, tree: nodes.document) -> None:
    """Begins a paragraph at each *Check:* of a handout's steps: it is what a reader looks
    for. In the handout's source it has a line of its own, which Markdown joins."""
    for mark in list(tree.findall(nodes.emphasis)):
        step = mark.parent
        if mark.astext() == "Check:" and isinstance(step.parent, nodes.list_item):
            check = nodes.paragraph("", "", *step.children[step.index(mark):],
                                    classes=["check"])
            step.children = step.children[:step.index(mark)]
            step.parent.insert(step.parent.index(step) + 1, check)


# A word of code that has a hyphen: last-write, p->rsp, -ENOSYS.
HYPHENATED = r"\w*-[\w>-]+"


def prepare_names(app: Sphinx, tree: nodes.document) -> None:
    """Says where a name may be broken: in a table on a narrow screen at its joints, and
    nowhere at a hyphen, where a browser would, in front of the > of an arrow too."""
    for name in list(tree.findall(nodes.literal)):
        joints = "|[_/]+" if isinstance(name.parent.parent, nodes.entry) else ""
        pieces = re.split(f"({HYPHENATED}{joints})", name.astext())
        name.children = []
        for piece, found in zip(pieces[::2], [*pieces[1::2], ""]):
            if "-" in found:
                name += [nodes.Text(piece), nodes.inline(text=found, classes=["whole"])]
            else:
                name += nodes.Text(piece + found)
                if found:
                    name += nodes.raw("", "<wbr/>", format="html")


def alternative_texts(markdown: str) -> dict[str, str]:
    """The words of each figure, by its file's name."""
    return {Path(file).name: " ".join(text.split()) for text, file in re.findall(
        r"!\[([^\]]*)\]\(([^)\s]+)\)", markdown)}


class Epub(Epub3Builder):
    """Sphinx's own, with a table of contents that leads to the pages though its first
    page is in a directory: their addresses are taken from there."""

    def get_refnodes(self, doctree: nodes.Node, result: list[dict[str, Any]]
                     ) -> list[dict[str, Any]]:
        here = posixpath.dirname(self.config.root_doc)
        for entry in super().get_refnodes(doctree, result):
            page, mark, place = entry["refuri"].partition("#")
            path = posixpath.normpath(posixpath.join(here, page))
            if path.removesuffix(self.out_suffix) in self.env.found_docs:
                entry["refuri"] = path + mark + place
        return result

    def get_toc(self) -> None:
        """Sphinx puts the first page's directory before each address once more."""
        super().get_toc()
        here = f"{posixpath.dirname(self.config.root_doc)}/"
        for entry in self.refnodes:
            path = entry["refuri"].removeprefix(here)
            if path.partition("#")[0].removesuffix(self.out_suffix) in self.env.found_docs:
                entry["refuri"] = path


class TwoNameSpaces(logging.Filter):
    """C keeps the names of structs apart from those of functions and variables
    (struct cpuid, cpuid()); Sphinx's C domain warns of them as duplicates."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "Duplicate C declaration" not in record.getMessage()


def setup(app: Sphinx) -> None:
    logging.getLogger("sphinx.sphinx.domains.c").addFilter(TwoNameSpaces())
    app.add_builder(Epub, override=True)
    app.connect("source-read", add_recorded_call)
    if LEFT_OUT:
        app.connect("source-read", leave_out)
    if EPUB:
        app.connect("source-read", leave_out_links)
    for prepare in (prepare_figures, prepare_api, prepare_checks, prepare_names):
        app.connect("doctree-read", prepare)
    app.add_directive("wrong-solutions", WrongSolutions)
    # What was typed and what came, as it is: no colours to get wrong.
    for name in ("gdb", "threshold"):
        app.add_lexer(name, TextLexer)
