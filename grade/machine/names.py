"""Names, lines and layouts of a kernel that has somebody else's object in it.

What belongs to other rooms is read from files without the submission: names and
lines from the same link without the student's own (names.elf beside the kernel),
layouts from the trusted kernel. The student's object is asked only for what nobody
else knows: its own lines and functions, for the story, and lab 4's struct.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Mapping, Optional

from .kernel import Kernel
from .qemu import KERNEL
from .symbols import Field, Structure, Symbols

# The layouts of the trusted kernel, beside it: to find them in its debug information
# takes longer than all that is asked of a submission's.
LAYOUTS = KERNEL.with_name("layouts.json")


def of_kernel(path: Path) -> Kernel:
    """The symbols of a kernel, trusted ones where it has such beside it."""
    names = path.with_name("names.elf")
    return Names(path, names, LAYOUTS) if names.exists() else Kernel(path)


def keep_layouts(kernel: Path, path: Path) -> None:
    """Writes down how a kernel's structs and enums are laid out."""
    symbols = Symbols(kernel)
    path.write_text(json.dumps({
        "structures": {name: [found.size, {
            member: [field.offset, field.size]
            for member, field in found.fields.items()}]
            for name, found in symbols.structures().items()},
        "enumerations": {name: list(found.items())
                         for name, found in symbols.enumerations().items()}}))


class Names(Kernel):
    """As Kernel; `elf` is the kernel that runs."""

    def __init__(self, kernel: Path, names: Path, layouts: Path) -> None:
        super().__init__(names)
        self._others = Symbols(names)
        self._own = Symbols(kernel)
        self._layouts = json.loads(layouts.read_text())
        self.elf, self._file = self._own.elf, self._own._file

    def name_at(self, address: int) -> str:
        function = self._others.function_at(address)
        if function is not None and address in self._others.range(function):
            return self._others.name_at(address)
        return self._own.name_at(address)

    def line_at(self, address: int) -> Optional[str]:
        return self._others.line_at(address) or self._own_line("line_at", address)

    def line_of(self, name: str) -> Optional[str]:
        self.address(name)
        return self._others.line_of(name) or self._own_line("line_of", name)

    def _own_line(self, method: str, argument: object) -> Optional[str]:
        """What the student's own debug information says, if it can be read."""
        try:
            line = getattr(self._own, method)(argument)
            return str(line) if line is not None else None
        except Exception:  # pylint: disable=broad-except
            return None

    def structure(self, name: str, seen_by: Optional[str] = None) -> Structure:
        if seen_by is None:
            size, fields = self._layouts["structures"][name]
            return Structure(size, {member: Field(*place)
                                    for member, place in fields.items()})
        try:
            return self._own.structure(name, seen_by)
        except Exception:  # pylint: disable=broad-except
            raise KeyError(name) from None

    def enumeration(self, name: str) -> Mapping[int, str]:
        return dict(self._layouts["enumerations"][name])
