"""What the compiler, the assembler or the linker says, as a sentence."""

from __future__ import annotations

import re
from pathlib import Path

from .error import SubmissionError

# What they may say, in characters.
MESSAGE_LIMIT = 300
# What a file of the student's has to define for another of them.
LABELS = {"syscall_exit": "kernel/syscall_entry.c"}


def first_error(text: str) -> SubmissionError:
    """The first error of the compiler, assembler or linker as a sentence."""
    match = re.search(r"^([\w./-]+):(\d+)(?::\d+)?: (?:[Ff]atal )?[Ee]rror: (.*)$", text,
                      re.MULTILINE)
    if match:
        file, line, message = match[1], int(match[2]), match[3]
        return SubmissionError(
            f"{file} line {line} does not compile: {_plain(message)}", file, line)
    # clang is its own assembler. Its line of a text that a macro or another file made
    # is nobody's: <inline asm>:4:1:
    match = re.search(r"^<[\w ]+>:\d+(?::\d+)?: (?:fatal )?error: (.*)$", text,
                      re.MULTILINE)
    if match:
        return SubmissionError("The kernel does not build: the assembler says: "
                               f"{_plain(match[1])}")
    # A tool that gives up as a whole, as for a file that it cannot open, names no line;
    # "compilation terminated" comes after it.
    match = re.search(r"^(\S*(?:cc1|gcc|clang|as)): (?:fatal )?error: (.*)$", text,
                      re.MULTILINE)
    if match:
        return SubmissionError(
            f"The kernel does not build: {Path(match[1]).name} says: {_plain(match[2])}")
    # GNU ld says file:line: or, since 2.44, file:line:(section+offset):
    match = re.search(r"^(?:\S*ld: )?([\w./-]+):(\d+):(?:\([^)]*\):)? "
                      r"(undefined reference to .*|multiple definition of .*)$", text,
                      re.MULTILINE)
    if match:
        file, line, message = match[1], int(match[2]), match[3]
        file = file[file.find("kernel/"):] if "kernel/" in file else file
        sentence = f"{file} line {line} does not link: {_plain(message)}"
        for label, home in LABELS.items():
            if "undefined" in message and re.search(rf"\W{label}\b", message):
                return SubmissionError(f"{sentence} {label} is a label of {home}: it has "
                                       "to be there, and global (.globl)", home)
        return SubmissionError(sentence, file, line)
    match = re.search(r"undefined reference to .*|multiple definition of .*|"
                      r"^\S*ld: .*$", text, re.MULTILINE)
    if match:
        file_match = re.search(r"kernel/[\w.]+?\.[chS](?=\.o|:)", text)
        file_name = file_match[0] if file_match else None
        return SubmissionError(f"The kernel does not link: {_plain(match[0])}",
                               file_name)
    last = [line for line in text.splitlines() if line.strip()][-1:] or ["no message"]
    return SubmissionError(f"The kernel does not build: {_plain(last[0])}")


def _plain(message: str) -> str:
    """A message without what makes no sense to a student, and not too long."""
    message = re.sub(r"\s*\[-W[^\]]*\]$", "", message.strip())
    message = re.sub(r"`([^`']*)'", r"'\1'", message)
    message = re.sub(r"/\S*/\w+\.s:(?:\d+:)?\s*(?:Error:\s*)?", "the assembler says: ",
                     message)
    message = "".join(c if c.isprintable() else "?" for c in message)
    return message[:MESSAGE_LIMIT] + ("…" if len(message) > MESSAGE_LIMIT else ".")
