"""Who made a word of memory what it is: the last write of a recording.

QEMU says more than is true: a store beside a watched word counts for it as one to
the word, if it is not aligned. And it says less: the same memory may be written
under another address. So each hit is looked at again, and the word is compared.
"""

from __future__ import annotations

from typing import NamedTuple, Optional

from machine.code import Code, Undecodable, accesses
from machine.gdb_remote import Gdb, GdbError
from machine.symbols import NoSymbols
from machine.x86 import KERNEL_HALF, whole
from .moment import Moment
from .pushes import handlers, taken
from .timeline import Hit, Timeline

# Instructions that are searched first; then ever more, further back.
FIRST_WINDOW, GROWTH = 1 << 17, 16


class Write(NamedTuple):
    """A write to a word.

    moment   before it.
    steps    from there to it: one where an interrupt is taken in between.
    handler  where the CPU itself wrote, as it took an interrupt or an exception:
             the address to which it went.
    """

    moment: int
    steps: int = 0
    handler: Optional[int] = None


class Word(NamedTuple):
    """Some bytes, in the address space of the moment from which they are asked for."""

    address: int
    size: int
    cr3: int

    def at(self, moment: Moment) -> Optional[bytes]:
        """What is there; None where nothing is mapped."""
        return moment.gdb.peek(self.address, self.size)

    def is_seen(self, moment: Moment) -> bool:
        """Is it the same word there, or another address space's?"""
        return self.address >= KERNEL_HALF or moment.gdb.register("cr3") == self.cr3


def last_write(line: Timeline, address: int, size: int) -> Optional[Write]:
    """The last write to some bytes before the moment; None if there is none.
    GdbError where they have changed without one."""
    word = Word(address, size, line.gdb.register("cr3"))
    value, end, window = word.at(line.now), line.count(), FIRST_WINDOW
    push = taken(line.now, handlers(line.now))
    if push and push.covers(address, size):  # just now
        return Write(push.moment, 0, push.handler)
    while end > 0:
        begin = max(0, end - window)
        found, left = _in_window(line, word, begin, end)
        if left != value:
            raise GdbError("What lies there has changed since the last write to this "
                           "address: the memory has been written under another one, "
                           "as a page that the kernel fills or copies")
        if found:
            return found
        end, window = begin, window * GROWTH
    return None


def _in_window(line: Timeline, word: Word, begin: int,
               end: int) -> tuple[Optional[Write], Optional[bytes]]:
    """The last write between two moments, and what it left; where there is none,
    what was there at the first."""
    with line.moment(begin) as moment:
        first = word.at(moment)
    hits: list[Hit] = []
    left: dict[Hit, Optional[bytes]] = {}
    changed = [0]  # the hits at which the word had become another
    before = first
    for hit, moment in line.hits({f"2,{word.address:x},{word.size:x}"}, begin, end):
        if not word.is_seen(moment):
            continue
        after = left[hit] = word.at(moment)
        if after != before:
            changed.append(len(hits))
        hits.append(hit)
        before = after
    # Most often the last hit at which the word had changed is the one.
    while hits:
        start = changed.pop()
        found = _last_true(line, word, hits[start:])
        if found:
            return found[1], left[found[0]]
        hits = hits[:start]
    return None, first


def _last_true(line: Timeline, word: Word,
               hits: list[Hit]) -> Optional[tuple[Hit, Write]]:
    """The last of the hits, in order of time, that is a write to the word."""
    found: Optional[tuple[Hit, Write]] = None
    with line.moment(hits[0].moment) as moment:
        for hit in hits:
            write = (_by_cpu(line, hit) if hit.handler
                     else _by_instruction(moment, hit.moment, word))
            found = (hit, write) if write else found
    return found


def _by_cpu(line: Timeline, hit: Hit) -> Write:
    """The CPU's write. Where it slept, no step stops between HLT and the handler."""
    with line.moment(hit.moment) as moment:
        slept = moment.is_at(hit.moment, hit.handler)
    return Write(hit.moment - slept, 0, hit.handler)


def _by_instruction(moment: Moment, count: int, word: Word) -> Optional[Write]:
    """The write of the instruction that is counted there, if it is one. The replay
    goes on to it."""
    moment.run_to(count)
    while True:
        before, steps = word.at(moment), moment.steps
        covered = writes_to(moment.gdb, word.address, word.size)
        moment.step()
        if moment.count() > count:
            is_written = covered or word.at(moment) != before
            return Write(count, steps) if is_written else None


def writes_to(gdb: Gdb, address: int, size: int) -> bool:
    """Does the instruction that comes next write to any of these bytes?"""
    registers = gdb.registers()
    try:
        instruction = Code(NoSymbols(), gdb.peek).decode(registers["rip"])
    except Undecodable:
        return False
    return any(start < address + size and address < start + length
               for start, length in accesses(instruction, registers)[1])


# ---- registers ---------------------------------------------------------------

def last_change(line: Timeline, register: str, limit: int) -> Optional[Write]:
    """The last step that wrote a register before the moment, at most `limit`
    instructions back; None if none did. As with memory, a register that is written
    with what it holds has been written."""
    now, window = line.count(), 256
    end = now
    while end > 0 and now - end < limit:
        begin = max(0, end - window, now - limit)
        with line.moment(begin) as moment:
            found = _last_step(moment, register, end)
        if found is not None:
            return found
        end, window = begin, window * 4
    return None


def _last_step(moment: Moment, register: str, end: int) -> Optional[Write]:
    found, writers = None, {}  # by address: does the instruction write it?
    value, count = moment.gdb.register(register), moment.count()
    while count < end:
        rip, steps = moment.gdb.register("rip"), moment.steps
        if rip not in writers:
            writers[rip] = writes_register(moment.gdb, rip, register)
        moment.step()
        was, value = value, moment.gdb.register(register)
        if value != was or writers[rip] and moment.steps == 0:
            found = Write(count, steps)
        count = moment.count()
    return found


def writes_register(gdb: Gdb, address: int, register: str) -> bool:
    """Does the instruction at an address write to a general register, whole or in
    part?"""
    try:
        instruction = Code(NoSymbols(), gdb.peek).decode(address)
    except Undecodable:
        return False
    return any(_is_part(instruction.reg_name(number), register)
               for number in instruction.regs_access()[1])


def _is_part(name: str, register: str) -> bool:
    try:
        return whole(name)[0] == register
    except KeyError:  # no general register
        return False
