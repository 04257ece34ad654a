"""The rules that a stub must keep, as the kinds of what the proof finds.

They stand in the order of the task's steps. A student's stub is unfinished while it
is wrong: of two findings, the one of the earlier step is the mistake, and the other
may be no more than what has not been written yet.
"""

from __future__ import annotations

from machine.finding import Kind

WAY_BACK = 5  # the step in which the code after the call is written


class Rule(Kind):
    """A rule, by the step of the task from which it can be kept."""

    CODE = 0, "there is code"
    INTERRUPTS = 1, "the stub itself lets no interrupt in where it does harm"
    USER_STACK = 1, "the user's stack is not touched"
    USER_MEMORY = 1, "no address that the user chose is touched"
    USER_RSP = 1, "the user's RSP is kept until it is in the frame"
    GS = 1, "what goes through GS finds the kernel's"
    PER_CPU = 1, "the per-CPU block keeps its words"
    FRAME = 2, "the frame has the user's sixteen words, each in its place"
    C_STATE = 3, "C finds its stack aligned, and DF and AC clear"
    ARGUMENT = 4, "the number and arguments 1 to 5 arrive"
    RETURN = 5, "the stub returns to 64-bit code of ring 3, after a call"
    SHIFT = 5, "each pop takes its own register's word"
    KEPT = 5, "registers come back"
    GS_BACK = 5, "ring 3 gets its GS back"
    RESULT = 6, "RAX is the handler's result"
    CHILD = 6, "a process may begin at syscall_exit"
    SIXTH = 7, "argument 6 arrives, as a copy"
    CLI = 8, "no interrupt comes while the stub restores"
    END = 9, "the stub ends in a return"
    STRUCT = 10, "struct syscall_frame is what the stub pushes"
    FAULT = 11, "no instruction of the stub faults"

    @property
    def step(self) -> int:
        step: int = self.value[0]
        return step

    @property
    def room(self) -> str:
        """Whose it is: "entry", the stub's, or "frame", the struct's."""
        return "frame" if self is Rule.STRUCT else "entry"
