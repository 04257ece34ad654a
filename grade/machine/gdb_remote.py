"""A client for the GDB remote protocol, which QEMU's stub speaks.

It asks the machine directly: no gdb process, and a step with all registers
costs a fraction of a millisecond. Numbers are Python integers; addresses are
virtual ones of the current page tables unless said otherwise. The machine is
stopped while anything is asked; `cont` and `step` let it run.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import re
import socket
import time
import xml.etree.ElementTree as ElementTree
from typing import Callable, Iterable, Iterator, Mapping, Optional, Union

from . import deadlines
from .x86 import KERNEL_CS, KERNEL_DS, RDMSR, RF

SIGINT = 2
SIGTRAP = 5

# How often a machine that runs is looked at, in seconds.
WATCH_INTERVAL = 0.25

# How much longer a place may be come by, on conditions that do not hold, than one
# stop is waited for.
VISITS = 4

# How much memory is read or written at a time, in bytes: two digits for each, and
# QEMU says nothing to a packet of more than 4096 characters.
MEMORY_IN_A_PACKET = 1024

# How requests begin that leave every register as it is; but a line for the monitor
# may do anything.
LOOKS, MONITOR = ("g", "p", "m", "M", "Z", "z", "q", "Q", "?"), "qRcmd,"
# How often a step is taken that came back with nothing done.
STEP_TRIES = 16


# Where to stop, and on what condition; None: on none.
Places = Mapping[int, Optional[Callable[[], bool]]]


class GdbError(Exception):
    """The stub refused a request, as for memory that is not mapped."""


class GdbTimeout(GdbError):
    """The machine did not stop, or the stub did not answer, in time."""


class StoppedElsewhere(GdbError):
    """The machine stopped where nobody waited for it: `stop` says why, and `rip`
    where."""

    def __init__(self, stop: Stop, rip: int) -> None:
        super().__init__(f"the machine stopped at {rip:#x} (signal {stop.signal})")
        self.stop, self.rip = stop, rip


class MachineGone(GdbError):
    """QEMU ended; `status` is its exit status where it told one."""

    def __init__(self, status: Optional[int] = None) -> None:
        super().__init__(f"QEMU ended (status {status})")
        self.status = status


@dataclasses.dataclass(frozen=True)
class Register:
    """Where a register stands: its number, and its place in the `g` packet."""

    number: int
    offset: int  # bytes
    size: int  # bytes


@dataclasses.dataclass(frozen=True)
class Stop:
    """Why the machine stopped: a signal, and for a watchpoint its address."""

    signal: int
    watch: Optional[int] = None


def _promised(name: str, data: bytes) -> int:
    """A register's value as the architecture promises it."""
    value = int.from_bytes(data, "little")
    return value & ~RF if name == "eflags" else value


def _exchange(value: int) -> int:
    """128 bits, their halves in each other's place."""
    return value >> 64 | (value & (1 << 64) - 1) << 64


def _raise_if_ended(answer: str) -> None:
    """QEMU says W and its status when it ends, or X and a signal; some releases
    say nothing."""
    ended = re.match(r"[WX]([0-9a-f]{2})", answer)
    if ended:
        raise MachineGone(int(ended[1], 16))


class Gdb:
    """One connection. Connecting stops the machine; closing lets it run."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._socket.settimeout(deadlines.answer())
        self._buffer = b""
        self._ack = True
        self._owed = b""
        # All registers as they are, once somebody has asked.
        self._seen: Optional[str] = None
        # Breakpoints of run_to that are still there, and nobody's.
        self._left: set[int] = set()
        # How long the machine may run until it stops, in seconds, unless said.
        self.patience: float = deadlines.run()
        # Told when such a wait begins, and asked at times while it lasts: more
        # seconds to give it, 0 to go on as it is, or less to give up.
        self.on_begin: Callable[[float], None] = lambda seconds: None
        self.on_wait: Optional[Callable[[], float]] = None
        # A machine that ran says first that it has stopped: see ask().
        supported = self.ask("qSupported:multiprocess+;vContSupported+")
        if "QStartNoAckMode+" in supported:
            self.ask("QStartNoAckMode")
            self._ack = False
        self.layout = self._read_layout()
        self.ask("?")

    def close(self) -> None:
        """Ends the connection; a machine that still runs goes on by itself."""
        with contextlib.suppress(GdbError, OSError):
            self._take_away_left()
        self._socket.close()

    # ---- registers ----------------------------------------------------------

    def registers(self) -> dict[str, int]:
        """Every register by its name in the target description; RFLAGS without RF."""
        data = bytes.fromhex(self._all().replace("x", "0"))
        return {
            name: _promised(name, data[r.offset:r.offset + r.size])
            for name, r in self.layout.items()
            if r.offset + r.size <= len(data)
        }

    def register(self, name: str) -> int:
        """One register, as registers() has it; KeyError for a name the machine does
        not have."""
        place = self.layout[name]
        told = self._all()[2 * place.offset:2 * (place.offset + place.size)]
        if len(told) < 2 * place.size or "x" in told:
            told = self._checked(self.ask(f"p{place.number:x}"))
        return _promised(name, bytes.fromhex(told))

    def _all(self) -> str:
        """The packet with every register. Between two runs it is asked for once: most
        of what a packet costs is waking QEMU."""
        if self._seen is None:
            self._seen = self._checked(self.ask("g"))
        return self._seen

    def set_register(self, name: str, value: int) -> None:
        """Writes one register; a selector also loads its descriptor."""
        self.set_registers({name: value})

    def set_registers(self, values: Mapping[str, int]) -> None:
        """Writes registers, one after the other. All are sent before the first is
        answered, so that QEMU is woken once: it takes the next packet for a "+"."""
        requests = []
        for name, value in values.items():
            place = self.layout[name]
            data = (value & ((1 << 8 * place.size) - 1)).to_bytes(place.size, "little")
            requests.append(f"P{place.number:x}={data.hex()}")
        self._send(*requests)
        for answer in [self._answer() for _ in requests]:
            self._checked(answer)

    def xmm(self, told: int) -> int:
        """The value of an XMM register for what registers() has told of it."""
        return _exchange(told) if self._exchanges_halves else told

    @functools.cached_property
    def _exchanges_halves(self) -> bool:
        """Does QEMU tell the halves of an XMM register in each other's place, as 5.0
        to 7.0 do? It takes them as they are, so a number that is written tells."""
        before = self.register("xmm0")
        self.set_register("xmm0", 1)
        exchanged = self.register("xmm0") != 1
        self.set_register("xmm0", _exchange(before) if exchanged else before)
        return exchanged

    def in_ring_3(self) -> bool:
        return self.register("cs") & 3 == 3

    # ---- memory -------------------------------------------------------------

    def read(self, address: int, size: int) -> bytes:
        """Memory at an address; GdbError where it is not mapped."""
        data = b""
        while len(data) < size:
            part = min(size - len(data), MEMORY_IN_A_PACKET)
            answer = self.ask(f"m{address + len(data):x},{part:x}")
            data += bytes.fromhex(self._checked(answer))
        return data

    def peek(self, address: int, size: int) -> Optional[bytes]:
        """Memory at an address; None where any of it is not mapped."""
        try:
            return self.read(address, size)
        except (GdbTimeout, MachineGone):
            raise
        except GdbError:
            return None

    def read_u64(self, address: int) -> int:
        return int.from_bytes(self.read(address, 8), "little")

    def read_string(self, address: int, limit: int = 256) -> str:
        """Text up to its zero byte, at most `limit` bytes of it."""
        text = b""
        while len(text) < limit and b"\0" not in text:
            text += self.read(address + len(text), 16)
        return text.partition(b"\0")[0].decode(errors="replace")

    def write(self, address: int, data: bytes) -> None:
        """Writes memory, also where the page tables forbid it to the CPU."""
        for start in range(0, len(data), MEMORY_IN_A_PACKET):
            part = data[start:start + MEMORY_IN_A_PACKET]
            self._checked(self.ask(
                f"M{address + start:x},{len(part):x}:{part.hex()}"))

    def physical(self, on: bool) -> None:
        """Makes addresses physical ones (or virtual again)."""
        self._checked(self.ask(f"Qqemu.PhyMemMode:{int(on)}"))

    def read_physical(self, address: int, size: int) -> bytes:
        self.physical(True)
        try:
            return self.read(address, size)
        finally:
            self.physical(False)

    def is_mapped(self, address: int) -> bool:
        return self.peek(address, 1) is not None

    # ---- running ------------------------------------------------------------

    def insert_breakpoint(self, address: int) -> None:
        """Stops before the instruction there, in every address space; it may be
        set before anything is mapped."""
        if address in self._left:
            self._left.remove(address)
        else:
            self._checked(self.ask(f"Z1,{address:x},1"))

    def remove_breakpoint(self, address: int) -> None:
        self._checked(self.ask(f"z1,{address:x},1"))

    def insert_watchpoint(self, address: int, size: int = 8) -> None:
        """Stops after a write to these bytes."""
        self._checked(self.ask(f"Z2,{address:x},{size:x}"))

    def remove_watchpoint(self, address: int, size: int = 8) -> None:
        self._checked(self.ask(f"z2,{address:x},{size:x}"))

    def step(self) -> Stop:
        """Runs one instruction; no interrupt is taken during it.

        About one `s` in 2,400 comes back from QEMU 7.2 with nothing done: the
        time went to its interrupt controller. Not a register differs then, and
        the step is taken again. (A jump to itself, which differs in none
        either, is only taken some times too often.)
        """
        before = self._all()
        for _ in range(STEP_TRIES):
            self._send("s")
            stop = self._stop(deadlines.answer())
            if stop.signal != SIGTRAP or self._all() != before:
                break
        return stop

    def resume(self) -> None:
        """Lets the machine run on and returns at once; `wait` or `interrupt`
        take it up again."""
        self._take_away_left()
        self._send("c")

    def wait(self, deadline: Optional[float] = None) -> Stop:
        """Waits for the stop, `deadline` seconds at most (GdbTimeout)."""
        seconds = deadline or self.patience
        self.on_begin(seconds)
        stop = self._stop(seconds)
        self.must_be_there()
        return stop

    def must_be_there(self) -> None:
        """Raises MachineGone unless QEMU answers: only then was a stop one. Until
        9.0, the write that ends the machine ended QEMU at once. Since then it asks
        QEMU's main loop to: the CPU runs on for a while and may stop once more, but
        QEMU leaves before it reads another packet. (What is asked does not matter,
        and the registers are mostly what comes next.)"""
        self._all()

    def cont(self, deadline: Optional[float] = None) -> Stop:
        """Runs to the next breakpoint or watchpoint."""
        self.resume()
        return self.wait(deadline)

    def interrupt(self) -> Stop:
        """Stops the running machine wherever it is."""
        self._write(b"\x03")
        return self._stop(deadlines.answer())

    def run_to(self, places: Union[int, Places], patience: Optional[float] = None,
               watch: Optional[Callable[[Stop], object]] = None) -> int:
        """Runs until the instruction at one of these places is next and its
        condition holds; gives the place.

            gdb.run_to(handler)
            gdb.run_to({back: None, entry: lambda: gdb.register("rax") == 57})

        places    an address, or a condition for each address: a function that is
                  asked when the machine stands there, or None where every visit
                  counts. One that says no lets the machine go on; it may have
                  stepped or changed the machine itself, or raise to end it all.
        patience  seconds from one stop to the next, self.patience unless said. A
                  machine that comes by again and again, but never as the conditions
                  want it, is given VISITS times as many.
        watch     told of each watchpoint that was hit on the way; without it, such
                  a stop is one elsewhere.

        A place where the machine stands now counts when it comes there again. The
        places' breakpoints are gone afterwards, however it ends: with GdbTimeout,
        and the machine stopped where it happened to be; MachineGone;
        StoppedElsewhere, as at a breakpoint of the caller's own or when the machine
        was reset; or with what a condition has raised.
        """
        wanted: Places = {places: None} if isinstance(places, int) else places
        seconds = self.patience if patience is None else patience
        until = time.monotonic() + VISITS * seconds
        with self._breakpoints_at(wanted):
            while True:
                stepped = self.register("rip") in wanted  # off its breakpoint
                stop = self.step() if stepped else self._cont_or_stop(seconds)
                if stop.watch is not None and watch is not None:
                    watch(stop)
                    continue
                rip = self.register("rip")
                if rip in wanted:
                    holds = wanted[rip]
                    if holds is None or holds():
                        return rip
                    if time.monotonic() > until:
                        raise GdbTimeout("the machine comes by, but never as waited for")
                elif not stepped or stop != Stop(SIGTRAP):
                    raise StoppedElsewhere(stop, rip)

    def _cont_or_stop(self, seconds: float) -> Stop:
        """As cont(), but a machine that does not stop by itself is stopped before
        GdbTimeout: one that runs would not hear what follows."""
        try:
            return self.cont(seconds)
        except GdbTimeout:
            with contextlib.suppress(GdbError):
                self.interrupt()
            raise

    @contextlib.contextmanager
    def _breakpoints_at(self, places: Iterable[int]) -> Iterator[None]:
        """Breakpoints there, while a `with` lasts. QEMU translates anew what a
        breakpoint was set or taken away in, and who runs to a place mostly comes to
        it again: so they are taken away only when the machine runs on without."""
        for place in places:
            self.insert_breakpoint(place)
        try:
            yield
        finally:
            self._left.update(places)

    def _take_away_left(self) -> None:
        while self._left:
            self.remove_breakpoint(self._left.pop())

    def step_until(
        self, done: Callable[[dict[str, int]], bool], limit: int = 100_000
    ) -> int:
        """Steps until `done(registers)` holds; gives the number of steps."""
        for count in range(1, limit + 1):
            self.step()
            if done(self.registers()):
                return count
        raise GdbTimeout(f"{limit} steps did not reach the place")

    def rdmsr(self, msr: int, scratch: int) -> int:
        """A model-specific register, which no packet reads.

        `scratch` is the address of two bytes of kernel code: for one step they
        hold RDMSR, and the CPU runs it in ring 0; then all is put back.
        """
        names = ("rip", "rax", "rcx", "rdx")
        saved = {name: self.register(name) for name in names}
        selectors = {name: self.register(name) for name in ("ss", "cs")}
        code = self.read(scratch, len(RDMSR))
        ring_3 = selectors["cs"] & 3 == 3
        if ring_3:
            self.set_register("ss", KERNEL_DS)
            self.set_register("cs", KERNEL_CS)
        try:
            self.write(scratch, RDMSR)
            self.set_register("rcx", msr)
            self.set_register("rip", scratch)
            self.step()
            if self.register("rip") != scratch + len(RDMSR):
                raise GdbError(f"RDMSR of {msr:#x} faulted")
            low, high = self.register("rax"), self.register("rdx")
            return (high & 0xFFFFFFFF) << 32 | low & 0xFFFFFFFF
        finally:
            self.write(scratch, code)
            if ring_3:
                self.set_register("cs", selectors["cs"])
                self.set_register("ss", selectors["ss"])
            self.set_registers(saved)

    # ---- packets ------------------------------------------------------------

    def ask(self, request: str) -> str:
        """Sends one packet and gives the answer."""
        self._send(request)
        return self._answer(of_a_stop=request == "?")

    def _answer(self, of_a_stop: bool = False) -> str:
        until = time.monotonic() + deadlines.answer()
        answer = self._receive(until)
        # What stops for being connected to tells so unasked.
        while not of_a_stop and re.match(r"T[0-9a-f]{2}", answer):
            answer = self._receive(until)
        _raise_if_ended(answer)
        return answer

    def monitor(self, line: str) -> str:
        """The answer of QEMU's monitor, through the debugger's connection."""
        self._send(MONITOR + line.encode().hex())
        text = ""
        while True:
            answer = self._receive(time.monotonic() + deadlines.answer())
            if answer == "OK":
                return text
            if not answer.startswith("O"):
                raise GdbError(f"monitor {line}: {answer}")
            text += bytes.fromhex(answer[1:]).decode(errors="replace")

    def _read_layout(self) -> dict[str, Register]:
        """The registers as the target description lists them: numbers and
        places in the `g` packet follow its order."""
        layout: dict[str, Register] = {}
        number = offset = 0
        # The top file is no well-formed XML: its xi: prefix is never declared.
        for name in re.findall(r'href="([^"]*)"', self._transfer("target.xml")):
            feature = ElementTree.fromstring(self._transfer(name))
            for register in feature.iter("reg"):
                number = int(register.get("regnum", number))
                size = int(register.attrib["bitsize"]) // 8
                layout[register.attrib["name"]] = Register(number, offset, size)
                number += 1
                offset += size
        return layout

    def _transfer(self, name: str) -> str:
        """A file of the target description; its text comes in pieces."""
        text = ""
        while True:
            answer = self.ask(f"qXfer:features:read:{name}:{len(text):x},ffb")
            text += answer[1:]
            if answer[:1] != "m":
                return text

    def _stop(self, seconds: float) -> Stop:
        answer = self._receive(time.monotonic() + seconds)
        _raise_if_ended(answer)
        if answer[:1] not in "ST":
            raise GdbError(f"an answer that is no stop: {answer!r}")
        watch = re.search(r"watch:([0-9a-f]+)", answer)
        return Stop(int(answer[1:3], 16), int(watch[1], 16) if watch else None)

    @staticmethod
    def _checked(answer: str) -> str:
        if re.fullmatch(r"E[0-9a-fA-F]{2}", answer):
            raise GdbError(f"the stub answers {answer}")
        return answer

    def _send(self, *requests: str) -> None:
        packets = b""
        for request in requests:
            if not request.startswith(LOOKS) or request.startswith(MONITOR):
                self._seen = None
            data = request.encode()
            packets += b"$%s#%02x" % (data, sum(data) & 0xFF)
        self._write(packets)

    def _write(self, data: bytes) -> None:
        """Sends, after what is owed for the last answer: QEMU, which would be woken
        by a lone "+", needs it no sooner."""
        data, self._owed = self._owed + data, b""
        try:
            self._socket.sendall(data)
        except OSError:  # QEMU has ended: the pipe is broken
            raise MachineGone() from None

    def _receive(self, until: float) -> str:
        while True:
            packet = re.search(rb"\$([^#]*)#..", self._buffer, re.DOTALL)
            if packet:
                self._buffer = self._buffer[packet.end():]
                self._owed = b"+" if self._ack else b""
                return _unescape(packet[1]).decode("latin-1")
            remaining = until - time.monotonic()
            if remaining <= 0:
                raise GdbTimeout("no answer from the machine before the deadline")
            self._socket.settimeout(min(remaining, WATCH_INTERVAL))
            try:
                data = self._socket.recv(65536)
            except socket.timeout:
                if self.on_wait is not None:
                    until += self.on_wait()
                continue
            except OSError:
                data = b""
            if not data:
                raise MachineGone()
            self._buffer += data


def _unescape(data: bytes) -> bytes:
    """Undoes the protocol's escapes: } before a byte with bit 5 turned over."""
    return re.sub(
        rb"\}(.)", lambda match: bytes([match[1][0] ^ 0x20]), data, flags=re.DOTALL
    )
