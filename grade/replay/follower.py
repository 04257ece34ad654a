"""What is followed, and how: the start-up functions that prepare system calls, the
call itself, and whoever returns from it.
"""

from __future__ import annotations

import functools
from typing import Any, Optional

from capstone import x86_const as x86

from machine.code import accesses
from machine.gdb_remote import GdbError, Places
from machine.processes import Process
from machine.x86 import MASK, SYSCALL, Registers
from .section import Section, hexa
from .stepper import Stepper

BODIES = ("lines", "none", "all")
DEPTH = 2  # how deep the handler's lines are followed: it, and the call's function
DEPTHS = range(1, 10)
# Where a forked child begins.
TAIL = "syscall_exit"
# The calls that return twice, and the one that goes back to where a signal came. It
# leaves by a function that does not return to it.
FORKS, RESUMES = ("fork", "vfork"), "rt_sigreturn"
LEAVES = "trap_return"
RESTORER = 5  # how many instructions it may have before its SYSCALL


class Follower:
    """Follows one machine, a section after the other.

    body   how the handler is followed: "lines" by its source lines and those of the
           call's own function, "none" as one step, "all" by every instruction.
    depth  with "lines", how many functions deep: 1 is the handler alone.
    """

    def __init__(self, stepper: Stepper, body: str, depth: int = DEPTH) -> None:
        self.stepper, self.kernel, self.body = stepper, stepper.kernel, body
        self.depth = depth

    def about(self, process: Process) -> dict[str, Any]:
        """Whose section it is, and where its kernel stack and frame are."""
        top = process.kstack_top
        return {"pid": process.pid, "process": self.stepper.table.name_of(process),
                "stack": {"low": hexa(top - self.kernel.stack_bytes), "top": hexa(top)},
                "frame": hexa(top - self.kernel.frame_bytes)}

    # ---- the kernel's start ---------------------------------------------------

    def room(self, id: str, title: str) -> bool:
        """A room's start-up function, to its return. What it calls is followed
        where it is the room's own or a header's."""
        stepper = self.stepper
        section = stepper.begin(id, title)
        own = stepper.listing.note(stepper.gdb.register("rip")).get("file")
        top = stepper.gdb.register("rsp")
        process = stepper.table.at(self.kernel.address("proc_table"))

        def follow() -> tuple[str, str]:
            registers = stepper.registers()
            while registers["rsp"] <= top:
                target = self._target(registers)
                if target and not self._belongs(target, own):
                    registers = stepper.step_over(section, registers, target, process,
                                                  dict)
                else:
                    registers = stepper.step(section, registers)
            return "end", "The kernel goes on to its next room."

        return stepper.finish(section, follow)

    def _belongs(self, target: int, own: Optional[str]) -> bool:
        file = str(self.stepper.listing.note(target).get("file", ""))
        return file == own or file.endswith(".h")

    # ---- the call -------------------------------------------------------------

    def call(self, name: str, process: Process, id: str = "call"
             ) -> tuple[Section, list[Section], bool]:
        """From SYSCALL, which is next, to ring 3. Gives the section, those of
        children that began meanwhile, and whether more can be followed."""
        program = self.stepper.table.name_of(process)
        title = f"{program}[{process.pid}] calls {name}"
        section = self.stepper.begin(id, title, **self.about(process))
        children: list[Section] = []
        goes_on = self.stepper.finish(section, functools.partial(
            self._call, section, process, name, children))
        return section, children, goes_on

    def _call(self, section: Section, process: Process, name: str,
              children: list[Section]) -> tuple[str, str]:
        """The stub by instructions, what it calls as `body` says."""
        stepper = self.stepper
        stub = self.kernel.range("syscall_entry")
        switch = self.kernel.address("switch_to")  # after it, others run
        leaves = self.kernel.address(LEAVES)
        depth, place, left = 0, None, False
        registers = stepper.registers()
        back = registers["rip"] + 2
        while True:
            here = stepper.listing.note(registers["rip"])
            target = self._target(registers)
            deep = depth >= self.depth and registers["rip"] not in stub
            if target and target != leaves and (
                    self.body == "none" or target == switch or (
                        self.body == "lines" and deep)):
                inside = depth or self.body == "none"
                registers = stepper.step_over(
                    section, registers, target, process, functools.partial(
                        self._where_a_child_begins, process, children)
                    if name in FORKS and inside else dict)
                place = None
            else:
                now = (here.get("function"), here.get("file"), here.get("line"))
                join = (self.body == "lines" and depth > 0 and now == place
                        and not left)
                left = self._is_return(registers)
                depth += (target is not None) - left
                place = now
                registers = stepper.step(section, registers, join)
                left = left or target is not None
            if registers["cs"] & 3 == 3 and section.steps:
                return self._in_ring_3(process, registers, back, name)

    def _in_ring_3(self, process: Process, registers: Registers, back: int, name: str
                   ) -> tuple[str, str]:
        """How the call has ended, that has come back to ring 3."""
        rip, signal = registers["rip"], registers["rdi"]
        if rip == back:
            return "returned", "Back in ring 3, after the SYSCALL."
        if self.stepper.table.handler(process, signal) == rip:
            return "handler", (
                f"In ring 3, in the program's handler for signal {signal}. What it "
                "interrupts lies on the program's stack, the call's result with it.")
        if name == RESUMES:
            return "resumed", "In ring 3, where the signal had interrupted it."
        if rip == back - len(SYSCALL):
            return "again", ("In ring 3, at the SYSCALL once more: a signal cut the "
                             "call short, and it is made again.")
        return "elsewhere", f"Back in ring 3, but at {rip:#x}, not {back:#x}."

    def _where_a_child_begins(self, parent: Process, children: list[Section]
                              ) -> Places:
        """A child may run before its parent returns; it is followed then, and the
        parent after it. A stub that is not finished lacks the place."""
        def it_does() -> bool:
            current = self.stepper.table.current()
            if current.parent == parent.address and not children and (
                    current.address != parent.address):
                children.append(self.child(current))
            return False

        return {self.kernel.address(TAIL): it_does} if TAIL in self.kernel else {}

    def _target(self, registers: Registers) -> Optional[int]:
        """Where a call instruction leads; None for any other instruction."""
        instruction = self.stepper.listing.decode(registers["rip"])
        if instruction is None or instruction.mnemonic != "call":
            return None
        operand = instruction.operands[0]
        if operand.type == x86.X86_OP_IMM:
            return int(operand.imm) & MASK
        if operand.type == x86.X86_OP_REG:
            return registers[instruction.reg_name(operand.reg)]
        (place, _), *_ = accesses(instruction, registers)[0]
        return self.stepper.gdb.read_u64(place)

    def _is_return(self, registers: Registers) -> bool:
        instruction = self.stepper.listing.decode(registers["rip"])
        return instruction is not None and instruction.mnemonic == "ret"

    # ---- others that return -----------------------------------------------------

    def child_later(self, pid: int) -> None:
        """A child that has not run when its parent is back; none if it never does."""
        if pid >> 63 or not pid or TAIL not in self.kernel:
            return
        try:
            self.stepper.run_to({self.kernel.address(TAIL):
                                 lambda: self.stepper.table.current_pid() == pid})
        except GdbError:
            return  # the machine ends, or waits, before the child has run
        self.child(self.stepper.table.current())

    def child(self, child: Process) -> Section:
        """A child that is about to return, to ring 3."""
        section = self.stepper.begin(
            "child", f"The child, process {child.pid}, returns from the same call",
            **self.about(child))
        self.stepper.finish(section, functools.partial(self._to_ring_3, section))
        return section

    def resume(self, process: Process) -> Optional[Section]:
        """The handler of a signal, which has just begun, is over: its call of
        rt_sigreturn. None if it never makes it."""
        gdb = self.stepper.gdb
        restorer = gdb.read_u64(gdb.register("rsp"))
        try:
            self.stepper.run_to({restorer: lambda: (
                self.stepper.table.current_address() == process.address)})
            for _ in range(RESTORER):
                if gdb.read(gdb.register("rip"), len(SYSCALL)) == SYSCALL:
                    return self.call(RESUMES, process, "resume")[0]
                gdb.step()
        except GdbError:
            pass  # the machine ends, or waits, before it is
        return None

    def enter(self, process: Process) -> None:
        """A program that begins in place of the one that made the call."""
        section = self.stepper.begin("enter", "The program begins",
                                     **self.about(process))
        self.stepper.finish(section, functools.partial(self._to_ring_3, section))

    def _to_ring_3(self, section: Section) -> tuple[str, str]:
        registers = self.stepper.registers()
        while registers["cs"] & 3 == 0:
            registers = self.stepper.step(section, registers)
        return "returned", "In ring 3."
