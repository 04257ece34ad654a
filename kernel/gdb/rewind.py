"""rewind: commands for a run that is recorded; `make rewind` brings them.

GDB's own go backwards: reverse-stepi, reverse-step, reverse-next,
reverse-finish, reverse-continue. These ask the server on GDB's socket, which
knows the whole recording, for what GDB cannot. Each question is a packet
qThreshold.WORD; nothing else is known here of who answers:

    count                     the moment, in instructions
    arm:COUNT:STEPS           where the next step back is to lead: to a moment, or
                              so many steps after it
    register:NAME:INSTRUCTIONS
                              COUNT:STEPS before its last change, or `none`
    memory:ADDRESS:SIZE       COUNT:STEPS:HANDLER of its last write, or `none`; a
                              handler is where the CPU went as it wrote by itself
    console                   what has been printed
    msrs:SCRATCH              each MSR

Numbers are hexadecimal. An answer that begins with E. is a sentence for the
person; no answer at all comes from a machine that is no recording.
"""

from __future__ import annotations

import re

import gdb

from . import msr
from .command import COMMANDS, command, overview, say
from .cpu import GENERAL, vector_name
from .headers import number
from .idt import gates
from .machine import MASK, disassemble, packet, register
from .symbols import address_of, code_text

REGISTERS = (*GENERAL, "eflags", "cs", "ss", "ds", "es", "fs", "gs", "fs_base",
             "gs_base", "k_gs_base", "cr2", "cr3")
FAR_BACK = 20_000  # instructions that are searched for a register's change
FORWARDS_TOO = dict(COMMANDS)

# An answer may need a replay or more: GDB's two seconds are for a wire.
gdb.execute("set remotetimeout 1200")
# It would push a return address: say so, and not at which address that failed.
gdb.execute("set may-call-functions off")


def ask_recording(question: str) -> str:
    """The server's answer; refuses where the machine is no recording."""
    if gdb.selected_thread() is None:
        raise gdb.GdbError("No recording is attached: type `make rewind PROG=…`.")
    answer = packet(f"qThreshold.{question}")
    if answer.startswith("E."):
        raise gdb.GdbError(answer[2:])
    if not answer:
        raise gdb.GdbError("This machine is no recording: type `make rewind PROG=…`.")
    return answer


def go_to(count: int, steps: int = 0) -> None:
    """To the moment before instruction `count`, or so many steps after it. GDB
    looks at the machine anew after a step back, so that is what it is told to
    do."""
    ask_recording(f"arm:{count:x}:{steps:x}")
    gdb.execute("reverse-stepi", to_string=True)
    if int(ask_recording("count"), 16) != count:
        raise gdb.GdbError(f"The recording ends before moment {count}.")


def here() -> str:
    """The instruction that comes next."""
    pc = register("rip")
    if not register("cr0") & number("CR0_PG"):
        return f"{pc:#x}: the firmware, or the way to long mode"
    try:
        text = re.sub(r"\s+", " ", disassemble(pc, pc + 1)[0]["asm"])
    except gdb.MemoryError:
        text = "the page is not there yet"
    return f"{pc:#x} {code_text(pc)}: {text}"


@command("moment")
def moment(argument: str) -> None:
    """Say which moment of the recording this is, or go to another.

    usage: moment [NUMBER]
    Moments are counted in instructions since the machine was switched on, the
    same in every replay: note one down, and come back to it."""
    if argument and not re.fullmatch("[0-9]+", argument):
        raise gdb.GdbError("moment: which? As in: moment 470000")
    if argument:
        go_to(int(argument))
    say(f"moment {int(ask_recording('count'), 16)}: {here()}")


@command("last-write")
def last_write(argument: str) -> None:
    """Go back to the instruction that made a register or a word what it is.

    usage: last-write WHAT
    WHAT is a register ($r10) or something in memory (per_cpu.user_rsp,
    *(long *)0x7fffffffe000). Stops before that instruction; `stepi` runs it
    again. A register's last write is looked for in the 20,000 instructions
    before; a memory's last write in the whole recording. What the CPU pushes as
    it takes an exception or an interrupt is a write, too."""
    if not argument:
        raise gdb.GdbError("last-write: of what? As in: last-write $r10")
    value, register_name = gdb.parse_and_eval(argument), argument[1:]
    was = value.format_string(format="x")
    if argument.startswith("$") and register_name in REGISTERS:
        answer = ask_recording(f"register:{register_name}:{FAR_BACK:x}")
        where = f"in the {FAR_BACK} instructions before this"
    elif value.address is not None and value.type.sizeof in (1, 2, 4, 8):
        address = int(value.address) & MASK
        answer = ask_recording(f"memory:{address:x}:{value.type.sizeof:x}")
        where = "in the recording so far"
    else:
        raise gdb.GdbError(f"last-write: {argument} is neither a whole register, as "
                           "$r10, nor a word of 1, 2, 4 or 8 bytes in memory.")
    if answer == "none":
        raise gdb.GdbError(f"last-write: nothing wrote {argument} {where}.")
    place = value.address  # an address with $rsp in it is another one, back there
    count, steps, handler = (int(text, 16) for text in (answer + ":0:0").split(":")[:3])
    go_to(count, steps)
    try:
        value = place.dereference() if place else gdb.parse_and_eval(argument)
        before = value.format_string(format="x")
    except gdb.MemoryError:
        before = "not mapped"
    how = f"as the CPU takes {taken(handler)}, before" if handler else "by"
    say(f"{argument} was {before}, and becomes {was} {how}\n  {here()}")


def taken(handler: int) -> str:
    """The exception or the interrupt that leads to a handler."""
    names = [vector_name(vector) or f"vector {vector:#x}"
             for vector, gate in gates().items() if gate.target == handler]
    return names[0] if names else "an interrupt"


@command("console")
def console(argument: str) -> None:
    """Show what the machine has printed up to this moment."""
    answer = ask_recording("console")
    say("" if answer == "none" else bytes.fromhex(answer).decode(errors="replace"))


def read_msrs() -> dict[str, int]:
    """The MSRs, by way of a replay that is given up for it: to run an
    instruction in this one would change what was recorded."""
    answer = ask_recording(f"msrs:{address_of('main'):x}")
    return {name: int(value, 16) for name, _, value in (
        item.partition("=") for item in answer.split(","))}


msr.read_msrs = read_msrs

overview("rewind", "Commands for going through a recorded run:", {
    "reverse-stepi": "Back by one instruction (rsi).",
    "reverse-step": "Back to another source line (rs).",
    "reverse-next": "The same, over calls (rn).",
    "reverse-finish": "Back to the call of this function.",
    "reverse-continue": "Back to the last breakpoint or watchpoint (rc).",
    **{name: line for name, line in sorted(COMMANDS.items())
       if name not in FORWARDS_TOO}},
    "Forwards, all is as in `make gdb`. Only what has happened can be looked at:\n"
    "registers and memory cannot be written.")
