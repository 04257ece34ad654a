"""Refuses source and assembly that read what is not the kernel's."""

from __future__ import annotations

import re
from typing import Iterator

from .error import SubmissionError

# What one file may reserve in the kernel's image, in bytes.
DATA_LIMIT = 1 << 20

STANDARD_HEADERS = ("stdint.h", "stddef.h", "stdbool.h", "stdarg.h")

# Directives that a student's asm() may use, and those the compiler writes. None
# reads a file, and none repeats what it is given.
ASM_DIRECTIVES = frozenset(
    "globl global local hidden weak type size balign p2align align byte word value "
    "short hword long int quad octa ascii asciz string set equ code64 att_syntax "
    "loc text".split())
COMPILER_DIRECTIVES = ASM_DIRECTIVES | frozenset(
    "file section data bss comm ident zero skip uleb128 sleb128 version "
    "pushsection popsection previous internal protected nops 2byte 4byte 8byte "
    "stabs base64".split())


def vet_source(name: str, text: str, headers: frozenset[str]) -> None:
    """Refuses preprocessor lines that read what is not the kernel's."""
    for line, directive in _directives(text):
        word, _, rest = directive.partition(" ")
        problem = None
        if word == "include":
            match = re.fullmatch(r'"([^"]*)"|<([^>]*)>', rest.strip())
            wanted = (match[1] or match[2] or "") if match else ""
            if wanted not in headers and wanted not in STANDARD_HEADERS:
                problem = (f"includes {rest.strip()[:80]}; only the kernel's own "
                           "headers and " + ", ".join(STANDARD_HEADERS)
                           + " may be included, by their literal names")
            elif f"kernel/{wanted}" == name:
                problem = "includes itself"
        elif word in ("include_next", "import", "embed", "line", "ident", "sccs",
                      "assert", "unassert") or word[:1].isdigit():
            problem = f"uses #{word}, which the kernel has no use for"
        elif word == "pragma" and rest.split()[:1] != ["once"]:
            problem = "uses #pragma, which the kernel has no use for"
        if problem:
            raise SubmissionError(f"{name} line {line} {problem}.", name, line)
    for forbidden in ("__has_include", "_Pragma", "__has_embed"):
        if forbidden in text.replace("\\\n", ""):
            line = text[:text.find(forbidden[:4])].count("\n") + 1
            raise SubmissionError(
                f"{name} uses {forbidden}, which the kernel has no use for.",
                name, line)


def _directives(text: str) -> Iterator[tuple[int, str]]:
    """The preprocessor's lines as (line number, "word rest"): as the compiler
    sees them, with lines joined and comments gone."""
    token = re.compile(
        r'//[^\n]*|/\*.*?(?:\*/|\Z)|"(?:\\.|[^"\\\n])*"?|\'(?:\\.|[^\'\\\n])*\'?',
        re.DOTALL)
    # A joined line keeps its newlines at its end, so that numbers stay right.
    joined = re.sub(r"(?:[^\n]*\\[ \t]*\r?\n)+[^\n]*(?:\n|\Z)", lambda match: re.sub(
        r"\\[ \t]*\r?\n", "", match[0]) + "\n" * match[0].count("\\\n"), text)

    def blank(match: re.Match[str]) -> str:
        if match[0].startswith("/"):
            return " " + "\n" * match[0].count("\n")
        return match[0]

    for number, line in enumerate(token.sub(blank, joined).split("\n"), start=1):
        match = re.match(r"\s*(?:#|%:|\?\?=)\s*(\w+)\s*(.*)", line)
        if match:
            yield number, f"{match[1]} {match[2]}"


def vet_preprocessed(name: str, text: str, headers: frozenset[str]) -> None:
    """Refuses a file whose preprocessing opened what is not the kernel's."""
    allowed = {f"kernel/{header}" for header in headers} | {
        name, "<built-in>", "<command-line>", "/usr/include/stdc-predef.h"}
    for match in re.finditer(r'^# \d+ "((?:[^"\\]|\\.)*)"', text, re.MULTILINE):
        opened = match[1]
        standard = (opened.rpartition("/")[2] in (*STANDARD_HEADERS,
                                                  "stdint-gcc.h")
                    and "/gcc" in opened and opened.startswith("/usr/"))
        if opened not in allowed and not standard:
            raise SubmissionError(
                f"{name} makes the compiler open {opened[:80]}, which is not "
                "part of the kernel.", name)


def vet_assembly(name: str, text: str) -> None:
    """Refuses assembly that reads files, repeats itself, leaves its section or
    fills the image."""
    inside = False  # between #APP and #NO_APP: what the student wrote
    line = None
    reserved = 0
    for statement in _statements(text):
        if statement in ("#APP", "#NO_APP"):
            inside = statement == "#APP"
            continue
        marker = re.match(r'# (\d+) "([^"]*)"', statement)
        if marker:
            line = int(marker[1]) or line
            continue
        while True:  # labels
            bare = re.sub(r'^(?:[\w.$]+|"[^"]*")\s*:\s*', "", statement)
            if bare == statement:
                break
            statement = bare
        match = re.match(r"\.(\w+)(.*)", statement, re.DOTALL)
        if not match:
            continue
        directive, rest = match[1].lower(), match[2]
        allowed = ASM_DIRECTIVES if inside else COMPILER_DIRECTIVES
        if directive not in allowed and not directive.startswith("cfi_"):
            raise SubmissionError(
                f"{name}{f' line {line}' if line else ''} uses the assembler's "
                f".{directive}, which a lab has no use for.", name, line)
        reserved += _reserved(directive, rest)
        if reserved > DATA_LIMIT:
            raise SubmissionError(
                f"{name} asks for {reserved:,} bytes of data; the kernel's image "
                "has no room for that.", name)


def _reserved(directive: str, rest: str) -> int:
    """The bytes that a directive reserves by a number of its own."""
    numbers = re.findall(r"(?<![\w.$])(0[xX][0-9a-fA-F]+|\d+)", rest)
    if directive in ("zero", "skip", "comm", "nops") and numbers:
        return int(numbers[0], 0)
    if directive in ("balign", "p2align", "align") and numbers:
        number = int(numbers[0], 0)
        return 1 << min(number, 64) if directive == "p2align" else number
    return 0


def _statements(text: str) -> Iterator[str]:
    """The assembler's statements; strings are kept, comments after code go."""
    pattern = re.compile(
        r'"(?:\\.|[^"\\])*"?|/\*.*?(?:\*/|\Z)|[;\n]|#[^\n]*|[^";\n#/]+|/', re.DOTALL)
    statement = ""
    for match in pattern.finditer(text):
        piece = match[0]
        if piece in (";", "\n"):
            if statement.strip():
                yield statement.strip()
            statement = ""
        elif piece.startswith("#"):
            if statement.strip():
                yield statement.strip()
                statement = ""
            yield piece.strip()
        elif piece.startswith("/*"):
            statement += " "
        else:
            statement += piece
    if statement.strip():
        yield statement.strip()
