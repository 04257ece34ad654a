"""The one place in which text becomes harmless.

Causes quote a submission's console, names are those of files that somebody handed
in: any of it may be made to be taken for something else by who reads a report.
"""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Mapping, Sequence


# What some service reads as a command, wherever it stands in a line: the colons
# of GitHub's, "##[" and "##word[" of others, and GitLab's attachments in JUnit.
COMMANDS = ((re.compile(r":(?=:)"), ": "), (re.compile(r"##(?=\w*\[)"), "## "),
            (re.compile(r"\[(?=\[\s*ATTACHMENT)", re.IGNORECASE), "[ "))


def plain(text: str) -> str:
    """Text that nobody takes for anything but text: no control characters, no
    escape sequences, no half characters, no command of a service."""
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", str(text))
    text = "".join(c if c == "\n" or c.isprintable() else
                   " " if c == "\t" else "?" for c in text)
    for pattern, instead in COMMANDS:
        text = pattern.sub(instead, text)
    return text


def xml(text: str) -> str:
    """Text with what XML cannot hold as well written as #xNN, as pytest does."""
    return re.sub("[^\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]",
                  lambda match: f"#x{ord(match[0]):02X}", plain(text))


def command_text(text: str, is_property: bool = False) -> str:
    """A workflow command's text; a property also keeps no colon and comma."""
    text = plain(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    if is_property:
        text = text.replace(":", "%3A").replace(",", "%2C")
    return text


def markdown(text: str) -> str:
    """Text in which nothing means something to Markdown or HTML."""
    text = re.sub(r"([\\`*_\[\]|~#!])", r"\\\1", plain(text).replace("\n", " "))
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def table(rows: Sequence[Sequence[str]]) -> str:
    """CSV in which no cell is taken for a formula by a spreadsheet."""
    output = io.StringIO()
    csv.writer(output, lineterminator="\n").writerows(
        [[_cell(value) for value in row] for row in rows])
    return output.getvalue()


def _cell(value: str) -> str:
    # A spreadsheet takes what begins like a formula for one.
    text = plain(value).replace("\n", " ")
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def as_json(value: object) -> str:
    """JSON whose texts may go into any log."""
    return json.dumps(_plain_in(value), indent=2) + "\n"


def _plain_in(value: object) -> object:
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, Mapping):
        return {name: _plain_in(part) for name, part in value.items()}
    if isinstance(value, Sequence):
        return [_plain_in(part) for part in value]
    return value
