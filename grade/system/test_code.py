"""Instructions have one name, whatever release of Capstone decodes them."""

from __future__ import annotations

import pytest

from machine.code import Code, is_sysretq
from machine.symbols import NoSymbols


@pytest.mark.parametrize("code, mnemonic, text", [
    ("480f07", "sysret", "sysretq"),
    ("0f07", "sysret", "sysretl"),
    ("48cf", "iretq", "iretq"),
    ("f3c3", "ret", "retq"),
    ("3effe0", "jmp", "jmpq *%rax"),
    ("f3a4", "rep movsb", "rep movsb (%rsi), (%rdi)"),
])
def test_an_instruction_has_one_name(code: str, mnemonic: str, text: str) -> None:
    decoder = Code(NoSymbols(), lambda *_: bytes.fromhex(code))
    found = decoder.decode(0)
    assert (found.mnemonic, decoder.text(0)) == (mnemonic, text)
    assert is_sysretq(found) == (code == "480f07")
