"""The kernel's command line, and what is said of a mistake in it."""

import pytest

from machine.qemu import STATUS_PANIC, run


def test_a_program_gets_its_arguments() -> None:
    result = run("/bin/echo one two")
    assert "one two\n" in result.console, result.report


def test_quotes_keep_blanks_and_commas_together() -> None:
    result = run("/bin/echo 'a  b,c' d")
    assert "a  b,c d\n" in result.console, result.report


@pytest.mark.parametrize("option, word", [
    ("hz=fast", "hz"),
    ("hz=0", "hz"),
    ("hzz=1000", "hzz"),
    ("verbose", "verbose"),
    ("init=/bin/nothing", "/bin/nothing"),
    ("init=/etc/motd", "/etc/motd"),
    ("init=", "init"),
])
def test_a_mistake_ends_with_a_sentence_that_names_it(option: str, word: str
                                                      ) -> None:
    result = run(append=option)
    assert result.status == STATUS_PANIC, result.report
    sentence = [line for line in result.console.splitlines()
                if line.startswith("panic: ")]
    assert sentence and word in sentence[0], result.report
