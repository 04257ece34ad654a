"""command: a function here is a command of GDB's, its docstring the help."""

from __future__ import annotations

import os
import re
from typing import Callable, Iterator, Optional

import gdb

ESCAPE = re.compile(r"\033\[\d*m")  # a colour: as wide as nothing
COMMANDS: dict[str, str] = {}  # each with its help's first line


def command(name: str, repeat: bool = False,
            choices: Callable[[], list[str]] = list) -> Callable:
    """Makes a function of the argument's text a GDB command; its docstring is
    the help. Every error of GDB's becomes one sentence."""

    def register_it(function: Callable[[str], None]) -> Callable[[str], None]:
        def invoke(self: gdb.Command, argument: str, from_tty: bool) -> None:
            if not repeat:
                self.dont_repeat()
            try:
                function(argument.strip())
            except gdb.GdbError as error:
                raise gdb.GdbError(fitted(str(error))) from None
            except gdb.error as error:
                raise gdb.GdbError(fitted(f"{name}: {str(error).rstrip('.')}.")) from None

        def complete(self: gdb.Command, text: str, word: str) -> list[str]:
            return [choice for choice in choices() if choice.startswith(word)]

        COMMANDS[name] = function.__doc__.partition("\n")[0]
        text = re.sub(r"^    ", "", function.__doc__, flags=re.MULTILINE)
        type("Command", (gdb.Command,), {
            "__doc__": text, "invoke": invoke, "complete": complete,
        })(name, gdb.COMMAND_USER)
        return function

    return register_it


def say(text: str) -> None:
    """Prints lines; one that is wider than the terminal goes on below its last column."""
    gdb.write(fitted(text.rstrip()) + "\n")


def columns() -> Optional[int]:
    """Of the terminal, if there is one, and GDB breaks lines for it."""
    return gdb.parameter("width") if os.isatty(1) else None


def fitted(text: str) -> str:
    """Text that no terminal has to break in the middle of a word."""
    width = columns()
    return "\n".join(part for line in text.split("\n")
                     for part in (folded(line, width) if width else [line]))


def folded(line: str, width: int) -> Iterator[str]:
    """A line as several of at most so many columns, broken at blanks."""
    column = max((match.end() for match in re.finditer(r"(?<=\S)  +(?=\S)|^ +", line)
                  if match.end() < width // 2), default=0)
    while len(ESCAPE.sub("", line)) > width:
        place = end_of(line, width)
        if place <= column:
            break  # one word, wider than the terminal
        yield line[:place]
        line = " " * column + line[place + 1:]
    yield line


def end_of(line: str, width: int) -> int:
    """The place of the last blank at which a line fits; an arrow leads to something."""
    seen = best = place = 0
    while place < len(line) and seen <= width:
        colour = ESCAPE.match(line, place)
        if line[place] == " " and line[place - 2:place] not in ("->", "<-"):
            best = place
        seen += 0 if colour else 1
        place = colour.end() if colour else place + 1
    return best


def overview(name: str, title: str, commands: dict[str, str], end: str) -> None:
    """Makes a command that lists others, each with its line; `help` says the
    same."""
    width = max(map(len, commands)) + 1
    text = "\n".join([title, "", *(f"{command:<{width}} {line}" for command, line
                                   in commands.items()), "", end])

    def invoke(self: gdb.Command, argument: str, from_tty: bool) -> None:
        say(text)

    type("Overview", (gdb.Command,), {"__doc__": text, "invoke": invoke})(
        name, gdb.COMMAND_USER)
