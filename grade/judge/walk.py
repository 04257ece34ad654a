"""One call, recorded instruction by instruction from SYSCALL to ring 3.

A walk judges nothing. It tells what ran, what the handler found and what ring 3 found;
proof/ has the rules, for it as for a stub that is followed without a machine.
"""

from __future__ import annotations

from typing import Optional

from machine.code import Code, Undecodable, accesses
from machine.gdb_remote import GdbError, GdbTimeout, MachineGone
from machine.x86 import DF, FLAGS_BASE, HAS_ERROR_CODE, DOUBLE_FAULT, PAGE_FAULT
from machine.x86 import GENERAL, Registers, vector_name
from proof.record import Fault, Record, Step

from .caller import Caller

# The longest way from SYSCALL back to ring 3, in instructions of the stub, and the
# most words that it may have on the stack.
STEPS = 400
WORDS = 64
GETPID = 39


class Walk:
    """A call of getpid.

    record   its instructions.
    handler  every register at syscall_handler's first instruction, or None.
    saved    the kernel stack there, by address, from RSP up to kernel_rsp.
    back     every register at the first instruction in ring 3, or None.
    """

    def __init__(self, caller: Caller) -> None:
        self.kernel, self.gdb = caller.kernel, caller.gdb
        self.per_cpu = caller.per_cpu
        self.handler: Optional[Registers] = None
        self.saved: dict[int, int] = {}
        self.back: Optional[Registers] = None
        self._caller = caller
        self._code = Code(self.kernel, self.gdb.peek)
        # Aligned and in the middle of a page, DF set: what a push or a string
        # instruction at the wrong place would do shows.
        self.entry = caller.prepare(GETPID, eflags=FLAGS_BASE | DF | 0x81)
        self.record = Record(self.entry, caller.kernel_rsp, self.kernel.stack_bytes,
                             caller.after)
        caller.enter()
        try:
            self._follow()
        except MachineGone:
            self.record.ended = ("the machine was reset (a triple fault) or ended "
                                 "itself")
        except GdbTimeout:
            self.record.ended = "the machine hung"

    @property
    def kernel_rsp(self) -> int:
        return self.record.kernel_rsp

    @property
    def next_rip(self) -> int:
        """The instruction after SYSCALL."""
        return self.record.next_rip

    @property
    def came_back(self) -> bool:
        return self.back is not None and self.back["rip"] == self.next_rip

    @property
    def found(self) -> str:
        """Where the machine was at the end."""
        fault = self.record.fault
        if self.back:
            return f"RIP {self.back['rip']:#x}"
        return f"{fault.name}" if fault else str(self.record.ended)

    @property
    def frame(self) -> dict[str, int]:
        """Where each register's word stands while the handler runs, in bytes from the
        kernel stack's top: of two such words the upper one."""
        held = {**self.entry, "rcx": self.next_rip, "r11": self.entry["eflags"]}
        return {name: at - self.kernel_rsp for name in GENERAL
                for at, word in sorted(self.saved.items()) if word == held[name]}

    def in_kernel_stack(self, address: int) -> bool:
        return self.kernel.on_stack(address, self.kernel_rsp)

    # -- recording

    def _follow(self) -> None:
        for _ in range(STEPS):
            before = self.gdb.registers()
            if before["rip"] in self.kernel.vectors:
                self._take_fault(before)
                return
            step = Step(before["rip"], before, before)
            self.record.steps.append(step)
            written = self._written(step)
            self.gdb.step()
            step.after = self.gdb.registers()
            if step.after == before:
                self.record.ended = f"it goes round at {self.kernel.line_at(step.rip)}"
                return
            if self._is_call(step):
                self._over_call(step)
            if step.after["cs"] & 3 == 3:
                self.back = step.after
                return
            self._read_words(step, written)
        self.record.ended = (f"after {STEPS} instructions the stub was not back in "
                             "ring 3")

    def _written(self, step: Step) -> list[int]:
        """The addresses that an instruction is going to write to."""
        try:
            return [at for at, _ in accesses(
                self._code.decode(step.rip), step.before)[1]]
        except Undecodable:
            return []

    def _is_call(self, step: Step) -> bool:
        return (self._code.text(step.rip).startswith("call")
                and step.after["rip"] not in self.kernel.vectors)

    def _read_words(self, step: Step, addresses: list[int]) -> None:
        for address in addresses:
            try:
                step.writes[address] = self.gdb.read_u64(address)
            except GdbError:
                pass  # the user's, maybe, and not mapped

    def _over_call(self, step: Step) -> None:
        """Lets the function run, and then does what any C function may do."""
        inside = step.after
        step.called = inside["rip"]
        if step.called == self.kernel.address("syscall_handler") and not self.handler:
            self.handler = inside
            top = min(self.kernel_rsp, inside["rsp"] + 8 * WORDS)
            self.saved = {at: self.gdb.read_u64(at)
                          for at in range(inside["rsp"], top, 8)}
        self.gdb.run_to(self.gdb.read_u64(inside["rsp"]))
        self._caller.clobber(self.entry["eflags"])
        step.after = self.gdb.registers()

    def _take_fault(self, registers: Registers) -> None:
        vector = self.kernel.vectors[registers["rip"]]
        name = vector_name(vector)
        if vector in HAS_ERROR_CODE and vector != DOUBLE_FAULT:
            name += f"({self.gdb.read_u64(registers['rsp']):#x})"
        memory = vector in (DOUBLE_FAULT, PAGE_FAULT)
        self.record.fault = Fault(name, registers["cr2"] if memory else None)
