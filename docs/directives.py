"""What the book's chapters are made with, besides Markdown:

    ```{listing} kernel/switch.c switch_to          a function, by its name
    ```{play} fork call/49                          a recorded call, at its step, or
                                                    at a function, as call/sys_fork
    ~~~{exercise} How long is `struct context`?     a question with a checked answer
    :answer: size_of("context")                     answers.py has the words for it
    An explanation, shown when it is asked for.
    ~~~
    ```{chapters}                                   a table of what each chapter has
    ```

The last has tildes, as a line that begins with backquotes may hold no more of them.
"""

from __future__ import annotations

import html
from pathlib import Path
from typing import Optional

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import answers
import contents
import listings

TREE = Path(__file__).resolve().parents[1]
# The files that a lab is done in: what they hold is a solution.
SOLUTIONS = {"kernel/gdt.c": 1, "kernel/msr.c": 2, "kernel/syscall_entry.c": 3,
             "kernel/frame.c": 4, "kernel/fork.c": 5}
LANGUAGES = {".c": "c", ".h": "c", ".S": "none", ".py": "python"}


class Listing(SphinxDirective):
    """A definition out of the source, as it stands there."""

    required_arguments = 2
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        name, what = self.arguments
        path = TREE / name
        self.env.note_dependency(str(path))
        caption = nodes.paragraph("", "", nodes.literal(text=name),
                                  classes=["listing-from"])
        if self.env.app.tags.has("students") and name in SOLUTIONS:
            text = f"{what} is yours, in lab {SOLUTIONS[name]}."
            return [nodes.paragraph("", "", nodes.emphasis(text=text))]
        try:
            text = listings.piece(path, what)
        except listings.NoSuchPiece as error:
            raise self.error(str(error)) from None
        text = text.expandtabs(8).rstrip()
        return [caption, nodes.literal_block(text, text,
                                             language=LANGUAGES.get(path.suffix, "none"))]


def frame(trace: str, step: str, up: str) -> nodes.raw:
    """A recorded call in the page, with the player around it."""
    return nodes.raw("", f'<iframe class="trace" loading="lazy" title="A recorded call: '
                     f'{html.escape(trace)}" src="{up}traces/{trace}.html#{step}">'
                     "</iframe>\n", format="html")


class Play(SphinxDirective):
    """A recorded call, at a step: the trace's name, then part/step or part/function."""

    required_arguments = 2
    has_content = True

    def run(self) -> list[nodes.Node]:
        trace, step = self.arguments
        up = "../" * self.env.docname.count("/")
        if self.env.app.tags.has("students") or self.env.app.tags.has("epub"):
            return []
        part, _, what = step.partition("/")
        try:
            step = f"{part}/{answers.place(trace, part, what)}"
        except ValueError as error:
            raise self.error(str(error)) from None
        link = nodes.raw("", f'<p class="alone"><a href="{up}traces/{trace}.html#{step}">'
                         "On a page of its own</a></p>", format="html")
        return [*self.parse_text(), frame(trace, step, up), link]

    def parse_text(self) -> list[nodes.Node]:
        box = nodes.container()
        self.state.nested_parse(self.content, self.content_offset, box)
        return list(box.children)


class Exercise(SphinxDirective):
    """A question; what the reader types is compared in the page. The answer is an
    expression, :answer:, or, where it is a word, :word:, several of them with | between."""

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True
    option_spec = {"answer": directives.unchanged_required,
                   "word": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        right = self.options.get("word") or self.computed()
        if right is None:
            return [self.open_question()]
        box = nodes.container(classes=["exercise"])
        question = nodes.container(classes=["question"])
        self.state.nested_parse([self.arguments[0]], self.content_offset, question)
        if self.env.app.tags.has("epub"):
            return [self.printed(question, right)]
        number = self.env.new_serialno("exercise") + 1
        label = f"exercise-{number}"
        box += [question, nodes.raw("", (
            f'<form class="answer" data-answer="{html.escape(right)}"><label for="{label}">'
            f'Answer</label> <input id="{label}" autocomplete="off" spellcheck="false"> '
            '<button>Check</button> <output></output></form>'), format="html")]
        if self.content:
            why = nodes.container(classes=["why"])
            self.state.nested_parse(self.content, self.content_offset, why)
            box += [nodes.raw("", "<details><summary>Why</summary>", format="html"), why,
                    nodes.raw("", "</details>", format="html")]
        return [box]

    def printed(self, question: nodes.Node, right: str) -> nodes.Node:
        """As a page shows it that cannot compare: with the answer, and why."""
        box = nodes.container("", question, classes=["exercise"])
        answer = nodes.emphasis(text=f"Answer: {right.replace('|', ', or ')}.")
        box += nodes.paragraph("", "", answer)
        self.state.nested_parse(self.content, self.content_offset, box)
        return box

    def open_question(self) -> nodes.Node:
        """A question that this tree cannot answer."""
        box = nodes.container(classes=["exercise"])
        self.state.nested_parse([self.arguments[0], "", "*Record the call with `make trace` "
                                 "when your kernel makes it, and count.*"],
                                self.content_offset, box)
        return box

    def computed(self) -> Optional[str]:
        """What the expression gives: a number out of the kernel or a recording; None if
        there is no recording, as in a student's tree."""
        expression = self.options.get("answer", "")
        try:
            return answers.answer(expression)
        except answers.NoRecording:
            return None
        except Exception as error:  # whatever an expression may raise, it is a bad one
            raise self.error(f"no answer: {expression}: {error}") from error


class Chapters(SphinxDirective):
    """A row for each chapter: its programs, its recorded calls, its exercises."""

    def run(self) -> list[nodes.Node]:
        for path in contents.chapters():
            self.env.note_dependency(str(path))
        box = nodes.container()
        self.state.nested_parse(self.lines(), self.content_offset, box)
        return list(box.children)

    def lines(self) -> list[str]:
        """The table in Markdown. Where no call can be played, none is named."""
        tags = self.env.app.tags
        plays = not (tags.has("students") or tags.has("epub"))
        lines = [f"| chapter | runs |{' plays |' * plays} exercises |",
                 f"| --- | --- |{' --- |' * plays} --- |"]
        for number, path in enumerate(contents.chapters(), start=1):
            found = contents.contents(path)
            row = [f"{number}. [{found.title}](chapters/{path.name})",
                   ", ".join(f"`{name}`" for name in found.programs)]
            if plays:
                row.append(", ".join(f"`{name}`" for name in found.traces))
            lines.append(f"| {' | '.join([*row, str(found.exercises)])} |")
        return lines


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("listing", Listing)
    app.add_directive("play", Play)
    app.add_directive("exercise", Exercise)
    app.add_directive("chapters", Chapters)
    return {"parallel_read_safe": True}
