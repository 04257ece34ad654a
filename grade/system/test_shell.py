"""The shell as a person meets it: typed at on a terminal (by pexpect, through
`make qemu`), and given whole lines."""

from __future__ import annotations

import re
from typing import Iterator

import pexpect
import pytest

from machine import deadlines
from machine.qemu import TREE, Machine

# QEMU's terminal adds a return to the one that the kernel sends.
NEWLINE = r"\r+\n"


@pytest.fixture
def terminal(make_environment: dict[str, str]) -> Iterator[pexpect.spawn]:
    """`make qemu` on a terminal, at its prompt."""
    child = pexpect.spawn("make", ["qemu"], cwd=str(TREE), env=make_environment,
                          timeout=deadlines.run(), encoding="utf-8")
    try:
        child.expect(NEWLINE + r"\$ ")
        yield child
    finally:
        child.close(force=True)


def answer(terminal: pexpect.spawn, line: str) -> str:
    """Types a line and gives what came between its echo and the next prompt."""
    terminal.send(line + "\r")
    terminal.expect(re.escape(line) + NEWLINE)
    terminal.expect_exact("$ ")
    return re.sub(NEWLINE, "\n", terminal.before)


@pytest.fixture
def shell() -> Iterator[Machine]:
    """A machine at the shell's prompt."""
    with Machine() as machine:
        machine.expect(r"^\$ ")
        yield machine


def run_in_front(shell: Machine, line: str) -> None:
    """Types a line that runs cat, and knows that it runs: it has answered."""
    shell.send(line + "\n")
    shell.expect(re.escape(line) + "\n")
    shell.send("are you there?\n")
    shell.expect(r"^are you there\?\nare you there\?\n")


def ends(shell: Machine, line: str, job: int, status: int = 143) -> bool:
    """Types a line, and waits until the shell has said that a job ended by it. It
    says so before a prompt, this or a later one; cd takes no process."""
    said = shell.command(line)
    while f"[{job}] ended" not in said:
        said += shell.command("cd /")
    return f"[{job}] ended, status {status}" in said


# Two makes at once would build the same files.
makes = pytest.mark.xdist_group("make")


@makes
def test_a_session(terminal: pexpect.spawn) -> None:
    assert "regs\n" in answer(terminal, "ls /bin")
    assert "all held" in answer(terminal, "regs 7")
    assert "forktree" in answer(terminal, "forktree 3")
    assert answer(terminal, "cat /etc/motd | cat") == (
        TREE / "user/etc/motd").read_text()
    assert "all held" in answer(terminal, "hostile")
    assert answer(terminal, "echo still here") == "still here\n"


@makes
def test_ctrl_a_x_leaves(terminal: pexpect.spawn) -> None:
    terminal.send("\x01x")
    terminal.expect(pexpect.EOF)
    terminal.wait()
    assert terminal.exitstatus == 0, terminal.before


@makes
def test_ctrl_d_leaves(terminal: pexpect.spawn) -> None:
    terminal.send("\x04")
    terminal.expect(pexpect.EOF)
    terminal.wait()
    assert "status 0" in terminal.before and terminal.exitstatus == 0


@makes
def test_ctrl_c_does_not_end_qemu(terminal: pexpect.spawn) -> None:
    terminal.send("\x03")
    terminal.expect(r"\^C" + NEWLINE + r"\$ ")
    assert "alive\n" in answer(terminal, "echo alive")


def test_backspace_takes_a_character_back(shell: Machine) -> None:
    shell.send("echo wrony\x7fg\x08g\n")
    shell.expect(r"^wrong$")


def test_backspace_stops_at_the_prompt(shell: Machine) -> None:
    shell.send("ab\x7f\x7f\x7f\x7fecho fine\n")
    shell.expect(r"^fine$")


def test_ctrl_u_takes_the_line_back(shell: Machine) -> None:
    shell.send("echo wrong\x15echo right\n")
    shell.expect(r"^right$")


def test_ctrl_w_takes_a_word_back(shell: Machine) -> None:
    shell.send("echo right wrong \x17\n")
    shell.expect(r"^right$")


def test_ctrl_c_ends_the_program_and_not_the_shell(shell: Machine) -> None:
    run_in_front(shell, "cat")
    shell.send("\x03")
    shell.expect(r"^\$ ")
    assert shell.command("echo $?") == f"{128 + 2}\n"


def test_ctrl_c_reaches_a_handler(shell: Machine) -> None:
    shell.send("signals keys\n")
    shell.expect(r"press Ctrl-C\n")
    shell.send("\x03")
    shell.expect(r"signals: \d+ checks, all held")


def test_ctrl_c_ends_all_of_a_pipe(shell: Machine) -> None:
    shell.send("cat | cat | cat\n")
    shell.expect(r"cat\n")
    shell.send("\x03")
    shell.expect(r"^\$ ")
    assert "cat" not in shell.command("ps")


def test_ctrl_c_at_the_prompt_throws_the_line_away(shell: Machine) -> None:
    shell.send("echo wrong\x03")
    shell.expect(r"wrong\^C\n\$ ")
    assert shell.command("echo right") == "right\n"


def test_ctrl_c_reaches_nobody_in_the_background(shell: Machine) -> None:
    shell.send("sleep 1000 &\n")
    shell.expect(r"^\$ ")
    shell.send("\x03")
    shell.expect(r"\^C\n\$ ")
    assert "sleep" in shell.command("ps")


def test_ctrl_d_after_text_gives_the_text(shell: Machine) -> None:
    shell.send("cat\n")
    shell.expect(r"cat\n")
    shell.send("half\x04")
    shell.expect(r"halfhalf")
    shell.send("\x04")
    shell.expect(r"\$ ")


def test_cd_changes_where_names_start(shell: Machine) -> None:
    assert shell.command("cd /etc") == ""
    assert "motd" in shell.command("ls")
    assert shell.command("cd ..; cd bin; pwd") == "/bin\n"


def test_cd_to_nowhere_says_so(shell: Machine) -> None:
    assert "/nowhere" in shell.command("cd /nowhere")
    assert shell.command("pwd") == "/\n"


def test_the_status_of_the_last_program_is_known(shell: Machine) -> None:
    shell.command("false")
    assert shell.command("echo $?") == "1\n"
    shell.command("true")
    assert shell.command("echo $?") == "0\n"


def test_a_program_that_is_not_there_is_one_line(shell: Machine) -> None:
    said = shell.command("nosuchprogram")
    assert "nosuchprogram" in said and said.count("\n") == 1
    assert shell.command("echo $?") == "127\n"


def test_semicolons_separate(shell: Machine) -> None:
    assert shell.command("echo one; echo two") == "one\ntwo\n"


def test_pipes_connect_three_programs(shell: Machine) -> None:
    assert shell.command("cat /etc/motd | cat | wc").split()[0] == str(
        (TREE / "user/etc/motd").read_text().count("\n"))


def test_the_prompt_does_not_wait_for_the_background(shell: Machine) -> None:
    shell.send("sleep 1 &\n")
    shell.expect(r"^\$ ")
    assert "sleep" in shell.command("ps")


def test_a_fault_in_a_pipe_leaves_the_shell_whole(shell: Machine) -> None:
    shell.command("crash | cat")
    assert shell.command("echo fine") == "fine\n"


def test_quoted_words_stay_together(shell: Machine) -> None:
    assert shell.command("echo 'a   b' \"c ; d\"") == "a   b c ; d\n"


def test_a_line_of_a_thousand_characters_does_no_harm(shell: Machine) -> None:
    shell.send("echo " + "x" * 3000 + "\n")
    shell.expect(r"^\$ ")
    assert shell.command("echo fine").endswith("fine\n")


def test_a_page_that_is_pasted_at_once_comes_whole(shell: Machine) -> None:
    text = "".join(f"line {n} of a page that is longer than the ring\n"
                   for n in range(200))
    shell.send("sleep 1 ; wc\n")
    shell.expect(r"wc\n")
    shell.send(text + "\x04")  # nobody reads for a second
    shell.expect(rf"^ *200 +{len(text.split())} +{len(text)}\b")
    shell.expect(r"^\$ ")


def test_thirty_programs_in_one_pipe_pass_the_text_on(shell: Machine) -> None:
    shell.send("cat < /etc/motd | " + " | ".join(["cat"] * 30) + " | wc\n")
    lines = (TREE / "user/etc/motd").read_text().count("\n")
    shell.expect(rf"^\s*{lines}\b")


def test_more_processes_than_there_can_be_is_an_error_and_no_end(shell: Machine
                                                                 ) -> None:
    for _ in range(10):
        shell.send(" | ".join(["sleep 1000"] * 30) + " &\n")
        shell.expect(r"\$ ")
    assert "cannot start a process: no process left" in shell.console
    assert "running  sleep 1000" in shell.command("jobs")
    assert "there is no such job" in shell.command("kill %60")
    assert ends(shell, "kill %1", 1)  # no program, which would be one more
    assert shell.command("sleep 0; echo $?") == "0\n"
    shell.send("fg\n")
    shell.expect(r"fg\nsleep 1000 .*\n")
    shell.send("\x03")
    shell.expect(r"\$ ")
    assert shell.command("echo fine") == "fine\n"


def test_what_a_program_prints_goes_into_a_file(shell: Machine) -> None:
    shell.command("echo one > /tmp/a; echo two >> /tmp/a")
    assert shell.command("cat < /tmp/a") == "one\ntwo\n"
    shell.command("echo three > /tmp/a")
    assert shell.command("cat /tmp/a") == "three\n"


def test_errors_go_where_they_are_sent(shell: Machine) -> None:
    assert shell.command("cat /nowhere 2> /tmp/errors") == ""
    assert "/nowhere" in shell.command("cat /tmp/errors")
    assert shell.command("cat /nowhere > /tmp/both 2>&1") == ""
    assert shell.command("cat /tmp/both") == shell.command("cat /tmp/errors")


def test_the_shells_own_commands_print_into_files_too(shell: Machine) -> None:
    assert shell.command("help > /tmp/help") == ""
    assert shell.command("cat /tmp/help") == (TREE / "user/etc/help").read_text()
    assert shell.command("echo here") == "here\n"


@pytest.mark.parametrize("line, why", [
    ("echo a >", "a file name must follow"),
    ("echo a > > b", "a file name must follow"),
    ("echo a 2>&x", "a file number must follow"),
    ("cat < /nowhere", "/nowhere: no such file"),
    ("echo a > /", "/: is a directory"),
    ("> /tmp/a", "a command is missing"),
])
def test_a_wrong_redirection_is_one_line(shell: Machine, line: str, why: str) -> None:
    said = shell.command(line)
    assert why in said and said.count("\n") == 1
    assert shell.command("echo $?") in ("1\n", "2\n")


def test_names_are_made_moved_linked_and_removed(shell: Machine) -> None:
    shell.command("mkdir /tmp/d /tmp/d/e; echo text > /tmp/d/e/f")
    shell.command("mv /tmp/d/e /tmp/e; ln -s /tmp/e/f /tmp/link; ln /tmp/e/f /tmp/d")
    assert shell.command("cat /tmp/link") == "text\n"
    assert "exists" in shell.command("ln /tmp/e/f /tmp/d")
    assert "directory" in shell.command("rm /tmp/d")
    shell.command("mkdir /tmp/d/" + "/".join("1" * 9) + "; mkdir /tmp/d/1 /tmp/d/1/2")
    assert shell.command("rm -r /tmp/d /tmp/e /tmp/link; ls /tmp") == ""


def test_ctrl_z_stops_and_fg_goes_on(shell: Machine) -> None:
    run_in_front(shell, "cat | cat")
    shell.send("\x1a")
    shell.expect(r"stopped  cat \| cat\n\$ ")
    assert shell.command("jobs") == "[1] stopped  cat | cat\n"
    shell.send("fg\n")
    shell.expect(r"fg\ncat \| cat\n")
    shell.send("after\n\x04")
    shell.expect(r"^after\nafter\n\$ ")
    assert shell.command("jobs") == ""


def test_who_reads_in_the_background_is_told_to_have_stopped(shell: Machine) -> None:
    shell.command("cat & sleep 0.5")
    assert shell.command("jobs") == "[1] stopped  cat\n"
    shell.send("fg\n")
    shell.expect(r"fg\ncat\n")
    shell.send("after\n\x04")
    shell.expect(r"^after\nafter\n\$ ")


def test_ctrl_c_ends_a_whole_pipeline_and_no_job_in_the_background(
    shell: Machine
) -> None:
    shell.send("sleep 1000 &\n")
    shell.expect(r"\$ ")
    run_in_front(shell, "cat | cat")
    shell.send("\x03")
    shell.expect(r"\$ ")
    assert shell.command("echo $?") == "130\n"
    assert shell.command("jobs") == "[1] running  sleep 1000\n"


def test_what_has_been_stopped_goes_on_in_the_background(shell: Machine) -> None:
    run_in_front(shell, "sh -c 'cat; echo and now; sleep 0.5'")
    shell.send("\x04")
    shell.expect(r"^and now\n")
    shell.send("\x1a")
    shell.expect(r"stopped .*\n\$ ")
    assert "sleep 0.5' &\n" in shell.command("bg")
    shell.command("wait")
    assert shell.command("jobs") == ""


def test_a_job_that_is_not_there_is_one_line(shell: Machine) -> None:
    assert shell.command("fg") == "sh: there is no job\n"
    assert "no such job" in shell.command("fg 7")
    assert "no such process" in shell.command("kill 9999")


def test_help_has_every_program(shell: Machine) -> None:
    words = re.findall(r"[\w-]+", shell.command("help"))
    missing = set(shell.command("ls /bin").split()) - set(words)
    assert not missing, "user/etc/help has no line for these"


# ---- a line is edited -------------------------------------------------------

UP, DOWN, RIGHT, LEFT = "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D"


@pytest.mark.parametrize("keys, line", [
    ("ecXho" + LEFT * 2 + "\x7f" + "\x05 left", "left"),
    ("ho wrong" + "\x01ec\x05\x17right", "right"),
    ("cho home" + "\x1b[He", "home"),
    ("cho home" + "\x1bOHe\x1bOF s", "home s"),
    ("cho home" + "\x1b[1~e\x1b[4~ t", "home t"),
    ("XXXecho kill" + "\x01" + RIGHT * 3 + "\x15", "kill"),
    ("echo end and more" + LEFT * 9 + "\x0b", "end"),
    ("Yecho delete" + "\x01\x1b[3~", "delete"),
    ("Yecho control d" + "\x01\x04", "control d"),
    ("echo one two" + LEFT * 3 + "\x17", "two"),
    ("echo \u00e4\u00f6\u00fc" + LEFT * 2 + "\x7f" + RIGHT * 5 + "!", "\u00f6\u00fc!"),
    ("echo \u00e4" + LEFT + "\u20ac", "\u20ac\u00e4"),
    (LEFT * 3 + RIGHT * 3 + "\x7f\x0b\x15\x17" + DOWN + "echo \x1b[1;5Cnothing",
     "nothing"),
])
def test_keys_go_back_in_the_line(shell: Machine, keys: str, line: str) -> None:
    shell.send(keys.encode() + b"\n")
    shell.expect(rf"^{re.escape(line)}\n\$ ")


def test_up_and_down_go_through_what_was_typed(shell: Machine) -> None:
    for word in ("one", "two", "two", "three"):
        shell.command(f"echo {word}")
    shell.send(UP * 3 + "!\n")  # the second two is no line of its own
    shell.expect(r"^one!\n\$ ")
    shell.send("echo unfinished" + UP * 2 + DOWN * 3 + " line\n")
    shell.expect(r"^unfinished line\n\$ ")
    shell.send(UP * 200 + "?\n")
    shell.expect(r"^one\?\n\$ ")


def test_the_history_forgets_the_oldest_and_nothing_else(shell: Machine) -> None:
    for number in range(80):
        shell.command(f"echo {number}")
    shell.send(UP * 100 + ".\n")
    shell.expect(r"^16\.\n\$ ")


def test_a_program_has_the_terminal_as_it_was(shell: Machine) -> None:
    """Lines, echo and rubout are the kernel's there, before and after Ctrl-C."""
    for _ in range(2):
        run_in_front(shell, "cat")
        shell.send("wrong\x15right\n")
        shell.expect(r"^right\n")
        shell.send("\x03")
        shell.expect(r"^\$ ")


def test_what_is_typed_into_a_file_of_commands_is_as_it_was(shell: Machine) -> None:
    assert shell.command("echo 'echo a b' | sh") == "a b\n"


def screen_of(text: str, width: int) -> list[str]:
    """What a terminal of that width shows of this text."""
    rows, row, column = {}, 0, 0
    for piece in re.findall(r"\x1b\[\d*[A-Z]|.", text, re.DOTALL):
        count = int(re.sub(r"\D", "", piece) or 1) if len(piece) > 1 else 0
        if piece == "\n":
            row, column = row + 1, 0
        elif piece == "\r":
            column = 0
        elif piece.endswith("A") and count:
            row -= count
        elif piece.endswith("C") and count:
            column += count
        elif piece.endswith("J") and count:
            rows = {at: there for at, there in rows.items()
                    if at[0] < row or at[0] == row and at[1] < column}
        else:
            if column == width:
                row, column = row + 1, 0
            rows[row, column] = piece
            column += 1
    last = max((at[0] for at in rows), default=0)
    return ["".join(rows.get((n, c), " ") for c in range(width)).rstrip()
            for n in range(last + 1)]


@pytest.mark.parametrize("length", [72, 73, 74, 75, 152, 153, 154, 200])
def test_a_line_longer_than_the_screen_is_shown_right(shell: Machine, length: int
                                                      ) -> None:
    """It is typed with mistakes: at its beginning, at its end, ninety before that
    (and a key too many at the end of the program's name makes no difference)."""
    begin = len(shell.console)
    text = "".join(chr(ord("a") + n % 26) for n in range(length))
    back = min(90, length)
    shell.send(f"cho {text}??" + "\x01e\x05\x7f\x7f!" + LEFT * back + "-\n")
    said = f"{text}!"
    said = said[:-back] + "-" + said[-back:]
    shell.expect(rf"^{said}\n\$ ")
    shown = screen_of("$ " + shell.console[begin:], 80)
    wanted = f"$ echo {said}"
    rows = [wanted[n:n + 80] for n in range(0, len(wanted), 80)]
    assert shown[:len(rows)] == rows


def test_a_job_is_named_with_a_percent_sign(shell: Machine) -> None:
    shell.command("sleep 1000 &")
    shell.command("sleep 2000 | cat &")
    assert ends(shell, "kill %2", 2)
    assert shell.command("jobs") == "[1] running  sleep 1000\n"
    shell.send("fg %1\n")
    shell.expect(r"^sleep 1000\n")
    shell.send("\x1a")
    shell.expect(r"^\[1\] stopped  sleep 1000\n\$ ")
    assert shell.command("bg %1") == "sleep 1000 &\n"
    shell.command("kill -19 %1")
    while "stopped" not in shell.command("jobs"):
        pass
    assert "sh: %7: there is no such job; try jobs\n" in shell.command("kill -0 %7")
    assert ends(shell, "kill %1", 1)  # which first lets it go on


def test_kill_takes_numbers_as_the_program_does(shell: Machine) -> None:
    said = shell.command("sleep 1000 &")
    pid = said.split()[1]
    assert "usage: kill" in shell.command("kill")
    assert shell.command("kill -9 nobody; echo $?").endswith("\n1\n")
    assert ends(shell, f"kill -9 {pid}", 1, status=137)
