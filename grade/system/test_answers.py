"""The questions' answers: what is right, and that no answers file costs a
grade."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Optional

import pytest

import labs
from machine import deadlines
from machine.kernel import Kernel
from machine.qemu import KERNEL, TREE
from machine.symbols import Symbols
from intake import answers, near_misses
from intake.answers import QUESTIONS, AnswersError
from replay.session import debug

STUDENT = "ab12cde"
TEMPLATE = (TREE / answers.FILE).read_text()
IDS = [f"q{lab}.{number}" for lab, questions in QUESTIONS.items()
       for number in range(1, len(questions) + 1)]


def outcome(question: str, given: object, student: str = STUDENT) -> str:
    """What becomes of one answer."""
    return record(question, given, student)["outcome"]


def record(question: str, given: object, student: str = STUDENT) -> dict[str, Any]:
    lab, number = question[1:].split(".")
    _, records, _ = answers.check({"student": student,
                                   f"q{lab}": {number: given}})
    return next(r for r in records if r["id"] == question)


def right(question: str, student: str = STUDENT) -> Any:
    lab, number = question[1:].split(".")
    compute = QUESTIONS[int(lab)][int(number) - 1].right
    return compute(student) if compute else "a text"


# ---- the file that students get ---------------------------------------------

def test_the_file_asks_every_question_and_answers_none() -> None:
    tables = answers.parse(TEMPLATE.encode())
    assert [f"{lab}.{number}" for lab, inner in tables.items() if lab != "student"
            for number in inner] == IDS
    _, records, note = answers.check(tables)
    assert {r["outcome"] for r in records} == {"empty"} and note is None


def test_each_lab_asks_for_four_to_six_things() -> None:
    assert QUESTIONS.keys() == labs.LABS.keys()
    for questions in QUESTIONS.values():
        assert 4 <= len(questions) <= 6
        assert sum(q.of_student for q in questions) >= 1
        assert 1 <= sum(q.right is None for q in questions) <= 2


def test_each_question_says_where_its_answer_is_found() -> None:
    asked = re.findall(r"((?:^# .*\n)+)(q\d\.\d) = ", TEMPLATE, re.MULTILINE)
    assert [question for _, question in asked] == IDS
    for comment, question in asked:
        if right(question) != "a text":
            assert re.search(r"Look at|GDB|figure|manual", comment), question


# ---- what is right ----------------------------------------------------------

@pytest.mark.parametrize("question", IDS)
def test_the_right_answer_is_right_and_another_is_wrong(question: str) -> None:
    answer = right(question)
    if answer == "a text":
        assert outcome(question, "Because.") == "collected"
        return
    assert outcome(question, answer) == outcome(question, str(answer)) == "right"
    assert outcome(question, "  ") == "empty"
    if isinstance(answer, int):
        assert outcome(question, f"{answer & (1 << 64) - 1:#x}") == "right"
        assert outcome(question, answer + 1) == "wrong"
        assert outcome(question, answer + (1 << 65)) == "wrong"
    else:
        assert outcome(question, f"%{answer.upper()}") == "right"
        assert outcome(question, "r99") == "wrong"


@pytest.mark.parametrize("question", IDS)
def test_no_message_tells_the_right_answer(question: str) -> None:
    answer = right(question)
    for given in ("nonsense", "r15", "12345", "0xg"):
        message = record(question, given)["message"] or ""
        message = message.replace("0x2a", "")
        if isinstance(answer, int):
            assert str(answer) not in re.findall(r"-?\w+", message)


@pytest.mark.parametrize("question", [q for q in IDS if isinstance(right(q), int)])
def test_a_near_miss_is_told_what_it_is_and_not_what_is_right(question: str) -> None:
    answer = right(question)
    told = near_misses.NEAR[question](answer)
    assert told and answer not in told
    for number in told:
        made = record(question, f"{number:#x}")
        assert made["outcome"] == "wrong" and made["message"].startswith("That is ")
        assert made["message"].endswith(f"{told[number]}.")
        assert not {str(answer), f"{answer:#x}"} & set(
            re.findall(r"-?\w+", made["message"])), made


@pytest.mark.parametrize("question, given, word", [
    ("q1.1", "0x33", "selector"), ("q1.2", "56", "size"), ("q1.3", "54", "D"),
    ("q2.3", "0x100", "mask"), ("q3.4", "38", "sign"), ("q5.3", "3", "exit")])
def test_a_likely_slip_is_named(question: str, given: str, word: str) -> None:
    assert re.search(rf"\b{word}\b", record(question, given)["message"])


def test_an_answer_that_depends_on_the_id_needs_one() -> None:
    made = record("q3.5", right("q3.5"), student="")
    assert made["outcome"] == "wrong" and "student is empty" in made["message"]


def test_two_students_have_two_answers() -> None:
    for lab, questions in QUESTIONS.items():
        for number, question in enumerate(questions, start=1):
            if question.of_student:
                made = {right(f"q{lab}.{number}", f"student{i}") for i in range(64)}
                assert len(made) > 48, f"q{lab}.{number}"


def test_headers_and_debug_information_agree_with_the_answers() -> None:
    kernel = Kernel(KERNEL)
    assert right("q3.2") == kernel_offset(kernel, "rcx")
    assert right("q4.1") == kernel_offset(kernel, "r10")


def kernel_offset(kernel: Symbols, field: str) -> int:
    done = subprocess.run(
        ["gdb", "-q", "-nx", "-batch", "-ex",
         f"print (long)&((struct syscall_frame *)0)->{field}", str(KERNEL)],
        capture_output=True, text=True, timeout=deadlines.host(), check=True)
    return int(done.stdout.split()[-1])


# What answers.toml says to type, and where the number then stands.
SHOWN = {
    "q1.5": (["continue"], r"#GP\((0x\w+)\)"),
    "q2.5": (["break *syscall_entry if $rax == 500", "continue", "print/x $r11"],
             r"= (0x\w+)$"),
    "q3.5": (["break *syscall_handler if $rdi == 500", "continue", "x/gx $rsp + 8"],
             r":\t(0x\w+)$"),
    "q4.5": (["break syscall_handler if nr == 500", "continue", "sysframe"],
             r"rsp +(0x\w+)"),
    "q5.5": (["break-user puzzle parent_looks", "continue", "print/x $rdi"],
             r"= (0x\w+)$"),
}


@pytest.mark.parametrize("question", [
    pytest.param(one, marks=pytest.mark.of_gcc("the program has other instructions"))
    if one == "q4.5" else one for one in SHOWN])
def test_the_debugger_shows_what_the_file_says_it_shows(question: str) -> None:
    commands, pattern = SHOWN[question]
    for command in commands[:-1]:
        if command != "continue":
            assert f"#     {command}\n" in TEMPLATE
    session = debug(f"/bin/puzzle {STUDENT} {question[1]}", commands)
    found = re.search(pattern, session[len(commands) - 1], re.MULTILINE)
    assert found, session
    assert outcome(question, found[1]) == "right", session


# ---- files that are not as they should be -----------------------------------

@pytest.mark.parametrize("text, sentence", [
    ('q1.1 = 0x30\nq1.2 = zero\n', r"line 2 is not TOML, 'q1.2 = zero'"),
    ('q1.1 = "\nq1.2 = 1\n', "line 1 is not TOML"),
    ('q1.1 = """', "still open"),
    ("q1.1 = 1\nq1.1 = 2\n", "line 2 is not TOML"),
    ("q1.1 = " + "[" * 20_000, "nests its values too deep"),
    ("q1.1 = " + "{a=" * 20_000, "nests its values too deep"),
    ("a." * 30_000 + "b = 1", "too long to read|not TOML|too deep"),
    ("q1.1 = \"\xff\"".encode("latin-1"), "line 1 is not text in UTF-8"),
], ids=["a word", "an open quote", "an open text", "twice", "brackets", "braces",
        "dots", "latin-1"])
def test_what_is_not_toml_is_one_sentence(text: Any, sentence: str) -> None:
    data = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(AnswersError, match=sentence) as error:
        answers.parse(data)
    assert "\n" not in str(error.value) and len(str(error.value)) < 250


@pytest.mark.parametrize("value", [1.5, True, [1], {"a": 1}])
def test_a_value_of_another_kind_is_a_wrong_answer(value: object) -> None:
    assert outcome("q1.1", value) == "wrong"


def test_an_enormous_number_is_a_wrong_answer() -> None:
    tables = answers.parse(b"q1.1 = 0x" + b"f" * 60_000)
    assert answers.check(tables)[1][0]["outcome"] == "wrong"


@pytest.mark.parametrize("text, unknown", [
    ("q1.7 = 1", "q1.7"), ("q9.1 = 1", "q9.1"), ("name = 1", "name")])
def test_an_answer_without_a_question_is_told(text: str, unknown: str) -> None:
    note = answers.check(answers.parse(text.encode()))[2]
    assert note and unknown in note


@pytest.mark.parametrize("student", ["Ada Lovelace", "a,/bin/sh", "x" * 65, "ä"])
def test_an_id_that_no_command_line_can_hold_is_told(student: str) -> None:
    made, _, note = answers.check({"student": student})
    assert made == "" and note and "student has to be" in note


# ---- what grade.py makes of them --------------------------------------------

@pytest.fixture
def grade(tmp_path: Path) -> Callable[[], dict[str, Any]]:
    """Grades lab 1 of a submission that is not built again."""
    shutil.copytree(TREE / "kernel", tmp_path / "kernel")
    (tmp_path / "labs").mkdir()

    def run(*arguments: str) -> dict[str, Any]:
        output = tmp_path / "grade.json"
        subprocess.run(
            [sys.executable, str(TREE / "grade/grade.py"), "--submission",
             str(tmp_path), "--output", str(output), "--lab", "1",
             "--kernel", "/nonexistent", *arguments],
            capture_output=True, text=True, timeout=deadlines.host(), check=False)
        return json.loads(output.read_text())
    return run


def test_the_result_holds_one_labs_answers(
    grade: Callable[[], dict[str, Any]], tmp_path: Path
) -> None:
    (tmp_path / answers.FILE).write_text('student = "ada"\nq1.1 = 48\nq2.1 = 1\n')
    made = grade()
    assert made["student"] == "ada"
    assert [a["outcome"] for a in made["answers"]] == ["right"] + 5 * ["empty"]
    assert made["total"]["points"] == 100


def two_gigabytes(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2 << 30)


HOSTILE: dict[str, tuple[Optional[Callable[[Path], object]], str]] = {
    "missing": (None, "is missing"),
    "2 GB": (two_gigabytes, "more than 64 KB"),
    "a link": (lambda path: path.symlink_to("/etc/passwd"), "but a link"),
    "a pipe": (os.mkfifo, "not an ordinary file"),
    "a directory": (Path.mkdir, "not an ordinary file"),
    "not TOML": (lambda path: path.write_text("student = root:"), "not TOML"),
    "deep": (lambda path: path.write_text("a=" + "[" * 9999), "too deep"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_answers_are_refused_and_the_lab_is_graded(
    what: str, grade: Callable[[], dict[str, Any]], tmp_path: Path
) -> None:
    make, sentence = HOSTILE[what]
    if make:
        make(tmp_path / answers.FILE)
    made = grade()
    assert made["error"] is None and made["tests"]
    assert made["answers"] == [] and sentence in made["answers_note"]
