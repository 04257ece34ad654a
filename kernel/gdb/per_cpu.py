"""per_cpu: this CPU's block, and which GS leads to it."""

from __future__ import annotations

import gdb

from .command import command, say
from .machine import need_kernel, register
from .proc import Process, stack_owner
from .symbols import symbol_at, variable


@command("percpu")
def percpu(argument: str) -> None:
    """Show this CPU's block, per_cpu, and which GS leads to it."""
    need_kernel()
    block = variable("per_cpu")
    bases = {"GS_BASE": register("gs_base"), "KERNEL_GS_BASE": register("k_gs_base")}
    leads = [name for name, base in bases.items() if base == int(block.address)]
    say(f"per_cpu at {int(block.address):#x}: " + (
        f"{' and '.join(leads)} points here" if leads
        else "no GS points here yet (lab 2)"))
    for field in block.type.fields():
        value, head = block[field.name], f"  +{field.bitpos // 8:<4}{field.name:<11}"
        if field.type.code == gdb.TYPE_CODE_STRUCT:
            say(f"{head} see gdt and tss")
            continue
        number = int(value.format_string(format="x"), 16)
        text = ""
        if field.name == "user_rsp":
            text = "the stub's scratch: RSP of the last caller"
        elif number and str(value.type) == "struct proc *":
            text = str(Process(value.dereference()))
        elif number:
            text = (stack_owner(number) if field.name == "kernel_rsp"
                    else symbol_at(number))
        say(f"{head} {number:#018x}  {text}")
