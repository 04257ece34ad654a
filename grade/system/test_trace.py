"""A trace of a system call says what the machine did: what the real GDB shows of
the same run, the same each time, and as its schema has it."""

from __future__ import annotations

import copy
import json
import re
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Iterator

import pytest

from machine import deadlines, environment
from machine.qemu import TREE
from machine.x86 import GENERAL
from replay.recorder import Recorder
from replay.session import rewind

sys.path.insert(0, str(TREE / "labs"))
from transcripts import lab_tree  # noqa: E402  pylint: disable=wrong-import-position

# One process has all these tests, so that what they look at is recorded once.
pytestmark = pytest.mark.xdist_group("trace")

COMMAND = runpy.run_path(str(TREE / "grade/replay/trace.py"))
Trace = dict[str, Any]
SCHEMA = json.loads((TREE / "docs/trace.schema.json").read_text())
READ, GETPID, FORK, EXECVE, KILL, SIGUSR1 = 0, 39, 57, 59, 62, 10
# The second getpid of /bin/regs has a pattern in every register.
REGS = "/bin/regs 7"


@pytest.fixture(scope="module")
def call() -> Trace:
    return Recorder(REGS, GETPID, 2).record()


@pytest.fixture(scope="module")
def fork() -> Trace:
    return Recorder("/bin/forktest", FORK).record()


@pytest.fixture(scope="module")
def wrong() -> Trace:
    """The same call as `call`, through a stub that pops r8 and r10 in the wrong
    order."""
    tree = lab_tree(None, "grade/known_wrong/E68-r8-r10-exchanged.patch")
    return Recorder(REGS, GETPID, 2, tree=tree).record()


@pytest.fixture(scope="module")
def kill() -> Trace:
    """The call of a process that sends itself a signal, for which it has a handler."""
    return Recorder("/bin/handler", KILL).record()


@pytest.fixture(scope="module")
def exec_() -> Trace:
    """An execve that succeeds."""
    return Recorder("/bin/exectest", EXECVE).record()


@pytest.fixture(scope="module")
def stopped() -> Trace:
    """The read of a process in the background, four functions deep."""
    return Recorder("/bin/jobtest", READ, 2, depth=4).record()


@pytest.fixture(scope="module")
def dead() -> Trace:
    """A call where lab 3 is not done: the stub is one UD2. Its fault's frame would
    be pushed at the user's RSP, which SMAP forbids: a double fault."""
    return Recorder(REGS, tree=lab_tree(3)).record()


def section(trace: Trace, name: str) -> dict[str, Any]:
    found = [s for s in trace["sections"] if s["id"] == name]
    assert len(found) == 1, [s["id"] for s in trace["sections"]]
    return found[0]


def states(part: dict[str, Any]) -> list[dict[str, str]]:
    """Every state of a section, as a reader of the file works them out."""
    found = [dict(part["start"])]
    for step in part["steps"]:
        found.append({**found[-1], **step["set"]})
    return found


def text_at(trace: Trace, state: dict[str, str]) -> str:
    return str(trace["code"][state["rip"]]["asm"])


# ---- the format --------------------------------------------------------------

def faults(value: Any, schema: dict[str, Any], where: str = "") -> Iterator[str]:
    """What of a value is not as the schema says; knows as much of JSON Schema as
    this one uses, and refuses what it does not know."""
    schema = dict(schema)
    if "$ref" in schema:
        yield from faults(value, SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]],
                          where)
        return
    kinds = {"object": dict, "array": list, "string": str, "integer": int}
    kind = schema.pop("type", None)
    if kind and (not isinstance(value, kinds[kind]) or isinstance(value, bool)):
        yield f"{where}: {value!r:.60} is no {kind}"
        return
    required, names = schema.pop("required", []), schema.pop("propertyNames", {})
    properties = schema.pop("properties", {})
    others = schema.pop("additionalProperties", None)
    yield from (f"{where}: no {name}" for name in required if name not in value)
    for key in value if isinstance(value, dict) else []:
        yield from faults(key, names, f"{where} key")
        rule = properties.get(key, others)
        if rule is False:
            yield f"{where}: {key} is not in the schema"
        elif rule is not None:
            yield from faults(value[key], rule, f"{where}.{key}")
    items = schema.pop("items", None)
    for index, item in enumerate(value if items else []):
        yield from faults(item, items, f"{where}[{index}]")
    tests = {"const": lambda x: value == x, "enum": lambda x: value in x,
             "pattern": lambda x: re.search(x, value), "minimum": lambda x: value >= x,
             "minItems": lambda x: len(value) >= x,
             "maxItems": lambda x: len(value) <= x}
    for word in ("$schema", "title", "$defs"):
        schema.pop(word, None)
    for word, limit in schema.items():
        if not tests[word](limit):
            yield f"{where}: {value!r:.60} breaks {word} {limit!r:.60}"


@pytest.mark.parametrize("name", ["call", "fork", "exec_", "kill", "stopped", "wrong", "dead"])
def test_a_trace_is_as_its_schema_says(name: str,
                                       request: pytest.FixtureRequest) -> None:
    trace = request.getfixturevalue(name)
    assert not list(faults(trace, SCHEMA))
    for part in trace["sections"]:
        for state in states(part):
            assert set(state) == set(trace["registers"])
            assert state["rip"] in trace["code"]
    for code in trace["code"].values():
        assert "file" not in code or code["file"] in trace["files"]


def test_the_schema_finds_a_fault(call: Trace) -> None:
    broken = copy.deepcopy(call)
    broken["sections"][0]["steps"][3]["set"]["rip"] = 17
    broken["sections"][0]["steps"][4]["jump"] = "0x1"
    del broken["frame"]
    assert len(list(faults(broken, SCHEMA))) == 3


# ---- it is what happened -----------------------------------------------------

def shown_registers(answer: str) -> dict[str, str]:
    rows = dict(re.findall(r"^(\w+) +(0x[0-9a-f]+)", answer, re.MULTILINE))
    names = {"eflags": "rflags", "k_gs_base": "kernel_gs_base"}
    return {names.get(name, name): hex(int(value, 16)) for name, value in rows.items()}


def test_registers_and_stack_are_what_gdb_shows(call: Trace) -> None:
    """In the same run, at five places; and the kernel stack at the third."""
    part = section(call, "call")
    seen = states(part)
    stub = "kernel/syscall_entry.c"
    handler = next(i for i, state in enumerate(seen)
                   if call["code"][state["rip"]].get("function") == "syscall_handler")
    leave = next(i for i, state in enumerate(seen)
                 if text_at(call, state) == "sysretq")
    places = [1, 3, handler, leave, len(seen) - 1]
    commands = ["break-user regs registers_call", "continue", "delete",
                "next-syscall getpid"]
    for place in places:
        # Breakpoints and no steps: nothing of the way is taken from the trace.
        commands += [f"tbreak *{seen[place]['rip']}", "continue", "info registers",
                     f"x/20gx {part['stack']['top']} - 160"]
    commands[4:6] = ["echo", "echo"]  # it is there already
    session = rewind(REGS, commands)
    for index, place in enumerate(places):
        real = shown_registers(session[4 + 4 * index + 2])
        ours = {k: v for k, v in seen[place].items() if k != "cpl"}
        assert ours == {name: real[name] for name in ours}, f"{stub}: state {place}"
        assert seen[place]["cpl"] == str(int(real["cs"], 16) & 3)
    memory = dict(part["memory"])
    for step in part["steps"][:handler]:
        memory |= {write["at"]: write["new"] for write in step.get("writes", [])}
    words = re.findall(r"\t(0x[0-9a-f]{16})", session[4 + 4 * 2 + 3])
    top = int(part["stack"]["top"], 16)
    assert [hex(int(word, 16)) for word in words] == [
        memory[hex(top - 160 + 8 * i)] for i in range(20)]


def test_the_frame_holds_the_users_registers(call: Trace) -> None:
    part = section(call, "call")
    user = part["start"]
    memory = {write["at"]: write["new"] for step in part["steps"][:22]
              for write in step.get("writes", [])}
    base = int(part["frame"], 16)
    saved = {field["name"]: memory[hex(base + field["offset"])]
             for field in call["frame"]["fields"]}
    saved_by_cpu = {"rcx": hex(int(user["rip"], 16) + 2), "r11": user["rflags"]}
    assert saved == {name: user[name] for name in GENERAL} | saved_by_cpu


def test_a_call_begins_and_ends_in_ring_3(call: Trace) -> None:
    part = section(call, "call")
    first, *_, last = states(part)
    assert text_at(call, first) == "syscall" and first["cpl"] == "3"
    assert last["cpl"] == "3" and int(last["rip"], 16) == int(first["rip"], 16) + 2
    assert part["end"]["kind"] == "returned"
    changed = {name for name in first if first[name] != last[name]}
    assert changed == {"rip", "rax", "rcx", "r11"}
    assert call["call"]["result"] == last["rax"] == hex(call["call"]["pid"])


def test_a_call_that_does_not_come_back_has_no_result(exec_: Trace) -> None:
    assert section(exec_, "call")["end"]["kind"] == "begins"
    assert section(exec_, "enter")["steps"] and "result" not in exec_["call"]


def test_every_instruction_of_the_stub_is_a_step(call: Trace) -> None:
    part = section(call, "call")
    stub = [i for i, state in enumerate(states(part)[:-1])
            if call["code"][state["rip"]].get("function") in ("syscall_entry",
                                                              "syscall_exit")]
    assert len(stub) > 40
    assert all("n" not in part["steps"][i] for i in stub)
    assert {call["code"][states(part)[i]["rip"]]["file"] for i in stub} == {
        "kernel/syscall_entry.c"}


def test_the_handler_in_lines_is_as_long_as_in_instructions(fork: Trace) -> None:
    """Counted by QEMU for what is stepped over, and by stepping for the rest."""
    def length(trace: Trace) -> int:
        return sum(step.get("n", 1) for step in section(trace, "call")["steps"])
    whole = Recorder("/bin/forktest", FORK, body="none").record()
    assert length(fork) == length(whole) > 1000
    assert len(section(whole, "call")["steps"]) < len(section(fork, "call")["steps"])


def test_fork_returns_twice(fork: Trace) -> None:
    parent = states(section(fork, "call"))[-1]
    child = states(section(fork, "child"))[-1]
    assert parent["cpl"] == child["cpl"] == "3"
    assert child["rax"] == "0x0" and parent["rax"] == fork["call"]["result"] != "0x0"
    assert {name for name in parent if parent[name] != child[name]} == {"rax", "cr3"}
    assert section(fork, "child")["pid"] == int(parent["rax"], 16)
    assert section(fork, "child")["stack"] != section(fork, "call")["stack"]


def test_a_call_that_a_signal_interrupts_ends_in_the_handler(kill: Trace) -> None:
    """The stub's tail is the same; what it pops has been written meanwhile."""
    last = states(section(kill, "call"))[-1]
    assert section(kill, "call")["end"]["kind"] == "handler"
    assert kill["code"][last["rip"]]["function"] == "note"
    assert int(last["rdi"], 16) == SIGUSR1 and last["cpl"] == "3"


def test_after_the_handler_every_register_is_as_if_there_had_been_none(kill: Trace
                                                                       ) -> None:
    before = section(kill, "call")["start"]
    again = section(kill, "resume")
    assert text_at(kill, again["start"]) == "syscall" and again["start"]["rax"] == "0xf"
    assert again["end"]["kind"] == "resumed"
    after = states(again)[-1]
    next_rip = hex(int(before["rip"], 16) + 2)
    assert after == {**before, "rip": next_rip, "rcx": next_rip, "r11": before["rflags"],
                     "rax": "0x0"}
    assert kill["call"]["result"] == "0x0"


def test_a_call_that_a_signal_has_stopped_is_made_again(stopped: Trace) -> None:
    """Nothing has changed for the program: at the same SYSCALL, with the same number."""
    part = section(stopped, "call")
    before, after = part["start"], states(part)[-1]
    assert part["end"]["kind"] == "again" and "result" not in stopped["call"]
    assert after == {**before, "rcx": before["rip"], "r11": before["rflags"]}
    assert [step["over"] for step in part["steps"] if step.get("slept")] == ["proc_stop"]


def test_a_deeper_trace_goes_into_what_the_calls_function_calls(stopped: Trace) -> None:
    functions = [stopped["code"][state["rip"]].get("function")
                 for state in states(section(stopped, "call"))]
    for function in ("syscall_handler", "sys_read", "terminal_read", "foreground_check"):
        assert function in functions
    over = {step.get("over") for step in section(stopped, "call")["steps"]}
    assert "group_send" in over and "foreground_check" not in over


def test_the_way_out_of_rt_sigreturn_is_an_interrupts(kill: Trace) -> None:
    rips = [state["rip"] for state in states(section(kill, "resume"))]
    functions = [kill["code"][rip].get("function") for rip in rips]
    assert "trap_return" in functions and "syscall_exit" not in functions
    assert kill["code"][rips[-2]]["asm"] == "iretq"


def test_the_gdt_and_the_msrs_are_told_to_the_cpu(call: Trace) -> None:
    events = [event for name in ("gdt", "msr") for step in section(call, name)["steps"]
              for event in step.get("events", [])]
    (lgdt,) = [event for event in events if event["kind"] == "lgdt"]
    assert lgdt["limit"] == "0x37" and lgdt["entries"][6] == "0xaffa000000ffff"
    (ltr,) = [event for event in events if event["kind"] == "ltr"]
    assert [ltr[key] for key in ("selector", "limit", "iomap_base")] == [
        "0x18", "0x67", "0x68"]
    assert {event["register"]: event["selector"] for event in events
            if event["kind"] == "segment"} == {
                "cs": "0x8", **dict.fromkeys(("ss", "ds", "es", "fs", "gs"), "0x10")}
    written = {event["name"]: event["new"] for event in events
               if event["kind"] == "wrmsr"}
    assert written.keys() == {"EFER", "STAR", "LSTAR", "SFMASK", "KERNEL_GS_BASE"}
    assert written == {name: call["msrs"][name] for name in written}


# ---- two traces --------------------------------------------------------------

def test_two_recordings_are_the_same(call: Trace) -> None:
    assert Recorder(REGS, GETPID, 2).record() == call


def test_a_wrong_stub_differs_at_its_wrong_line(call: Trace, wrong: Trace) -> None:
    right, other = (section(trace, "call") for trace in (call, wrong))
    pairs = enumerate(zip(states(right), states(other)))
    first = next(i for i, (a, b) in pairs
                 if text_at(call, a) != text_at(wrong, b) or a != b)
    state = states(other)[first]
    assert text_at(wrong, state) == "popq %r10"
    code = wrong["code"][state["rip"]]
    line = wrong["files"][code["file"]].splitlines()[code["line"] - 1]
    assert 'asm("popq %r10")' in line
    assert other["steps"][first]["set"]["r10"] == right["start"]["r8"]


# ---- what goes wrong ---------------------------------------------------------

def test_of_a_kernel_that_dies_in_the_call_the_trace_is_kept(dead: Trace) -> None:
    part = section(dead, "call")
    assert part["end"]["kind"] == "exception"
    fault = part["steps"][-1]["exception"]
    assert fault["name"] == "#DF" and "syscall_entry" in fault["text"]
    assert text_at(dead, states(part)[-2]) == "ud2"
    assert section(dead, "msr")["end"]["kind"] == "end"


def test_a_trace_ends_at_its_limit() -> None:
    trace = Recorder("/bin/hello", GETPID, body="all", limit=30).record()
    part = section(trace, "call")
    assert part["end"]["kind"] == "limit" and len(part["steps"]) == 30


@pytest.mark.parametrize("arguments, sentence", [
    (["nothing"], "there is no program /bin/nothing"),
    ([""], "which program?"),
    (["hello", "--number", "sing"], "NR=sing is neither a number nor a call"),
    (["hello", "--number", "fork"],
     "made 0 fork calls, 3 of any kind; then the first program ended with status 0")])
def test_an_error_is_one_sentence(arguments: list[str], sentence: str, tmp_path: Path,
                                  capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "trace.json"
    assert COMMAND["main"]([*arguments, "--output", str(output)]) == 1
    said = capsys.readouterr()
    assert not said.out and not output.exists()
    assert sentence in said.err and len(said.err.splitlines()) == 1


def test_make_trace_writes_what_was_recorded(tmp_path: Path) -> None:
    output = tmp_path / "trace.json"
    done = subprocess.run(
        ["make", "-s", "trace", "PROG=hello", f"OUT={output}"], cwd=TREE, text=True,
        capture_output=True, env=environment.without_make(), timeout=deadlines.host())
    assert done.returncode == 0 and "hello[1] calls getpid" in done.stdout, done
    trace = json.loads(output.read_text())
    assert trace["program"] == "/bin/hello"
    assert trace["files"]["kernel/msr.c"] == (TREE / "kernel/msr.c").read_text()


def test_a_recorder_for_learners_loads_no_judge_and_no_test_runner() -> None:
    """What is loaded once a trace has been recorded and written."""
    program = ("import runpy, sys\n"
               "sys.argv = ['trace', '/bin/hello', '--number', 'write', '--output',"
               " sys.argv[1]]\n"
               "try:\n    runpy.run_module('replay.trace', run_name='__main__')\n"
               "except SystemExit as end:\n    assert end.code == 0\n"
               "print('loaded:', *sys.modules)\n")
    with tempfile.TemporaryDirectory(prefix="threshold-") as directory:
        done = subprocess.run(
            [sys.executable, "-c", program, f"{directory}/trace.json"],
            cwd=TREE, env={**environment.without_make(), "PYTHONPATH": "grade"},
            capture_output=True, text=True, check=True, timeout=deadlines.host())
    loaded = {name.partition(".")[0]
              for name in done.stdout.rpartition("loaded:")[2].split()}
    assert "machine" in loaded and "replay" in loaded
    assert not loaded & {"pytest", "judge", "proof", "intake", "report"}
