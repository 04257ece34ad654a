"""faults: where a fault kills a program, and where the kernel gives up."""

from __future__ import annotations

from typing import Optional

import gdb

from .command import command, say
from .cpu import vector_name
from .machine import register
from .proc import Process
from .symbols import address_of, code_text, source_at, structure


class Fault(gdb.Breakpoint):
    """An unseen breakpoint where a program is killed or the kernel gives up.

    told    process id and RSP at the last stop, if that was at one of these."""

    told: Optional[tuple[int, int]] = None

    def __init__(self, function: str) -> None:
        super().__init__(f"*{address_of(function):#x}", internal=True)
        self.silent = True
        self.function = function

    def stop(self) -> bool:
        """QEMU loses a step now and then, and GDB, which wants to get off a breakpoint
        by one, comes upon it again. Who is here is killed, or all is over: nobody comes
        twice in a row."""
        who = Process.current().pid if self.function == "explain_user_fault" else 0
        here = who, register("rsp")
        again = here == Fault.told
        Fault.told = here
        return not again

    def explain(self) -> None:
        """Says what has happened, at the function's first instruction."""
        if self.function == "panic":
            say("The kernel panics. `backtrace` shows the way here; `continue` "
                "prints the reason.")
            return
        frame = structure("trap_frame", register("rdi"))
        rip, vector, error = (int(frame[n]) for n in ("rip", "vector", "error"))
        who = Process.current() if self.function == "explain_user_fault" else "The kernel"
        say(f"{who} faults: {vector_name(vector)}({error:#x}) at {rip:#x} "
            f"{code_text(rip)}\n   {source_at(rip)}\n"
            "`continue` prints the reason.")


FAULTS: list[Fault] = []


@command("catch-faults", choices=lambda: ["on", "off"])
def catch_faults(argument: str) -> None:
    """Stop where a fault kills a program, and where the kernel panics.

    usage: catch-faults [on|off]
    Says which fault it was, and at which line of the program."""
    if argument not in ("", "on", "off"):
        raise gdb.GdbError("catch-faults: on or off?")
    while FAULTS:
        FAULTS.pop().delete()
    for name in ("explain_user_fault", "kernel_fault", "panic") if argument != "off" else ():
        try:
            FAULTS.append(Fault(name))
        except gdb.GdbError:
            pass  # a kernel without that function


def on_stop(event: gdb.StopEvent) -> None:
    """Explains where one of the breakpoints is the reason."""
    faults = [one for one in getattr(event, "breakpoints", []) if isinstance(one, Fault)]
    for fault in faults:
        fault.explain()
    if not faults:
        Fault.told = None


gdb.events.stop.connect(on_stop)
