"""The proof of the entry stub: right stubs are proved, and of wrong ones it is
said what is wrong and where."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Optional, Sequence

import pytest

from machine import deadlines, headers, toolchain
from machine.code import Instruction
from machine.qemu import KERNEL, TREE, run
from proof import cpu
from proof.prove import Proof, prove

FRAME = {name.lower(): offset for name, offset in sorted(
    headers.with_prefix(headers.kernel_constants(TREE), "FRAME_").items(),
    key=lambda item: item[1]) if name != "SIZE"}
SOURCE = "kernel/syscall_entry.c"
Code = Sequence[str]

# The stub of this tree in parts, of which a test gives some anew.
ENTER = ["swapgs", "movq %rsp, %gs:8", "movq %gs:0, %rsp", "pushq %gs:8"]
PUSHES = [f"pushq %{register}" for register in list(FRAME)[-2::-1]]
SHUFFLE = ["subq $8, %rsp", "pushq %r9", "movq %r8, %r9", "movq %r10, %r8",
           "movq %rdx, %rcx", "movq %rsi, %rdx", "movq %rdi, %rsi", "movq %rax, %rdi"]
CALL = ["xorl %ebp, %ebp", "call syscall_handler", "addq $16, %rsp",
        "movq %rax, 112(%rsp)"]
LABEL = r".globl syscall_exit\nsyscall_exit:"
TAIL = [LABEL, "cli", *(f"popq %{register}" for register in FRAME)]
LEAVE = ["swapgs", "sysretq"]


def change(code: Code, old: str, *new: str) -> list[str]:
    """The code with other instructions in the place of one."""
    at = code.index(old)
    return [*code[:at], *new, *code[at + 1:]]


def exchange(code: Code, one: str, other: str) -> list[str]:
    """The code with two instructions in each other's place."""
    return change(change(change(code, one, "?"), other, one), "?", other)


class Stubs:
    """Kernels with another stub: one file compiled, one link."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        commands = json.loads((TREE / "build/compile_commands.json").read_text())
        self._commands = {c["file"]: shlex.split(c["command"]) for c in commands
                          if c["file"].startswith("kernel/")}
        shutil.copytree(TREE / "kernel", directory / "kernel")
        for file in self._commands:
            (directory / f"build/{file}").parent.mkdir(parents=True, exist_ok=True)
        self.changed = {SOURCE}

    def __call__(self, enter: Code = ENTER, pushes: Code = PUSHES,
                 shuffle: Code = SHUFFLE, call: Code = CALL, tail: Code = TAIL,
                 leave: Code = LEAVE, *, before: str = "") -> Path:
        """The kernel with this stub: an instruction on each line."""
        code = [*enter, *pushes, *shuffle, *call, *tail, *leave]
        lines = ['#include "syscall_entry.h"', before,
                 "__attribute__((naked)) void syscall_entry(void)", "{",
                 *(f'\tasm("{instruction}");' for instruction in code), "}"]
        (self.directory / SOURCE).write_text("\n".join(lines) + "\n")
        return self.build()

    def build(self) -> Path:
        objects = []
        for file, command in self._commands.items():
            new = file in self.changed
            if new:
                self._run(command)
            objects.append(str((self.directory if new else TREE)
                               / f"build/{file}.o"))
        self._run([f"{toolchain.tool_prefix()}ld",
                   "-m", "elf_x86_64", "-nostdlib", "-static", "-z", "noexecstack",
                   "-z", "max-page-size=4096", "-z", "norelro",
                   "-T", str(TREE / "kernel/kernel.ld"), "-o", "kernel.elf",
                   *objects, str(TREE / "build/ksyms.o")])
        return self.directory / "kernel.elf"

    def reorder(self, order: Sequence[str]) -> None:
        """Gives the frame this order, in both headers that tell it."""
        for name, pattern, new in (
                ("syscall_entry.h", r"#define FRAME_R\w+ +\d+\n",
                 [f"#define FRAME_{r.upper()} {8 * n}\n" for n, r in enumerate(order)]),
                ("frame.h", r"\tuint64_t \w+;[^\n]*\n(?:\t *\*[^\n]*\n)?",
                 [f"\tuint64_t {r};\n" for r in order])):
            path = self.directory / "kernel" / name
            text = path.read_text()
            assert len(re.findall(pattern, text)) == len(order)
            fresh = iter(new)
            path.write_text(re.sub(pattern, lambda _: next(fresh), text))
        self.changed |= {
            file for file in self._commands if re.search(
                r'#include "(frame|syscall_entry)\.h"', (TREE / file).read_text())}

    def source(self, where: Optional[str]) -> str:
        """The line that a finding names."""
        file, _, number = (where or "").rpartition(":")
        return (self.directory / file).read_text().splitlines()[int(number) - 1]

    def _run(self, command: Sequence[str]) -> None:
        subprocess.run(command, cwd=self.directory, check=True,
                       timeout=deadlines.host())


@pytest.fixture
def stubs(tmp_path: Path) -> Stubs:
    return Stubs(tmp_path / "tree")


def said(proof: Proof) -> str:
    return "\n".join(f"{f.where}: {f.cause}" for f in proof.findings)


# ---- right stubs ------------------------------------------------------------


def test_the_stub_of_this_tree_is_proved() -> None:
    proof = prove(KERNEL)
    assert proof.ok, said(proof)
    assert proof.sentence.startswith("proved for all inputs")
    assert proof.frame == {offset: name for name, offset in FRAME.items()}
    assert (proof.below, proof.returns) == (0, "sysretq")


def assert_right(kernel: Path) -> Proof:
    """Proved, and programs find it right too."""
    proof = prove(kernel)
    assert proof.ok, said(proof) or proof.sentence
    result = run("/bin/regs 5", kernel=kernel)
    assert result.status == 0, result.report
    return proof


def test_another_order_with_the_struct_to_match_is_right(stubs: Stubs) -> None:
    order = "r9 r8 r10 rdx rsi rdi rbx rbp r12 r13 r14 r15 rcx r11 rax rsp".split()
    stubs.reorder(order)
    kernel = stubs(pushes=[f"pushq %{r}" for r in order[-2::-1]],
                   tail=[LABEL, "cli", *(f"popq %{r}" for r in order)])
    assert list(assert_right(kernel).frame.values()) == order


# IRETQ's words, pushed below the frame, which stays where it is.
WORDS = ["pushq $0x2b", "pushq 128(%rsp)", "pushq 112(%rsp)", "pushq $0x33",
         "pushq 136(%rsp)"]
MOVES = [f"movq {40 + FRAME[r]}(%rsp), %{r}" for r in FRAME if r != "rsp"]
BY_IRETQ = [*WORDS, *MOVES, "swapgs", "iretq"]


def test_leaving_by_iretq_is_right(stubs: Stubs) -> None:
    kernel = stubs(tail=[LABEL, "cli"], leave=BY_IRETQ)
    assert assert_right(kernel).returns == "iretq"


def test_more_words_below_the_frame_are_right(stubs: Stubs) -> None:
    assert_right(stubs(shuffle=["subq $16, %rsp", *SHUFFLE],
                       call=change(CALL, "addq $16, %rsp", "addq $32, %rsp")))


def test_interrupts_in_the_handler_are_right(stubs: Stubs) -> None:
    kernel = stubs(call=change(CALL, "call syscall_handler", "sti",
                               "call syscall_handler", "cli"))
    assert prove(kernel).ok


def test_moves_and_jumps_are_followed(stubs: Stubs) -> None:
    moves = [f"movq {FRAME[r]}(%rsp), %{r}" for r in FRAME]
    kernel = stubs(call=[*CALL, "jmp 2f", "1: swapgs", "sysretq"],
                   tail=[r"2: .globl syscall_exit\nsyscall_exit:", "cli", *moves],
                   leave=["jmp 1b"])
    assert_right(kernel)


# ---- wrong stubs ------------------------------------------------------------

# What is wrong, the parts that are, the cause, and the line that is named.
WRONG: list[tuple[str, dict[str, Code], str, str]] = [
    ("no swapgs on entry", dict(enter=ENTER[1:]),
     "GS_BASE is still the user's: swapgs is missing", "movq %rsp"),
    ("swapgs too late", dict(enter=[*ENTER[1:], "swapgs"]),
     r"still the user's: line \d+ \(swapgs\) comes later", "movq %rsp"),
    ("no swapgs on exit", dict(leave=["sysretq"]),
     "reached with the kernel's GS: no swapgs", "sysretq"),
    ("swapgs behind sysretq", dict(leave=["sysretq", "swapgs"]),
     r"kernel's GS: line \d+ \(swapgs\) stands after it and never runs", "sysretq"),
    ("the two slots exchanged",
     dict(enter=["swapgs", "movq %rsp, %gs:0", "movq %gs:8, %rsp", "pushq %gs:0"]),
     r"overwrites kernel_rsp \(gs:0\) with the user's RSP", "movq %rsp, %gs:0"),
    ("the kernel's RSP loaded first",
     dict(enter=["swapgs", "movq %gs:0, %rsp", "movq %rsp, %gs:8", "pushq %gs:8"]),
     r"line \d+ \(movq %gs:0, %rsp\) loads the kernel's RSP before anything has saved "
     "the user's", "movq %gs:0, %rsp"),
    ("the same, and nothing after it yet",
     dict(enter=["swapgs", "movq %gs:0, %rsp", "movq %rsp, %gs:8"], pushes=["ud2"]),
     "loads the kernel's RSP before anything has saved the user's", "movq %gs:0, %rsp"),
    ("no change of stacks, and nothing after it yet",
     dict(enter=["swapgs", "movq %rsp, %gs:8"], pushes=["ud2"]),
     r"runs into line \d+ \(ud2\).*RSP is still the user's there", "ud2"),
    ("sti among the pushes, and nothing after them yet",
     dict(pushes=[*PUSHES[:3], "sti", *PUSHES[3:]], shuffle=["ud2"]),
     r"\(sti\) turns interrupts on before the frame is whole", "sti"),
    ("sti before swapgs on exit, and no cli yet",
     dict(tail=[t for t in TAIL if t != "cli"], leave=["sti", *LEAVE]),
     r"\(sti\) turns interrupts on; before line \d+ \(swapgs\)", "sti"),
    ("no change of stacks", dict(enter=["swapgs", "movq %rsp, %gs:8", "pushq %gs:8"]),
     "pushq .* uses the user's stack", "pushq"),
    ("rcx not restored", dict(tail=change(TAIL, "popq %rcx", "addq $8, %rsp")),
     "RCX, the RIP to return to, holds what syscall_handler left in RCX", "call"),
    ("r11 not restored", dict(tail=change(TAIL, "popq %r11", "addq $8, %rsp")),
     "R11, the RFLAGS to return with, holds what syscall_handler left", "call"),
    ("rcx and r11 exchanged", dict(tail=exchange(TAIL, "popq %rcx", "popq %r11")),
     r"RCX and R11 come back exchanged.*popq %rcx", "popq %rcx"),
    ("r8 and r10 exchanged", dict(tail=exchange(TAIL, "popq %r8", "popq %r10")),
     r"R8 and R10 come back exchanged: R8 holds what R10 held at entry, by "
     r"line \d+ \(popq %r8\)", "popq %r8"),
    ("r10 not restored", dict(tail=change(TAIL, "popq %r10", "addq $8, %rsp")),
     "R10 holds what syscall_handler left in R10", "call"),
    ("three not restored",
     dict(tail=[*TAIL[:5], "addq $24, %rsp", *TAIL[8:]]),
     "on return RDX, RSI and RDI hold what the kernel had in them: nothing after",
     "call"),
    ("rbx used as scratch",
     dict(call=["movq %rax, %rbx", *CALL],
          tail=change(TAIL, "popq %rbx", "addq $8, %rsp")),
     r"RBX holds the call's number.*movq %rax, %rbx", "movq %rax, %rbx"),
    ("rdx popped into rsi as well",
     dict(tail=change(TAIL, "popq %rsi", "popq %rsi", "movq %rdx, %rsi")),
     r"RSI holds what RDX held at entry: line \d+ \(movq %rdx, %rsi\)",
     "movq %rdx, %rsi"),
    ("pushes and pops exchanged alike",
     dict(pushes=exchange(PUSHES, "pushq %r8", "pushq %r10"),
          tail=exchange(TAIL, "popq %r8", "popq %r10")),
     "word at 8, where R8 belongs .* holds R10", "pushq %r10"),
    ("what C keeps is not pushed",
     dict(pushes=[p for p in PUSHES if not re.search("rb|r1[2-5]", p)],
          call=change(CALL, "movq %rax, 112(%rsp)", "movq %rax, 64(%rsp)"),
          tail=[p for p in TAIL if not re.search("pop.*(rb|r1[2-5])", p)]),
     "the frame has no word for R15, R14, R13, R12, RBX and RBP", "call"),
    ("the result is not stored", dict(call=CALL[:-1]),
     "RAX, the result, holds the call's number", "popq %rax"),
    ("an odd number of words", dict(shuffle=SHUFFLE[1:],
                                    call=change(CALL, "addq $16, %rsp",
                                                "addq $8, %rsp")),
     r"calls C with RSP mod 16 = 8: 17 words", "call"),
    ("the arguments stay on the stack", dict(
        call=["xorl %ebp, %ebp", "call syscall_handler", "movq %rax, 128(%rsp)"]),
     "RSP is 16 bytes below R9's word, so every pop", "popq %r9"),
    ("the number is not moved", dict(shuffle=SHUFFLE[:-1]),
     "the number must be in RDI", "pop|push|mov|call"),
    ("moved in a wrong order", dict(shuffle=exchange(SHUFFLE, "movq %rdi, %rsi",
                                                     "movq %rsi, %rdx")),
     r"argument 2 must be in RDX .* there is what RDI held", "movq %rsi, %rdx"),
    ("no sixth argument", dict(shuffle=change(SHUFFLE, "pushq %r9", "subq $8, %rsp")),
     "argument 6 .* must be the lowest word", "call"),
    ("the frame's word as the sixth argument",
     dict(shuffle=SHUFFLE[2:], call=change(CALL, "addq $16, %rsp")[:]),
     "R9 holds what the handler left in argument 6's slot", "popq %r9"),
    ("sysretl", dict(leave=["swapgs", "sysretl"]), "no REX.W", "sysretl"),
    ("iretq's words in a wrong order",
     dict(tail=[LABEL, "cli"],
          leave=[*exchange(WORDS, "pushq $0x2b", "pushq $0x33"), *MOVES, "swapgs",
                 "iretq"]),
     "iretq's word 1, CS, is 0x2b.*must be 0x33", r"pushq \$0x2b"),
    ("iretq to selectors without RPL",
     dict(tail=[LABEL, "cli"],
          leave=[*change(WORDS, "pushq $0x33", "pushq $0x30"), *MOVES, "swapgs",
                 "iretq"]),
     "iretq's word 1, CS, is 0x30", r"pushq \$0x30"),
    ("sti before the pushes", dict(enter=[*ENTER[:3], "sti", "nop", ENTER[3]]),
     r"\(sti\) turns interrupts on; .* the user's RSP is only in gs:8", "sti"),
    ("sti among the pushes", dict(pushes=[*PUSHES[:3], "sti", *PUSHES[3:]]),
     r"\(sti\) turns interrupts on before the frame is whole", "sti"),
    ("the frame has another RIP",
     dict(pushes=["subq $2, %rcx", *PUSHES],
          tail=change(TAIL, "popq %rcx", "popq %rcx", "addq $2, %rcx")),
     r"the frame has the user's RIP .* - 2 where the user's RIP", "pushq %rcx"),
    ("no cli before the pops", dict(tail=[t for t in TAIL if t != "cli"]),
     "no cli stands after", "pop|call"),
    ("cli after a pop", dict(tail=exchange(TAIL, "cli", "popq %r9")),
     r"\(cli\) comes too late", "popq %r9"),
    ("sti before swapgs on exit", dict(leave=["sti", *LEAVE]),
     r"\(sti\) turns interrupts on; before line \d+ \(sysretq\)", "sti"),
    ("RSP only in the slot",
     dict(enter=ENTER[:3] + ["subq $8, %rsp"],
          tail=change(TAIL, "popq %rsp", "movq %gs:8, %rsp")),
     "RSP holds what another process's call left in gs:8", "movq %gs:8, %rsp"),
    ("RFLAGS by pushfq", dict(pushes=change(PUSHES, "pushq %r11", "pushfq")),
     "R11, the RFLAGS to return with, holds the kernel's RFLAGS", "popq %r11"),
    ("RIP at the syscall", dict(pushes=["subq $2, %rcx", *PUSHES]),
     r"RCX, the RIP to return to, holds the user's RIP .* - 2", "popq %rcx"),
    ("RSP saved after a push", dict(enter=["pushq %rax", *ENTER]),
     r"uses the user's stack.*without __attribute__\(\(naked\)\)", "pushq %rax"),
    ("the kernel's stack comes back", dict(
        tail=change(TAIL, "popq %rsp", "addq $8, %rsp")),
     "RSP holds the top of the kernel stack", "addq"),
    ("DF set for C", dict(call=["std", *CALL]), r"calls C with DF set, by .*\(std\)",
     "std"),
    ("nothing at all", dict(enter=["ud2"]), "has no code yet", "ud2"),
    ("it ends too early", dict(leave=["swapgs", "ud2"]), "never returns", "ud2"),
    ("a register is saved after it was changed",
     dict(pushes=change(PUSHES, "pushq %rbp", "xorl %ebp, %ebp", "pushq %rbp")),
     r"RBP holds 0x0: .*popq %rbp\) takes the word that .*pushq %rbp\) wrote, and "
     r"line \d+ \(xorl %ebp, %ebp\) had put it there", "popq %rbp"),
    ("the same, and no way back yet",
     dict(pushes=change(PUSHES, "pushq %rbp", "xorl %ebp, %ebp", "pushq %rbp"),
          tail=["ud2", LABEL]),
     r"\(pushq %rbp\) stores 0x0, and not what RBP held at entry: line \d+ \(xorl "
     r"%ebp, %ebp\) has changed RBP before it was saved", "xorl"),
    ("the result is changed before the store",
     dict(call=change(CALL, "addq $16, %rsp", "xorl %eax, %eax", "addq $16, %rsp")),
     r"RAX, the result, holds 0x0: .*movq %rax, 0x70\(%rsp\)\) wrote, and line \d+ "
     r"\(xorl %eax, %eax\) had put it there", "popq %rax"),
    ("a result of 32 bits",
     dict(call=change(CALL, "addq $16, %rsp", "cltq", "addq $16, %rsp")),
     "RAX, the result, holds the low 32 bits of the handler's result, sign-extended",
     "popq %rax"),
    ("a number of 16 bits",
     dict(shuffle=change(SHUFFLE, "movq %rax, %rdi", "movzwl %ax, %edi")),
     "there is the low 16 bits of the call's number", "movzwl"),
    ("swapgs twice on exit", dict(leave=["swapgs", *LEAVE]),
     r"kernel's GS: line \d+ \(swapgs\) undoes line \d+ \(swapgs\)", "swapgs"),
    ("swapgs before the last read through GS",
     dict(tail=change(TAIL, "popq %rsp", "popq %gs:8"),
          leave=["swapgs", "movq %gs:8, %rsp", "sysretq"]),
     r"GS_BASE is the user's again: line \d+ \(swapgs\) stands before it, and comes "
     "too early", r"movq %gs:8, %rsp"),
    ("cli when RSP is the user's",
     dict(tail=change([t for t in TAIL if t != "cli"], "popq %rsp", "popq %rsp",
                      "cli")),
     r"\(cli\) comes too late: line \d+ \(popq %r9\)", "popq %r9"),
    ("the label above the store", dict(call=CALL[:-1], tail=[
        LABEL, CALL[-1], *TAIL[1:]]),
     r"\(a forked child\): on return RAX, the result, holds what the kernel had in "
     "RAX", ""),
    # On a stub that is not finished, the mistake is told, not what is to come.
    ("popped in a wrong order, and no cli yet",
     dict(tail=exchange([t for t in TAIL if t != "cli"], "popq %rcx", "popq %r11")),
     "R(CX|11) and R(11|CX) come back exchanged", "popq"),
    ("no swapgs on exit, and no cli yet",
     dict(tail=[t for t in TAIL if t != "cli"], leave=["sysretq"]),
     "reached with the kernel's GS: no swapgs", "sysretq"),
    ("sysretl, and no cli yet",
     dict(tail=[t for t in TAIL if t != "cli"], leave=["swapgs", "sysretl"]),
     "no REX.W", "sysretl"),
    ("a word is not pushed, and nothing after the frame yet",
     dict(pushes=[p for p in PUSHES if p != "pushq %rbx"], shuffle=["ud2"]),
     "the frame has no word for RBX", ""),
    ("exchanged pushes, and nothing after the frame yet",
     dict(pushes=exchange(PUSHES, "pushq %r8", "pushq %r10"), shuffle=["ud2"]),
     "word at 8, where R8 belongs .* holds R10", "pushq %r10"),
    ("RSP is overwritten before it is saved, and nothing after the frame yet",
     dict(enter=[ENTER[0], ENTER[2], ENTER[1], ENTER[3]], shuffle=["ud2"]),
     "loads the kernel's RSP before anything has saved the user's", ""),
    ("the frame is right, and no argument is moved yet",
     dict(pushes=exchange(PUSHES, "pushq %r8", "pushq %r10"), shuffle=[],
          call=CALL[:2], tail=["ud2", LABEL]),
     "word at 8, where R8 belongs .* holds R10", "pushq %r10"),
    ("a word of the frame is not restored from it",
     dict(tail=change(TAIL, "popq %rbx", "addq $8, %rsp")),
     r"\(a forked child\): on return RBX holds what the kernel had in RBX", ""),
]


@pytest.mark.parametrize(("parts", "cause", "line"), [w[1:] for w in WRONG],
                         ids=[w[0] for w in WRONG])
def test_a_wrong_stub_is_told_what_is_wrong(
    stubs: Stubs, parts: dict[str, Code], cause: str, line: str
) -> None:
    proof = prove(stubs(**parts))
    assert proof.decided and not proof.ok, proof.sentence
    assert proof.sentence == proof.findings[0].cause
    assert re.search(cause, proof.sentence), said(proof)
    if line:
        assert re.search(line, stubs.source(proof.findings[0].where)), said(proof)


def test_a_stub_needs_a_label_where_a_child_begins(stubs: Stubs) -> None:
    path = stubs.directory / "kernel/fork.c"
    path.write_text(path.read_text().replace("syscall_exit", "syscall_entry"))
    stubs.changed.add("kernel/fork.c")
    proof = prove(stubs(tail=TAIL[1:]))
    assert re.search("no label syscall_exit", proof.sentence), said(proof)


def test_of_a_number_the_low_half_is_enough(stubs: Stubs) -> None:
    for move in ("movl %eax, %edi", "movslq %eax, %rdi"):
        assert_right(stubs(shuffle=change(SHUFFLE, "movq %rax, %rdi", move)))


def test_words_in_static_memory_are_lost_to_interrupts(stubs: Stubs) -> None:
    proof = prove(stubs(
        before="unsigned long saved_rcx;",
        pushes=["sti", "nop", *PUSHES],
        tail=change(TAIL, "popq %rcx", "addq $8, %rsp", "movq saved_rcx, %rcx"),
        enter=["movq %rcx, saved_rcx", *ENTER]))
    assert "what another process's call left in saved_rcx" in said(proof)


@pytest.mark.parametrize("field", ["r11", "rax"])
def test_a_struct_that_does_not_match_is_the_frames_fault(
    stubs: Stubs, field: str
) -> None:
    other = {"r11": "rcx", "rax": "rsp"}[field]
    path = stubs.directory / "kernel/frame.h"
    text = re.sub(r"(?m)^(FRAME_ASSERT|_Static_assert)\([^;]*;\n", "",
                  path.read_text())
    text = text.replace(f"uint64_t {field};", "uint64_t place;")
    text = text.replace(f"uint64_t {other};", f"uint64_t {field};")
    path.write_text(text.replace("uint64_t place;", f"uint64_t {other};"))
    stubs.changed |= {"kernel/frame.c", "kernel/fork.c", "kernel/exec.c",
                      "kernel/syscall.c"}
    proof = prove(stubs())
    assert not proof.of("entry"), said(proof)
    assert re.search(f"struct syscall_frame has ({field}|{other}) at",
                     proof.of("frame")[0].cause)


# ---- what is not decided ----------------------------------------------------


@pytest.mark.parametrize(("parts", "what"), [
    (dict(call=[*CALL, "testq %rax, %rax", "js 1f", "nop", "1: nop"]),
     r"not decided: .* at line \d+ \(js .*; the tests decide"),
    (dict(call=["call *%rbx", *CALL]), "only the run tells"),
    (dict(call=[*CALL, "1: jmp 1b"]), r"no end after \d+ instructions"),
    (dict(call=["cpuid", *CALL]), r"\(cpuid\)"),
], ids=["a branch", "a call by a register", "no end", "an instruction"])
def test_what_is_beyond_it_is_said(stubs: Stubs, parts: dict[str, Code],
                                   what: str) -> None:
    proof = prove(stubs(**parts))
    assert not proof.ok and not proof.decided
    assert re.search(what, proof.sentence)


def test_a_decoder_with_names_of_its_own_is_the_graders_error(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    cpu.must_follow_what_is_right.cache_clear()
    monkeypatch.setattr("machine.code.Instruction.mnemonic",
                        property(lambda i: "sysretq" if i.bytes[-1:] == b"\x07" else
                                 super(Instruction, i).mnemonic))
    with pytest.raises(RuntimeError, match="480f07 is 'sysretq'"):
        prove(KERNEL)
    cpu.must_follow_what_is_right.cache_clear()
