"""A test's name as a sentence: a small grammar of English."""

from __future__ import annotations

import re

from .contract import CONTRACT

# What a test's name cannot show: an apostrophe. No name has these as plurals.
OWNERS = "user parent child grandparent kernel process cpu 3".split()
SHOUTED = """gdt tss star lstar sfmask efer rax rbx rcx rdx rsi rdi rbp rsp rip rflags
cs ss ds es fs gs r8 r9 r10 r11 r12 r13 r14 r15 ist rsp0 gdtr tr cpu iretq sysret
syscall nmi df tf nt ac dpl rpl nx xmm null iopl simd io msr lgdt ltr cf id
enosys efault""".split()


PHRASES = {"64 bit": "64-bit", "32 bit": "32-bit", "no execute": "no-execute",
           "entry 18": "entry 0x18", "gib": "GiB", "c": "C", "kernel GS base": "KERNEL_GS_BASE",
           "single stepped": "single-stepped", "hlt cli": "hlt, cli",
           "getpid getppid": "getpid, getppid", "files directory": "files, directory"}


def title(name: str) -> str:
    """A test's name as a sentence."""
    bare, _, parameter = name.removeprefix("test_").partition("[")
    # Functions keep their underscores.
    functions = [f for f in (*CONTRACT, "syscall_handler") if f"_{f}_" in f"_{bare}_"]
    for number, function in enumerate(functions):
        bare = f"_{bare}_".replace(f"_{function}_", f"_<{number}>_").strip("_")
    words = bare.replace("_", " ")
    words = re.sub(rf"\b({'|'.join(OWNERS)})s\b", r"\1's", words)
    words = re.sub(rf"\b({'|'.join(SHOUTED)})\b",
                   lambda word: word[1].upper(), words)
    for spoken, written in PHRASES.items():
        words = re.sub(rf"\b{spoken}\b", written, words)
    begins = words[:1].upper() + words[1:]
    for number, function in enumerate(functions):
        begins = begins.replace(f"<{number}>", function)
    return begins + (f" ({parameter.rstrip(']')})" if parameter else "")
