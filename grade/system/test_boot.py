"""From power-on to the shell's prompt, and out again."""

from machine.qemu import Machine, run


def test_it_boots_to_the_prompt(firmware: str) -> None:
    with Machine(firmware=firmware) as machine:
        machine.expect(r"^\$ ")


def test_the_shells_exit_status_leaves_qemu(firmware: str) -> None:
    with Machine(firmware=firmware) as machine:
        machine.expect(r"^\$ ")
        machine.send("exit 3\n")
        result = machine.wait()
    assert result.code == 3 << 1 | 1, result.report


def test_the_first_programs_status_leaves_qemu(firmware: str) -> None:
    result = run("/bin/sh -c 'exit 9'", firmware=firmware)
    assert result.status == 9, result.report
    assert result.console.splitlines()[-1] == "sh: exit status 9", result.report


def test_a_status_above_124_is_told_apart_from_a_panic() -> None:
    result = run("/bin/sh -c 'exit 200'")
    assert result.status == 125, result.report
    assert result.console.splitlines()[-1] == "sh: exit status 200", result.report


def test_two_programs_can_be_started_side_by_side() -> None:
    result = run("/bin/sleep 1,/bin/echo second")
    assert result.status == 0, result.report
    assert "second\n" in result.console, result.report


def test_memory_beyond_the_default_is_found() -> None:
    def free_pages(megabytes: int) -> int:
        with Machine("/bin/free", memory=megabytes) as machine:
            return int(machine.expect(r"(\d+) free")[1])

    more = free_pages(512) - free_pages(128)
    # Each page costs some bytes of bookkeeping: allow it 2 % of the gain.
    assert more > (512 - 128) * 256 * 0.98
