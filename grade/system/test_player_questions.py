"""The trace player: predict, then reveal; and two traces compared."""

from __future__ import annotations

import json

import pytest

from browser import Browser
from playing import (ask, NEEDS_BROWSER, Trace, changed, position, said,
                     section, shown_registers, step_of, text)

pytestmark = NEEDS_BROWSER


# ---- predict, then reveal -------------------------------------------------------

def test_a_prediction_is_asked_before_it_is_shown(player: Browser, right: Trace) -> None:
    k = step_of(right, "pushq %rbx")
    player.run("player.go(arguments[0])", k)
    before = shown_registers(player)
    player.press("p")
    assert "What will it change" in text(player, ".ask")
    assert (position(player), shown_registers(player)) == (k, before)
    player.press("right")
    assert position(player) == k + 1
    assert shown_registers(player) != before


def test_a_right_prediction_by_keys_alone(player: Browser, right: Trace) -> None:
    k = step_of(right, "pushq %rbx")
    ask(player, k)
    rsp = section(right)["steps"][k]["set"]["rsp"]
    names = player.run("return [...player.shadowRoot.querySelectorAll("
                       "'.ask [type=checkbox]')].map((box) => box.value);")
    for name in names:
        player.press(*(["space"] if name in ("rsp", "memory") else []), "tab")
    player.press(*rsp, "enter")
    assert text(player, ".ask p").strip() == "✓ Right"
    assert "as you said" in text(player, ".ask")
    assert "1 of 1 right" in text(player, ".ask")


def test_a_wrong_prediction_is_told_what_was_missed(player: Browser, right: Trace
                                                    ) -> None:
    ask(player, step_of(right, "pushq %rbx"))
    player.run("""player.shadowRoot.querySelector('.ask [value="rbx"]').click();""")
    player.press("enter")
    answer = text(player, ".ask")
    assert "Not quite" in answer and "Not changed: RBX" in answer
    assert "Also changed: RSP, MEMORY" in answer or "Also changed: RSP, memory" in answer


def test_the_choices_do_not_tell_the_answer(player: Browser) -> None:
    leaks = player.run("""
        const {question} = ThresholdTrace, section = player.section;
        return section.steps.filter((step, k) => {
            const {choices, right} = question(section, k);
            return choices.length <= right.size + 2;
        }).map((step) => step.code.asm);""")
    assert leaks == []

# ---- two traces -----------------------------------------------------------------

def test_two_traces_part_at_the_first_wrong_instruction(comparing: Browser,
                                                        wrong: Trace) -> None:
    banner = text(comparing, ".parting")
    assert f"The traces part at step {step_of(wrong, 'popq %r8')}." in banner
    assert "Here popq %r10; in the reference popq %r8." in banner
    comparing.press("d")
    assert comparing.run("return player.codeHere();") == "popq %r10"
    assert "popq %r10" in text(comparing, ".ran .next")


def test_both_values_are_shown(comparing: Browser, right: Trace, wrong: Trace) -> None:
    comparing.press("end")
    note = comparing.run("""return player.shadowRoot.querySelector(
        '[data-register=r10]').textContent;""")
    r8, r10 = (section(right)["start"][name] for name in ("r8", "r10"))
    assert r8 in note and f"reference: {r10}" in note
    comparing.run("player.shadowRoot.querySelector('.parting summary').click();")
    table = text(comparing, ".parting table")
    assert "ring 3" in table and r8 in table and r10 in table


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (736, 864), (390, 844)])
def test_the_references_value_can_be_read(width: int, height: int, comparing: Browser) -> None:
    comparing.look(width, height, phone=width < 400)
    comparing.press("end")
    comparing.run("player._view('registers')")
    cut = comparing.run("""const notes = [...player.shadowRoot.querySelectorAll(
        '.registers tr.differs .note')];
        return [notes.length, notes.filter((note) => note.scrollWidth > note.clientWidth)
            .map((note) => note.textContent)];""")
    assert cut == [2, []]


def test_the_other_trace_is_shown_at_the_same_place(comparing: Browser) -> None:
    comparing.press("d", "x")
    assert comparing.run("return player.codeHere();") == "popq %r8"
    comparing.press("x")
    assert comparing.run("return player.codeHere();") == "popq %r10"


def test_the_wrong_trace_shows_the_callers_source(comparing: Browser, wrong: Trace
                                                  ) -> None:
    comparing.press("home")
    assert "is not in the trace" not in text(comparing, ".source")
    assert {code["file"] for code in wrong["code"].values() if "file" in code} <= set(
        wrong["files"])


def test_equal_traces_do_not_part(player: Browser) -> None:
    player.run("player.load(player.mine.json, player.mine.json)")
    assert "No difference" in text(player, ".parting")


def test_a_value_that_differs_is_found(player: Browser, right: Trace) -> None:
    other = json.loads(json.dumps(right))
    k = step_of(right, "movq %gs:0, %rsp")
    steps = section(other)["steps"]
    steps[k + 2]["writes"][0]["new"] = "0x1234"
    player.run("player.load(player.mine.json, arguments[0])", other)
    banner = text(player, ".parting")
    assert f"part at step {k + 3}" in banner
    assert "frame.rax" in banner and "0x1234" in banner and "0x39" in banner


def test_addresses_of_another_layout_are_no_difference(player: Browser, right: Trace
                                                       ) -> None:
    """A kernel whose functions lie elsewhere, and are some bytes longer, does the
    same."""
    moved = json.dumps(right)
    functions = {code.get("function") for code in right["code"].values()}
    for symbol in right["symbols"]:
        at = int(symbol["at"], 16)
        if at >> 47 and symbol["name"] in functions:
            for address in range(at, at + symbol["size"]):
                new = address + (1 << 28) + (4 if address > at else 0)
                moved = moved.replace(f'"{address:#x}"', f'"{new:#x}"')
    assert moved != json.dumps(right)
    other = json.loads(moved)
    other["symbols"].sort(key=lambda symbol: int(symbol["at"], 16))
    for symbol in other["symbols"]:
        # Not the variables: an address just after one is none of its own.
        symbol["size"] += 4 if symbol["name"] in functions else 0
    player.run("player.load(player.mine.json, arguments[0])", other)
    assert "No difference" in text(player, ".parting")
