"""The story of a submission's kernel that stopped or hung: what happened, and at
which line. Each kernel here is the tree's own, with one line more."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Callable

import pytest

from machine.kernel import Kernel
from machine.qemu import TREE
from intake import build, read
from judge.lab import Lab
from judge.verdict import Verdict

# Not a lab's: of this file's tests the plugin makes no verdicts.
Story = Callable[..., Verdict]


@pytest.fixture
def story(request: pytest.FixtureRequest, tmp_path: Path) -> Story:
    """What is told of a kernel in which `new` follows `old` in a lab's file."""
    def tell(name: str, old: str, new: str, program: str = "/bin/probe_exit 0"
             ) -> Verdict:
        files = read.collect(TREE)
        text = files[name].decode()
        assert old in text
        files[name] = text.replace(old, old + new, 1).encode()
        kernel = build.kernel(files, tmp_path)
        lab = Lab(kernel, Kernel(kernel), 1, request.node.name)
        request.addfinalizer(lab.close)
        begin = time.monotonic()
        with pytest.raises(Verdict) as info:
            lab.run(program)
        print(f"{time.monotonic() - begin:.1f} s\n{info.value}")
        return info.value
    return tell


LINE_OF_EFER = "wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);"


def line_of(name: str, text: str) -> str:
    lines = (TREE / name).read_text().splitlines()
    return f"{name}:{1 + next(i for i, line in enumerate(lines) if text in line)}"


def test_a_halt_without_interrupts(story: Story) -> None:
    verdict = story("kernel/msr.c", LINE_OF_EFER, ' asm volatile("cli; hlt");')
    assert verdict.outcome == "hung"
    assert "halted with IF clear" in verdict.cause and "init_syscall" in verdict.cause
    assert verdict.where == line_of("kernel/msr.c", LINE_OF_EFER)


def test_a_loop_without_an_end(story: Story) -> None:
    verdict = story("kernel/msr.c", LINE_OF_EFER, ' for (;;) ;')
    assert verdict.outcome == "hung"
    assert "spinning in ring 0 in init_syscall" in verdict.cause
    assert verdict.where == line_of("kernel/msr.c", LINE_OF_EFER)


def test_a_loop_in_a_system_call(story: Story) -> None:
    verdict = story("kernel/frame.c", "struct proc *p = proc_current();",
                    " while (p->in_syscall) ;", "/bin/fork_registers 1")
    assert verdict.outcome == "hung"
    assert "get_syscall_frame" in verdict.cause


def test_a_triple_fault(story: Story) -> None:
    verdict = story("kernel/gdt.c", "lgdt(&gdtr);",
                    " *(volatile char *)0xdead000 = 1;")
    assert verdict.outcome == "stopped"
    assert verdict.cause.startswith("Triple fault: #PF in ring 0, a write to "
                                    "0xdead000 at gdt_init")
    assert verdict.where == line_of("kernel/gdt.c", "lgdt(&gdtr);")


def test_a_selector_of_no_descriptor(story: Story) -> None:
    verdict = story("kernel/gdt.c", "lgdt(&gdtr);",
                    ' asm volatile("movl %0, %%ds" : : "r"(0x48));')
    assert "#GP(0x48) in ring 0, for selector 0x48 of the GDT" in verdict.cause


def test_a_panic(story: Story) -> None:
    verdict = story("kernel/fork.c", '#include "proc.h"',
                    "\n#include \"panic.h\"\n#define proc_ready(p) "
                    'panic("fork: lost %d", 7)', "/bin/fork_registers 1")
    assert verdict.outcome == "stopped"
    assert "fork: lost 7" in verdict.cause
    assert "fork (kernel/fork.c:" in verdict.cause


def test_a_fault_of_the_kernel(story: Story) -> None:
    verdict = story("kernel/fork.c", "long result = -ENOSYS;",
                    " *(volatile char *)16 = 1;", "/bin/fork_registers 1")
    assert verdict.outcome == "stopped"
    assert "#PF in ring 0" in verdict.cause
    assert verdict.where == line_of("kernel/fork.c", "long result = -ENOSYS;")


def test_a_reset(story: Story) -> None:
    verdict = story("kernel/msr.c", LINE_OF_EFER,
                    ' for (;;) asm volatile("outb %0, $0x64" : : "a"((char)0xfe));')
    assert verdict.outcome == "stopped"
    assert "without a triple fault" in verdict.cause


def test_a_flood(story: Story) -> None:
    verdict = story("kernel/msr.c", '#include "syscall_entry.h"\n',
                    '#include "print.h"\n#define rdmsr(x) ({ for (;;) kprintf('
                    '"passed passed passed\\n"); 0; })\n')
    assert verdict.outcome == "hung"
    assert "floods the console" in verdict.cause or "spinning" in verdict.cause
