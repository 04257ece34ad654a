"""GDB commands that know this kernel: `help threshold` lists them.

What they show is read from the stopped machine: registers and memory through
GDB, GDTR, IDTR and TR from QEMU's monitor, MSRs by RDMSR. Names, lines and
layouts come from the debug information, numbers from the kernel's headers;
only what the CPU's manual fixes and no header has is written down, in cpu.

A room here shows what a room of the kernel makes:

    command colour versions machine         what the others are made of
    headers symbols cpu state
    tables idt msr per_cpu                  the CPU's tables and registers
    proc pages                              processes, and their memory
    syscall                                 which call it is, and its result
    stub frame stack                        the entry stub, and what it pushes
    running calls step                      to the next call, and through the stub
    programs faults                         the program that runs, and its end
    context regs                            where the machine is, at each stop
    connect rewind                          to a machine, or to a recording

Nothing here needs a lab to be done: what is missing is said in a sentence.
"""

import os

from . import (tables, idt, msr, per_cpu, proc, pages, frame, stack,  # noqa: F401
               calls, step, programs, faults, context, regs, connect)
from .command import COMMANDS, overview
from .versions import without_pictures

without_pictures()
overview("threshold", "The commands that know this kernel:",
         dict(sorted(COMMANDS.items())), "`help COMMAND` says more on one.")

if "REWIND" in os.environ:
    from . import rewind  # noqa: F401
