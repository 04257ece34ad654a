"""The questions of the labs: what a student has written into labs/answers.toml,
and whether it is right.

A right answer is computed: from the kernel's headers, from how the CPU and C
are defined, or from the student's id by the function that /bin/puzzle has too.
Texts are collected. Whatever is wrong with the file is one sentence, and the
labs are graded all the same.
"""

from __future__ import annotations

import dataclasses
import re
import signal
import struct
from typing import Any, Callable, Mapping, NoReturn, Optional, Union

try:
    import tomllib
except ModuleNotFoundError:  # before Python 3.11
    import tomli as tomllib  # type: ignore[no-redef]

from machine.headers import constants
from machine.qemu import TREE
from .near_misses import near_miss

Record = dict[str, Any]

FILE = "labs/answers.toml"
# The file without answers has 8 KB.
SIZE_LIMIT = 64_000
# Reading it takes a hundredth of a second; one made to take for ever gets more,
# in seconds of CPU.
PATIENCE = 1.0

MASK = (1 << 64) - 1
# Which bit of a code descriptor is L (AMD APM vol. 2 section 4.8.1).
DESCRIPTOR_L = 53
# What C's first six arguments are in (System V ABI, AMD64, section 3.2.3).
C_ARGUMENTS = ("rdi", "rsi", "rdx", "rcx", "r8", "r9")
REGISTERS = ("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9",
             "r10", "r11", "r12", "r13", "r14", "r15")

# What an id may be made of: a word of the kernel's command line, no comma.
ID = re.compile(r"[A-Za-z0-9._@-]{1,64}")


class AnswersError(Exception):
    """Why the answers cannot be read, in a sentence."""


# ---- what is right ----------------------------------------------------------

def number_of(student: str, lab: int) -> int:
    """The number that user/puzzle.c makes of an id, 64 bits."""
    state = lab
    for byte in student.encode():
        _, state = _random_next(state ^ byte)
    return _random_next(state)[1]


def _random_next(state: int) -> tuple[int, int]:
    """splitmix64, as in user/lib/random.c: the next state, and the number."""
    state = (state + 0x9E3779B97F4A7C15) & MASK
    z = state
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
    return state, z ^ z >> 31


def _number_of(header: str, name: str) -> int:
    """A number that a header of this tree defines."""
    return constants(TREE / header)[name]


def _gdt(name: str) -> int:
    return _number_of("kernel/gdt.h", name)


def _x86(name: str) -> int:
    return _number_of("kernel/x86.h", name)


def _frame(name: str) -> int:
    return _number_of("kernel/syscall_entry.h", f"FRAME_{name}")


def _machine_check_stack() -> int:
    """Its place in the TSS: a reserved word, RSP0 to RSP2, two reserved words,
    then IST1 (AMD APM vol. 2 section 12.2.5)."""
    return struct.calcsize("<I3QQ") + 8 * (_gdt("IST_MACHINE_CHECK") - 1)


def _efer() -> int:
    return sum(_x86(f"EFER_{bit}") for bit in ("SCE", "LME", "LMA", "NXE"))


def _star() -> int:
    """SYSRET's base, less than its SS by 8, over SYSCALL's."""
    return _gdt("USER_DS") - 8 << 48 | _gdt("KERNEL_CS") << 32


def _puzzle_selector(student: str) -> int:
    return number_of(student, 1) & 0x7FF8 | 0x8003


def _puzzle_flags(student: str) -> int:
    flags = constants(TREE / "user/lib/probe.h")
    return flags["FLAGS_BASE"] | number_of(student, 2) & flags["FLAGS_FREE"]


def _with_frames() -> int:
    """How many of the processes of question 4.4 are inside a call."""
    inside = {"nanosleep": True, "wait4": True, "read": True,
              "interrupted in ring 3": False, "not yet begun": False}
    return sum(inside.values())


Answer = Union[int, str]


@dataclasses.dataclass(frozen=True)
class Question:
    """One question: `right` computes its answer from the student's id, and is
    None where a text is collected. `words` are what may be answered, unless a
    number is asked for."""

    right: Optional[Callable[[str], Answer]]
    words: tuple[str, ...] = ()
    of_student: bool = False


def _number(compute: Callable[[], int]) -> Question:
    return Question(lambda _: compute())


def _word(word: str, words: tuple[str, ...]) -> Question:
    return Question(lambda _: word, words)


def _of_student(compute: Callable[[str], int]) -> Question:
    return Question(compute, of_student=True)


TEXT = Question(None)

QUESTIONS: dict[int, tuple[Question, ...]] = {
    1: (
        _number(lambda: _gdt("USER_CS") & ~7),
        _number(lambda: 8 * _gdt("GDT_ENTRIES") - 1),
        _number(lambda: DESCRIPTOR_L),
        _number(_machine_check_stack),
        # The error code names the selector without its RPL.
        _of_student(lambda student: _puzzle_selector(student) & ~3),
        TEXT,
    ),
    2: (
        _number(_efer),
        _number(_star),
        _number(lambda: _bit(_x86("RFLAGS_TF"))),
        _word("rsp", ("rcx", "r11", "rsp", "rip")),
        _of_student(_puzzle_flags),
        TEXT,
    ),
    3: (
        # 16 at the call, and the call has pushed its return address.
        _number(lambda: -8 % 16),
        _number(lambda: _frame("RCX")),
        # The number stands in front of the call's own arguments.
        _word(C_ARGUMENTS[3], REGISTERS),
        _number(lambda: -_number_of("kernel/errno.h", "ENOSYS")),
        _of_student(lambda student: number_of(student, 3)),
        TEXT,
    ),
    4: (
        _number(lambda: _frame("R10")),
        _number(lambda: _frame("SIZE")),
        _word("null", ("frame", "null", "stale")),
        _number(_with_frames),
        _of_student(lambda student: number_of(student, 4) % (1 << 47)),
        TEXT,
    ),
    5: (
        _word("rax", REGISTERS),
        _number(lambda: 2 ** 5),
        _number(lambda: 3 << 8),  # STATUS_EXITED in kernel/proc.h
        _number(lambda: _bit(_x86("PTE_W"))),
        _of_student(lambda student: number_of(student, 5)),
        TEXT,
    ),
}


def _bit(mask: int) -> int:
    """The number of the one bit that is set."""
    return mask.bit_length() - 1


# ---- what was written -------------------------------------------------------

def parse(data: bytes) -> Mapping[str, Any]:
    """The file's tables. Raises AnswersError."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise AnswersError(f"{FILE} line {line} is not text in UTF-8.") from None
    before = signal.signal(signal.SIGVTALRM, _too_long)
    signal.setitimer(signal.ITIMER_VIRTUAL, PATIENCE)
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise AnswersError(f"{FILE} nests its values too deep.") from None
    except ValueError as error:
        raise AnswersError(_complaint(str(error), text)) from None
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _too_long(*_: object) -> NoReturn:
    raise AnswersError(f"{FILE} takes too long to read: an answer is a number, a "
                       "word or a text between quotes.")


def _complaint(error: str, text: str) -> str:
    """What the TOML reader found, with the line as it stands there."""
    match = re.search(r"\(at line (\d+), column \d+\)$", error)
    if not match:
        if error.endswith("(at end of document)"):
            return (f"{FILE} is not TOML: at its end a quote or bracket is still "
                    "open.")
        return f"{FILE} is not TOML: {error[:200]}."
    number = int(match[1])
    line = (text.split("\n")[number - 1:number] or [""])[0].strip()
    return (f"{FILE} line {number} is not TOML, {line[:60]!r}: an answer is a "
            'number, or stands between quotes, as in q1.1 = "text".')


def check(tables: Mapping[str, Any], only: Optional[int] = None
          ) -> tuple[str, list[Record], Optional[str]]:
    """The student's id, a record for each question (of one lab only, if it is
    given), and what else is to be said about the file."""
    student = tables.get("student", "")
    if isinstance(student, int) and not isinstance(student, bool):
        student = _text(student)
    note = None
    if not isinstance(student, str) or not (
            student == "" or ID.fullmatch(student)):
        note = (f"{FILE}: student has to be a login or number of letters, digits, "
                ". _ - and @.")
        student = ""
    records = []
    for lab, questions in QUESTIONS.items():
        given = tables.get(f"q{lab}", {})
        given = given if isinstance(given, dict) else {}
        for number, question in enumerate(questions, start=1):
            if only in (None, lab):
                records.append({
                    "lab": lab, "id": f"q{lab}.{number}",
                    "checked": question.right is not None,
                    **_checked(f"q{lab}.{number}", question,
                               given.get(str(number), ""), student)})
    return student, records, note or _unknown(tables)


def _checked(name: str, question: Question, value: object, student: str) -> Record:
    """What became of one answer."""
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        return _outcome("wrong", "", "The answer is neither a number nor between "
                        "quotes.")
    given = _text(value).strip()
    if not given:
        return _outcome("empty", "")
    if question.right is None:
        return _outcome("collected", given)
    if question.of_student and not student:
        return _outcome("wrong", given, "This answer depends on your id, and "
                        "student is empty.")
    right = question.right(student)
    if isinstance(right, str):
        word = given.lstrip("%$").lower()
        if word not in question.words:
            return _outcome("wrong", given, "The answer is one of "
                            f"{', '.join(question.words)}.")
        if word == right:
            return _outcome("right", given)
    else:
        number = _number_in(given)
        if number is None:
            return _outcome("wrong", given, "The answer is a number, decimal or "
                            "hexadecimal as 0x2a.")
        if number & MASK == right & MASK and -MASK <= number <= MASK:
            return _outcome("right", given)
        if told := near_miss(name, right, number):
            return _outcome("wrong", given, told)
    return _outcome("wrong", given, f"The comment above it in {FILE} says where to "
                    "look.")


def _outcome(outcome: str, given: str, message: Optional[str] = None) -> Record:
    return {"given": given, "outcome": outcome, "message": message}


def _text(value: Union[str, int]) -> str:
    """An answer as text. Python writes no decimal number of any length."""
    if isinstance(value, int) and abs(value) > MASK:
        return f"{value:#x}"
    return str(value)


def _number_in(text: str) -> Optional[int]:
    match = re.fullmatch(r"([+-]?)(?:(0[xX][0-9a-fA-F]+)|(0*[0-9]{1,20}))", text)
    if not match:
        return None
    number = int(match[2], 16) if match[2] else int(match[3])
    return -number if match[1] == "-" else number


def _unknown(tables: Mapping[str, Any]) -> Optional[str]:
    """A sentence on what no question is called, as a mistyped id."""
    known = {"student"} | {f"q{lab}.{number}" for lab, questions in
                           QUESTIONS.items() for number in
                           range(1, len(questions) + 1)}
    for name, value in tables.items():
        inner = value if isinstance(value, dict) and name != "student" else {"": 0}
        for key in inner:
            full = f"{name}.{key}" if key else name
            if full not in known:
                return f"{FILE} answers {full[:40]!r}, but there is no such question."
    return None
