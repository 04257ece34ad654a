"""Numbers, and symbols in the place of numbers.

What a register held when SYSCALL was executed is a Value of its own; so is the
handler's result, and the top of the kernel stack. A Cell is what a register or a
word holds, with the instruction that put it there, and where that one took it from.
"""

from __future__ import annotations

import dataclasses
import enum
from typing import Optional

from machine.x86 import MASK


class Origin(enum.Enum):
    """What a value is a symbol of."""

    NUMBER = enum.auto()  # of nothing: it is its offset
    ENTRY = enum.auto()   # a register as SYSCALL left it
    WORD = enum.auto()    # a word of any frame
    RESULT = enum.auto()  # what syscall_handler gave
    STACK = enum.auto()   # the top of the process's kernel stack
    SLOT = enum.auto()    # what the handler left where argument 6 was
    OTHER = enum.auto()   # anything else, which its name describes


@dataclasses.dataclass(frozen=True)
class Value:
    """A symbol and a distance from it, or a number.

    bits    how many of its low bits these are, and
    signed  whether the bits above are the highest of them, or 0.
    """

    origin: Origin
    name: str = ""
    offset: int = 0
    bits: int = 64
    signed: bool = False

    @classmethod
    def number(cls, n: int) -> Value:
        return cls(Origin.NUMBER, offset=n & MASK)

    @classmethod
    def entry(cls, register: str) -> Value:
        return cls(Origin.ENTRY, register)

    @classmethod
    def word(cls, register: str) -> Value:
        return cls(Origin.WORD, register)

    @classmethod
    def other(cls, text: str) -> Value:
        return cls(Origin.OTHER, text)

    @property
    def is_number(self) -> bool:
        return self.origin is Origin.NUMBER

    def is_of(self, other: Value) -> bool:
        """Whether both are distances from one symbol: places of one memory."""
        return (self.origin, self.name) == (other.origin, other.name)

    def plus(self, distance: int) -> Value:
        if self.is_number:
            return Value.number(self.offset + distance)
        if self.bits < 64 and distance:
            return Value.other(f"{self}{distance:+}")
        return dataclasses.replace(self, offset=self.offset + distance)

    def part(self, bits: int, signed: bool = False) -> Value:
        """Its low bits alone, those above 0, or as the highest of them."""
        if self.is_number:
            low = self.offset & (1 << bits) - 1
            return Value.number(low - (1 << bits) if signed and low >> bits - 1
                                else low)
        if bits == 64:
            return self
        if bits > self.bits:
            return self if signed or not self.signed else Value.other(
                f"the low {bits} bits of {self}")
        return dataclasses.replace(self, bits=bits, signed=signed)

    def __str__(self) -> str:
        if self.is_number:
            return f"{self.offset:#x}"
        text = {
            Origin.ENTRY: ENTRY_TEXT.get(
                self.name, f"what {self.name.upper()} held at entry"),
            Origin.WORD: f"the frame's {self.name}",
            Origin.RESULT: "the handler's result",
            Origin.STACK: "the top of the kernel stack",
            Origin.SLOT: "what the handler left in argument 6's slot (which is its "
                         "own to overwrite)",
        }.get(self.origin, self.name)
        if self.offset:
            text += f" {'-' if self.offset < 0 else '+'} {abs(self.offset)}"
        if self.bits < 64:
            text = f"the low {self.bits} bits of {text}"
        if self.signed:
            text += ", sign-extended"
        return text


ENTRY_TEXT = {
    "rax": "the call's number (RAX at entry)",
    "rcx": "the user's RIP (RCX at entry)",
    "r11": "the user's RFLAGS (R11 at entry)",
    "rsp": "the user's RSP",
}
RESULT = Value(Origin.RESULT)
STACK = Value(Origin.STACK)
SLOT = Value(Origin.SLOT)


@dataclasses.dataclass(frozen=True)
class Cell:
    """What a register or a word holds.

    writer  the address of the instruction that put it there; None: it was there.
    source  the cell that this instruction copied, or None: it made the value.
    loaded  whether that cell was a word in memory.
    """

    value: Value
    writer: Optional[int] = None
    source: Optional[Cell] = None
    loaded: bool = False
