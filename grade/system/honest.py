"""Honest solutions of lab 5, each written in its own way, for the test of `alike`.

Students differ in names, in comments, in the order of what is independent, in how they
test, undo, declare, and copy. Each choice here is one of those; `solution(n)` makes the
n-th combination, the same for everybody.
"""

from __future__ import annotations

import random
from typing import Callable, Sequence

CHILD = ("child", "kid", "np", "new_proc", "p", "baby", "copy", "second", "c", "them")
FRAME = ("frame", "f", "regs", "child_frame", "tf", "saved", "top", "words", "sf", "kstk")
ERROR = ("error", "err", "rc", "why", "status", "failed", "e", "code", "ret", "n")
# What remarks are made of.
BEGIN = ("first", "now", "here", "then", "so", "note:", "TODO", "careful:", "ok,", "next")
MIDDLE = ("the table may be full", "memory is shared until a write", "give it back",
          "files and directory", "the stub pops from here", "the child sees zero",
          "the parent goes on", "a copy of all words", "nobody may see it yet",
          "see step 2 of the handout", "undo in reverse", "r11 and rcx as well",
          "an own kernel stack", "this cost me an evening", "why is this last?",
          "rax holds the result", "like on the lecture's slide", "one word differs",
          "this can fail", "only from here can it run")
END = ("", " (I think)", ", so order matters", " - asked the tutor", ", see proc.h",
       " because of the scheduler", ", tested with forktree", "!", " again", ", I hope")

# What some leave in from looking for a mistake, or check once more. `{0}`: the child.
EXTRAS = ("kprintf(\"fork: %d\\n\", {0}->pid);", "assert({0} != proc_current());",
          "if ({0} == proc_current())\n\t\tpanic(\"fork: myself\");",
          "assert(((uint64_t){0}->kstack_top & 15) == 0);",
          "kprintf(\"stack %p, top %p\\n\", {0}, (void *){0}->kstack_top);",
          "bool made = {0} && {0}->pid > 0;\n\n\tif (!made)\n\t\tkprintf(\"no pid?\\n\");",
          "(void)sizeof(struct syscall_frame);", "assert({0}->pid != proc_current()->pid);",
          "static int forks;\n\n\tforks = forks + 1;", "result = 0;")


def solution(number: int) -> str:
    """What student `number` might write into fork()'s hole of kernel/fork.c."""
    pick = random.Random(f"honest {number}")
    child, frame, error = (pick.choice(names) for names in (CHILD, FRAME, ERROR))

    def remark() -> str:
        return (f"\t/* {pick.choice(BEGIN)} {pick.choice(MIDDLE)}{pick.choice(END)} */\n"
                if pick.random() < .4 else "")

    parts = [remark() + part for part in (
        _make(pick, child, error), *_middle(pick, child, frame, error))]
    for _ in range(pick.choice((0, 0, 1, 2, 3))):
        parts.insert(pick.randrange(1, len(parts) + 1),
                     f"\t{pick.choice(EXTRAS).format(child)}\n")
    text = remark() + f"\tint {error}{pick.choice((';', ' = 0;'))}\n" + "".join(parts)
    return text + remark() + _end(pick, child, error)


def fork_c(given: str, body: str) -> str:
    """The release's kernel/fork.c with a solution in its hole."""
    return given.replace("\t/* Your code here. */", body.strip("\n"))


def _make(pick: random.Random, child: str, error: str) -> str:
    test = pick.choice((f"!{child}", f"{child} == NULL", f"{child} == 0",
                        f"NULL == {child}"))
    leave = pick.choice((f"return {error};", f"return (long){error};",
                         f"{{\n\t\tresult = {error};\n\t\treturn result;\n\t}}",
                         f"{{\n\t\treturn {error};\n\t}}"))
    return pick.choice((
        f"\tstruct proc *{child} = proc_alloc(&{error});\n\n\tif ({test})\n\t\t{leave}\n",
        f"\tstruct proc *{child};\n\n\t{child} = proc_alloc(&{error});\n"
        f"\tif ({test})\n\t\t{leave}\n",
        f"\tstruct proc *{child} = NULL;\n\tif (({child} = proc_alloc(&{error})) == 0)\n"
        f"\t\t{leave}\n"))


def _middle(pick: random.Random, child: str, frame: str, error: str) -> Sequence[str]:
    """Memory, the frame, the rest and the start, in an order that works."""
    rest, start = f"\tproc_inherit({child});\n", pick.choice((
        f"\tproc_set_start({child}, syscall_exit, (uint64_t){frame});\n",
        f"\tuint64_t sp = (uint64_t){frame};\n\tproc_set_start({child}, syscall_exit, sp);\n",
        f"\tproc_set_start({child}, &syscall_exit, (uintptr_t)(void *){frame});\n"))
    copy = _copy(pick, child, frame)
    order: Sequence[str] = pick.choice((
        (rest, copy, start), (copy, start, rest), (copy, rest, start)))
    return (_memory(pick, child, error), *order)


def _memory(pick: random.Random, child: str, error: str) -> str:
    source, me = pick.choice((("&proc_current()->vm", ""),
                              ("&me->vm", "\tstruct proc *me = proc_current();\n\n"),
                              ("from", "\tstruct vm *from = &proc_current()->vm;\n")))
    test = pick.choice((f"{error} < 0", f"{error} != 0", error, f"{error} == -ENOMEM"))
    give_up: Callable[[str], str] = pick.choice((
        lambda e: f"{{\n\t\tproc_free({child});\n\t\treturn {e};\n\t}}",
        lambda e: f"{{\n\t\tresult = {e};\n\t\tproc_free({child});\n\t\treturn result;\n\t}}"))
    call = f"vm_clone(&{child}->vm, {source})"
    return me + pick.choice((f"\t{error} = {call};\n\tif ({test}) {give_up(error)}\n",
                             f"\tif (({error} = {call}) != 0) {give_up(error)}\n",
                             f"\tint r = {call};\n\n\tif (r) {give_up('r')}\n"))


def _copy(pick: random.Random, child: str, frame: str) -> str:
    place = pick.choice((
        f"(struct syscall_frame *){child}->kstack_top - 1",
        f"(void *)({child}->kstack_top - sizeof(struct syscall_frame))",
        f"(struct syscall_frame *)({child}->kstack_top - FRAME_SIZE)",
        f"&((struct syscall_frame *){child}->kstack_top)[-1]"))
    copy = pick.choice((
        f"\tstruct syscall_frame *{frame} = {place};\n\t*{frame} = *get_syscall_frame();\n",
        f"\tstruct syscall_frame *mine = get_syscall_frame();\n"
        f"\tstruct syscall_frame *{frame} = {place};\n"
        f"\tmemcpy({frame}, mine, sizeof *{frame});\n",
        f"\tstruct syscall_frame *{frame};\n\n\t{frame} = {place};\n"
        f"\tmemcpy({frame}, get_syscall_frame(), sizeof(struct syscall_frame));\n",
        f"\tuint64_t *from_words = (uint64_t *)get_syscall_frame();\n"
        f"\tstruct syscall_frame *{frame} = {place};\n"
        f"\tfor (int i = 0; i < 16; i++)\n\t\t((uint64_t *){frame})[i] = from_words[i];\n",
        f"\tstruct syscall_frame *{frame} = {place};\n"
        f"\tstruct syscall_frame tmp = *get_syscall_frame();\n\n\ttmp.rax = 0;\n"
        f"\t*{frame} = tmp;\n"))
    return copy if "tmp" in copy else copy + pick.choice((
        f"\t{frame}->rax = 0;\n", f"\t(*{frame}).rax = 0;\n",
        f"\t{frame}->rax = (uint64_t)0;\n"))


def _end(pick: random.Random, child: str, error: str) -> str:
    return pick.choice((
        f"\tproc_ready({child});\n\tresult = {child}->pid;\n",
        f"\tresult = {child}->pid;\n\tproc_ready({child});\n",
        f"\tint pid = {child}->pid;\n\n\tproc_ready({child});\n\treturn pid;\n",
        f"\tproc_ready({child});\n\treturn (long){child}->pid;\n",
        f"\t{error} = {child}->pid;\n\tproc_ready({child});\n\tresult = {error};\n"))
