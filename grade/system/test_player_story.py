"""The trace player tells a story: what it says at each step is true of what was
recorded, tables are decoded into words, a fork's two frames stand side by side, and
what a call may not change is checked at its end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from browser import Browser
from machine.qemu import TREE
from replay.recorder import Recorder
from playing import NEEDS_BROWSER, Trace, position, said, section, step_of, text
import notes  # docs/player, whose place conftest.py adds
import page

pytestmark = NEEDS_BROWSER
READ = 0


# What is told at an instruction of C code names the one that GCC chose.
OF_GCC = pytest.mark.of_gcc("the story of C code has other instructions")

def caption(browser: Browser, part: str, step: int) -> str:
    """What is said of a step of a part."""
    return str(browser.run(
        "return ThresholdTrace.explain(player.mine.section(arguments[0]), arguments[1]);",
        part, step))


# ---- what is said ------------------------------------------------------------

@OF_GCC
def test_the_first_sentence_says_what_this_is_and_what_to_do(player: Browser) -> None:
    assert said(player).startswith(
        "forktest[1] calls fork: one recorded system call, 88 steps. → or Step runs the "
        "next instruction; choosing a value leads to what wrote it.")


def test_the_step_button_is_the_one_that_stands_out(player: Browser) -> None:
    filled = player.run("""
        const plain = new Set(['.steps', '.tools'].flatMap((part) => [...player.shadowRoot
            .querySelectorAll(`${part} button:not(.main)`)]).map((button) =>
            getComputedStyle(button).backgroundColor));
        const main = player.shadowRoot.querySelector('[data-do=after]');
        return [plain.has(getComputedStyle(main).backgroundColor), main.innerText.trim()];""")
    assert filled == [False, "Step"]


@pytest.mark.parametrize("part, asm, words", [
    ("gdt", "lgdtq -0x1a(%rbp)", "GDTR is now base {gdt}, limit 0x37: 7 entries."),
    ("gdt", "ltrw %ax", "TR is now 0x18: the TSS at {tss}."),
    ("gdt", "movl %esi, %ss", "SS is now 0x10 (data, DPL 0, writable)."),
])
@OF_GCC
def test_the_instructions_of_lab_1_say_what_they_told_the_cpu(
        part: str, asm: str, words: str, player: Browser, right: Trace) -> None:
    events = [event for step in section(right, part)["steps"]
              for event in step.get("events", [])]
    base = {event["kind"]: event["base"] for event in events if "base" in event}
    expected = words.format(gdt=base["lgdt"], tss=base["ltr"])
    assert caption(player, part, step_of(right, asm, part)) == f"{asm}: {expected}"


def test_each_wrmsr_says_which_register_it_wrote(player: Browser, right: Trace) -> None:
    steps = section(right, "msr")["steps"]
    told = {event["name"]: caption(player, "msr", k) for k, step in enumerate(steps)
            for event in step.get("events", [])}
    assert told["EFER"] == \
        "wrmsr: EFER is now 0xd01 (SCE LME LMA NXE: SYSCALL is on)."
    assert "STAR is now 0x23000800000000 (SYSCALL: CS 0x8, SS 0x10; SYSRET: CS 0x33, " \
        "SS 0x2b)." in told["STAR"]
    assert told["LSTAR"].endswith("(syscall_entry).")
    assert told["SFMASK"].endswith("(SYSCALL clears TF IF DF IOPL NT AC).")
    assert told["KERNEL_GS_BASE"].endswith("(per_cpu).")


def test_no_step_with_an_event_is_said_to_do_nothing(player: Browser, right: Trace
                                                     ) -> None:
    for part in right["sections"]:
        for k, step in enumerate(part["steps"]):
            if step.get("events") or step.get("writes") or set(step["set"]) - {"rip"}:
                assert "only RIP moves" not in caption(player, part["id"], k)


def test_swapgs_says_what_is_in_both_registers(player: Browser, right: Trace) -> None:
    per_cpu = right["per_cpu"]["at"]
    assert caption(player, "call", step_of(right, "swapgs")) == (
        "swapgs exchanges GS base and KERNEL_GS_BASE: GS base is now "
        f"{per_cpu}, per_cpu; KERNEL_GS_BASE keeps 0x0.")


def test_syscall_says_what_sfmask_cleared(player: Browser, right: Trace) -> None:
    assert "SFMASK clears IF." in caption(player, "call", step_of(right, "syscall"))


def test_iretq_says_where_its_values_come_from(player: Browser) -> None:
    """A stub may go back by IRETQ; no wrong one does, so the step is made here."""
    sentence = player.run("""
        const json = structuredClone(player.mine.json);
        const call = json.sections.find((part) => part.id === 'call');
        const code = Object.values(json.code).find((c) => c.asm === 'sysretq');
        code.asm = 'iretq';
        const {Trace, explain} = ThresholdTrace, trace = new Trace(json);
        return explain(trace.section('call'), call.steps.length - 1);""")
    assert sentence.startswith("iretq: CPL 0 → 3. RIP, CS, RFLAGS, RSP and SS come from "
                               "five words of the stack: RIP is now registers_call+")


# ---- tables ------------------------------------------------------------------

def rows(browser: Browser, selector: str) -> list[list[str]]:
    """The cells of a table's rows, without what only a screen reader says."""
    cells: list[list[str]] = browser.run("""
        return [...player.shadowRoot.querySelectorAll(arguments[0])].map((row) =>
            [...row.children].map((cell) => { const copy = cell.cloneNode(true);
                copy.querySelectorAll('.hush').forEach((e) => e.remove());
                return copy.textContent.trim(); }));""", selector)
    return cells


@OF_GCC
def test_the_gdt_is_decoded_while_it_is_written(player: Browser, right: Trace) -> None:
    lgdt = step_of(right, "lgdtq -0x1a(%rbp)", "gdt")
    player.run("player._enter('gdt', arguments[0])", lgdt)
    assert "not loaded yet" in text(player, ".stack caption")
    table = {row[0]: row[1:] for row in rows(player, ".stack table:first-child tbody tr")}
    assert table["0x8"] == ["0xaf9a000000ffff", "code, DPL 0, 64-bit"]
    assert table["0x28"] == ["0xcff2000000ffff", "data, DPL 3, writable"]
    assert table["0x18"][1].startswith("TSS, DPL 0, limit 0x67, base 0xffffffff8")
    assert table["0x20"][1] == "the TSS's base, bits 63 to 32"
    player.press("end")
    table = {row[0]: row[1:] for row in rows(player, ".stack table:first-child tbody tr")}
    assert table["0x8"][1].endswith("← CS") and table["0x10"][1].endswith(
        "← SS DS ES FS GS") and table["0x18"][1].endswith("← TR")


def test_the_tss_is_said_in_words(player: Browser) -> None:
    """A stack's top is not the start of what comes after it."""
    player.run("player._enter('gdt', player.mine.section('gdt').length)")
    table = {row[0]: row[2] for row in rows(player, ".stack tbody tr")}
    assert [table[f"ist{n}"] for n in (1, 2, 3, 4)] == ["top of a stack in per_cpu"] * 4
    assert table["iomap_base"] == "no port for ring 3"


@OF_GCC
def test_a_word_of_the_gdt_leads_to_its_store(player: Browser, right: Trace) -> None:
    player.run("player._enter('gdt', player.mine.section('gdt').length)")
    player.run("""[...player.shadowRoot.querySelectorAll('.stack tr')].find((row) =>
        row.textContent.startsWith('0x30')).querySelector('button').click();""")
    assert player.run("return player.codeHere();") == "movq %rax, 0x30(%rbx)"
    assert "gdt[6] is written here" in said(player)


# ---- a fork ------------------------------------------------------------------

def differing(browser: Browser) -> list[list[str]]:
    return rows(browser, ".stack tr.differs")


@OF_GCC
def test_the_one_word_that_differs_is_lit(player: Browser, right: Trace) -> None:
    store = step_of(right, "movq $0, 0x70(%rbx)")
    player.run("player.go(arguments[0])", store)
    assert rows(player, ".stack thead tr") == [["", "", "parent (this)", "child"]]
    assert differing(player) == [], "as copied, they are equal"
    player.press("right")
    assert [row[1:] for row in differing(player)] == [["rax", "0x39", "0x0 ≠"]]
    assert "child.frame.rax is now 0x0 (what the call returns in the child)" in said(player)


def test_before_the_copy_there_is_one_stack(player: Browser, right: Trace) -> None:
    player.run("player.go(arguments[0])", step_of(right, "call syscall_handler"))
    assert rows(player, ".stack thead tr") == []


def test_the_child_stands_beside_what_its_parent_had(player: Browser, right: Trace
                                                     ) -> None:
    player.run("player._enter('child', 0)")
    assert [row[1:] for row in differing(player)] == [
        ["rax", "0x0", f"{right['call']['result']} ≠"]]


# ---- what a call may not change ----------------------------------------------

def test_at_the_last_step_a_right_call_is_said_to_be_right(player: Browser) -> None:
    player.press("end")
    assert "✓ Checked: all 22 that a call may not change are right." in said(player)
    marked = player.run("""return [...player.shadowRoot.querySelectorAll('tr.kept')].map(
        (row) => row.dataset.register);""")
    assert {"rbx", "r15", "rsp", "rflags", "gs_base", "rcx"} <= set(marked)
    assert "rax" not in marked
    player.press("left")
    assert player.run("return player.shadowRoot.querySelector('tr.kept');") is None


def test_what_a_wrong_stub_changed_is_marked_with_whose_it_is(player: Browser, wrong: Trace
                                                              ) -> None:
    player.run("player.load(arguments[0])", wrong)
    player.press("end")
    assert "✗ R8 came back with R10's pattern; R10 came back with R8's pattern." in \
        said(player)
    broken = rows(player, ".registers tr.broken")
    assert [row[0] for row in broken] == ["r8", "r10"]
    assert broken[0][2] == "✗ R10's pattern"


def test_a_call_that_is_made_again_finds_all_as_it_was(player: Browser) -> None:
    player.run("player.load(arguments[0])",
               Recorder("/bin/jobtest", READ, 2, depth=4).record())
    player.press("end")
    assert "it is made again. ✓ Checked: all 23" in said(player)
    rax, = (row for row in rows(player, ".registers tr") if row[0] == "rax")
    assert rax[2] == "✓ the number, once more"


def test_the_checks_are_those_of_the_program_regs(player: Browser) -> None:
    player.press("end")
    checks = player.run("return ThresholdTrace.checkSection(player.section)"
                        ".map((check) => check.name);")
    source = (TREE / "user/lib/registers.c").read_text()
    names = source.partition("names[] = {")[2].partition("}")[0]
    assert set(names.replace('"', " ").replace(",", " ").split()) - {"rax"} <= set(checks)


# ---- links, notes, playing ---------------------------------------------------

def test_an_address_leads_to_its_step(player: Browser, pages: dict[str, Path]) -> None:
    player.driver.get("about:blank")
    player.driver.get(f"{pages['right'].resolve().as_uri()}#child/3")
    assert player.run("return [player.section.id, player.position];") == ["child", 3]
    player.run("location.hash = '#call/22';")
    player.settle()
    assert player.run("return [player.section.id, player.position];") == ["call", 22]


def test_the_address_follows_the_steps(player: Browser) -> None:
    player.press("right", "right")
    player.driver.execute_async_script("""const done = arguments[0];
        (function wait() { location.hash === '#call/2' ? done()
            : setTimeout(wait, 20); })();""")


@pytest.mark.parametrize("address", ["#nowhere/3", "#call/x", "#call", "#call/999"])
def test_a_wrong_address_does_no_harm(address: str, player: Browser,
                                      pages: dict[str, Path]) -> None:
    player.driver.get("about:blank")
    player.driver.get(pages["right"].resolve().as_uri() + address)
    assert player.run("return player.section.id;") == "call"
    assert position(player) <= player.run("return player.section.length;")


def test_a_teachers_note_is_shown_at_its_step(player: Browser, right: Trace, tmp_path: Path
                                              ) -> None:
    noted: Any = json.loads(json.dumps(right))
    (tmp_path / "notes.txt").write_text(
        "# for the third lecture\ncall/pushq %rcx: SYSRET goes back\n  to this.\n"
        "child/0: Here begins the child.\n")
    notes.add_notes(noted, tmp_path / "notes.txt")
    (tmp_path / "noted.html").write_text(page.page(noted))
    player.open(tmp_path / "noted.html")
    shown = "return player.shadowRoot.querySelector('footer .note').textContent;"
    seen = "return getComputedStyle(player.shadowRoot.querySelector('footer .note')).visibility;"
    assert player.run(shown) == "" and player.run(seen) == "hidden"
    player.press("page_down", "page_down", "page_down")
    while player.run(shown) == "" and position(player) < 20:
        player.press("right")
    assert player.run(shown) == "SYSRET goes back to this."
    assert player.run(seen) == "visible"
    assert position(player) == step_of(right, "pushq %rcx") + 1
    player.run("player._enter('child', 0)")
    assert player.run(shown) == "Here begins the child."


@pytest.mark.parametrize("line, reason", [
    ("what is this", "1: not a note, as in: call/pushq %rcx: What it is good for."),
    ("cal/3: x", "1: the trace has no part cal; it has gdt, msr, call, child."),
    ("call/900: x", "1: call has only 88 steps."),
    ("call/pushq %rzz: x", "1: no step of call is pushq %rzz."),
])
@OF_GCC
def test_a_note_without_a_place_is_refused(line: str, reason: str, right: Trace,
                                           tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text(line + "\n")
    with pytest.raises(ValueError) as caught:
        notes.add_notes(json.loads(json.dumps(right)), tmp_path / "notes.txt")
    assert str(caught.value) == f"{tmp_path}/notes.txt:{reason}"


def test_it_plays_by_itself_and_stops(player: Browser) -> None:
    """The clock is the page's own: each tick of it is a step."""
    player.run("window.setInterval = (tick) => { window.tick = tick; return 7; };"
               "window.clearInterval = () => { window.tick = undefined; };")
    player.press("r")
    player.run("tick(); tick();")
    assert position(player) == 3, "one at once, and one for each tick"
    pressed = "return player.shadowRoot.querySelector('[data-do=play]').ariaPressed;"
    assert player.run(pressed) == "true"
    player.press("left")
    assert (position(player), player.run(pressed)) == (2, "false")
    player.run("player.go(player.section.length - 1)")
    player.press("r")
    assert player.run(pressed) == "false", "the end has been reached"


# ---- the desk, the handout, the phone ----------------------------------------

SIXTEEN = "rsp rax rcx r11 rbp rbx r12 r13 r14 r15 rdi rsi rdx r10 r8 r9".split()

# The rows of the frame that are in sight whole, their names and values uncut.
IN_SIGHT = """
    const panel = player.shadowRoot.querySelector('.stack .scroll').getBoundingClientRect();
    return [...player.shadowRoot.querySelectorAll('.stack tr.frame')].filter((row) => {
        const box = row.getBoundingClientRect();
        const cells = [...row.querySelectorAll('th, td:not(.note)')];
        return box.top >= panel.top && box.bottom <= panel.bottom
            && cells.every((cell) => cell.scrollWidth <= cell.clientWidth + 1);
    }).map((row) => row.querySelector('th').textContent.replace(' ●', ''));"""


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (736, 864)],
                         ids=["desk", "handout"])
def test_all_sixteen_words_and_their_names_are_in_sight(width: int, height: int,
                                                        player: Browser) -> None:
    """On a desk of 1280 by 800, and in a handout's frame there, where the frame is
    complete."""
    player.look(width, height)
    player.run("player.go(player.section.marks.find("
               "(mark) => mark.name === 'frame complete').position)")
    player.settle()
    assert player.run(IN_SIGHT) == SIXTEEN
    notes_cut = player.run("""return [...player.shadowRoot.querySelectorAll(
        '.stack tr.frame')].map((row) => row.lastChild.textContent.split(',')[0]);""")
    assert notes_cut[0] == "RSP" and notes_cut[2] == "RIP" and notes_cut[3] == "RFLAGS"


@OF_GCC
@pytest.mark.parametrize(("width", "height"), [(1280, 800), (736, 864)],
                         ids=["desk", "handout"])
@pytest.mark.parametrize("step", [0, 1])
def test_a_forks_two_frames_are_in_sight(width: int, height: int, step: int, player: Browser,
                                         right: Trace) -> None:
    """As copied, where each word is marked as changed, and where one differs."""
    player.look(width, height)
    player.run("player.go(arguments[0])", step_of(right, "movq $0, 0x70(%rbx)") + step)
    player.settle()
    assert player.run(IN_SIGHT) == SIXTEEN


@OF_GCC
def test_a_forks_two_values_are_apart_on_a_phone(player: Browser, right: Trace) -> None:
    player.look(390, 844, phone=True)
    player.run("player._view('machine'); player.go(arguments[0])",
               step_of(right, "movq $0, 0x70(%rbx)"))
    player.settle()
    cut = player.run("""return [...player.shadowRoot.querySelectorAll('.stack tr.frame *')]
        .filter((cell) => cell.matches('th, td') && cell.scrollWidth > cell.clientWidth + 1)
        .map((cell) => cell.textContent);""")
    assert cut == []


@OF_GCC
@pytest.mark.parametrize(("width", "height", "lines"), [
    (1280, 800, 2), (736, 864, 4), (390, 844, 7)], ids=["desk", "handout", "phone"])
def test_what_is_said_is_short_and_in_sight(width: int, height: int, lines: int,
                                            player: Browser, right: Trace) -> None:
    """At each step, as at the last, where it says whether all is right. What was written
    at once is told as one."""
    player.look(width, height, phone=width < 400)
    tall = player.run("""
        const said = player.shadowRoot.querySelector('[role=status]'), found = [];
        const line = parseFloat(getComputedStyle(said).lineHeight);
        for (const part of player.mine.sections) {
            player._enter(part.id, 0);
            for (let k = 0; k <= part.length; k++) {
                player.go(k);
                if (said.scrollHeight > Math.ceil(line * arguments[0]) + 1
                    || said.scrollHeight > said.clientHeight + 1) {
                    found.push(`${part.id}/${k}: ${said.textContent}`);
                }
            }
        }
        return found;""", lines)
    assert tall == []
    assert "16 words are written, child.frame.r9 to child.frame.rsp;" in caption(
        player, "call", step_of(right, "movq $0, 0x70(%rbx)") - 1)


def test_the_smallest_text_of_the_picture_can_be_read(player: Browser) -> None:
    smallest = player.run("""
        const svg = player.shadowRoot.querySelector('.drawing svg');
        const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
        return Math.min(...[...svg.querySelectorAll('text')].map((text) =>
            parseFloat(getComputedStyle(text).fontSize) * scale));""")
    assert smallest >= 9.5
