"""What the harness says of the CPU and of the kernel is what the kernel's own
headers and debug information say."""

from __future__ import annotations

from pathlib import Path

import pytest

from machine import headers, page_tables, x86
from machine.kernel import Kernel
from machine.qemu import TREE

KERNEL = headers.kernel_constants(TREE)


@pytest.mark.parametrize("prefix, ours", [
    ("RFLAGS_", x86.FLAGS),
    ("MSR_", x86.MSRS),
    ("EFER_", {"SCE": x86.EFER_SCE, "LME": x86.EFER_LME, "LMA": x86.EFER_LMA,
               "NXE": x86.EFER_NXE}),
    ("PTE_", {"P": page_tables.PRESENT, "W": page_tables.WRITABLE,
              "U": page_tables.USER, "PS": page_tables.LARGE,
              "NX": page_tables.NO_EXECUTE, "ADDR": page_tables.ADDRESS}),
    ("", {"KERNEL_CS": x86.KERNEL_CS, "USER_DS": x86.RING3_SS,
          "USER_CS": x86.RING3_CS, "PAGE_SIZE": x86.PAGE}),
])
def test_the_kernels_headers_say_the_same(prefix: str, ours: dict[str, int]) -> None:
    theirs = headers.with_prefix(KERNEL, prefix)
    shared = ours.keys() & theirs.keys()
    assert shared and {name: theirs[name] for name in shared} == {
        name: ours[name] for name in shared}


def test_a_header_is_read_as_c_would(tmp_path: Path) -> None:
    header = tmp_path / "x.h"
    header.write_text(
        "#define PLAIN 0x30 /* a word */\n#  define SHIFTED (1 << 9) // more\n"
        "#define SUM (LATER - PLAIN * 2)\n#define LATER 0x100ul\n"
        "#define CALL(x) ((x) + 1)\n#define TEXT \"7\"\n#define SELF SELF\n"
        "#define NONE\n#define UNKNOWN (PLAIN + nowhere)\n")
    assert headers.constants(header) == {
        "PLAIN": 0x30, "SHIFTED": 512, "SUM": 0xA0, "LATER": 0x100}


def test_a_part_of_a_register_belongs_to_the_whole() -> None:
    parts = {"rax": 64, "eax": 32, "ax": 16, "al": 8, "ah": 8}
    assert {name: x86.whole(name) for name in parts} == {
        name: ("rax", bits) for name, bits in parts.items()}
    assert x86.whole("r10d") == ("r10", 32) and x86.whole("sil") == ("rsi", 8)
    for other in ("cs", "rip", "xmm0", "r16"):
        with pytest.raises(KeyError):
            x86.whole(other)


def test_the_kernels_shapes_are_read(kernel: Kernel) -> None:
    assert kernel.stack_bytes % x86.PAGE == 0 and kernel.stack_bytes > 0
    assert kernel.per_cpu("kernel_rsp") == kernel.per_cpu()
    assert kernel.per_cpu(cpu=1) - kernel.per_cpu() == kernel.size_of("per_cpu_data")
    assert kernel.vectors[kernel.trap_entry(14)] == 14
    assert sorted(kernel.frame_offsets.values())[-1] + 8 == kernel.frame_bytes
