"""command: a function here is a command of GDB's, its docstring the help."""

from __future__ import annotations

import re
from typing import Callable

import gdb

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
            except gdb.error as error:
                raise gdb.GdbError(f"{name}: {str(error).rstrip('.')}.") from None

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
    """Prints lines."""
    gdb.write(text.rstrip() + "\n")


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
