"""The page in which the entry stub can be changed and tried, in a real browser: what
it says of mistakes, and that it can be used by keys, on a phone, and in the dark."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from browser import Browser
from machine.qemu import TREE
from playing import NEEDS_BROWSER, SCREENSHOTS, faults
import page  # docs/player, whose place conftest.py adds
import stub

pytestmark = NEEDS_BROWSER

MISTAKES = json.loads((TREE / "docs/mistakes.json").read_text())


@pytest.fixture(scope="module")
def try_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("try") / "try.html"
    path.write_text(page.try_page(stub.stub_lines(TREE), stub.layout(TREE), MISTAKES))
    return path


@pytest.fixture
def trial(chromium: Browser, try_page: Path) -> Browser:
    """The page with the right stub; it complains of nothing and asks for nothing."""
    chromium.look(1280, 800)
    chromium.open(try_page)
    assert chromium.collect() == ([], [])
    return chromium


def verdict(browser: Browser) -> list[str]:
    """The headline and the points below it."""
    lines: list[str] = browser.run("""return [...player.shadowRoot.querySelectorAll(
        '.verdict .headline, .verdict li, .verdict p:not(.headline)')].map((line) =>
        line.innerText.replace(/\\s+/g, ' '));""")
    return lines


def number_of(browser: Browser, text: str) -> int:
    """The row of a line of the stub."""
    return int(browser.run("return player.rows.findIndex((row) => row.text === "
                           "arguments[0]);", text))


def test_the_right_stub_is_right(trial: Browser) -> None:
    assert verdict(trial) == ["✓ The call came back, and every register is right."]


def test_the_stub_is_the_kernels_own(trial: Browser) -> None:
    lines = trial.run("return player.rows.map((row) => row.text);")
    assert lines[:3] == ["swapgs", "movq %rsp, %gs:8", "movq %gs:0, %rsp"]
    assert "syscall_exit:" in lines and lines[-2:] == ["sysretq", "ud2"]


def test_two_exchanged_registers_are_told_with_their_lines(trial: Browser) -> None:
    trial.run("player.exchange(player.rows.findIndex((r) => r.text === 'popq %r8'))")
    assert verdict(trial) == ["✗ 2 registers came back wrong.",
                              "R8 came back with R10's pattern: by line 36, popq %r8.",
                              "R10 came back with R8's pattern: by line 35, popq %r10."]


def test_a_line_taken_out_by_its_button_and_put_back(trial: Browser) -> None:
    k = number_of(trial, "movq %rax, %rdi")
    press = ("player.shadowRoot.querySelectorAll('.stub li')[arguments[0]]"
             ".querySelector('[data-act=out]').click()")
    trial.run(press, k)
    assert verdict(trial) == ["✗ The registers came back, but not all was right.",
                              "C was called with RDI's pattern as the number."]
    trial.run(press, k)
    assert verdict(trial)[0].startswith("✓")


def test_a_kernel_that_dies_says_where(trial: Browser) -> None:
    trial.run("player.toggle(0)")
    headline, why = verdict(trial)
    assert headline == "✗ The kernel died: #DF."
    assert "a write to 0x8, where nothing is" in why and "line 1, movq %rsp, %gs:8" in why


def test_what_the_model_does_not_know_is_no_verdict(trial: Browser) -> None:
    trial.run("player.write(3, 'fxsave (%rax)')")
    assert verdict(trial) == [
        "Outside the model", "fxsave is outside the model. line 4, fxsave (%rax) This is no "
        "verdict on the stub: the CPU may know it well."]


def test_an_interrupt_let_in_is_outside_of_what_it_can_say(trial: Browser) -> None:
    trial.run("player.write(player.rows.findIndex((r) => r.text === 'cli'), 'sti')")
    assert any("interrupts are let in here; the model has none" in line
               for line in verdict(trial))


@pytest.mark.parametrize("mistake, words", [
    ("no swapgs", "The kernel died: #DF"),
    ("one pop too few", "In ring 3, but at"),
    ("RCX and R11 exchanged", "In ring 3, but at"),
    ("the result is not stored", "The result did not reach RAX: by line 47, popq %rax."),
    ("no alignment", "RSP was not a multiple of 16 at the call, as C expects"),
    ("arguments moved too early", "C was called with RSI's pattern as a3."),
    ("back by IRETQ", "✓ The call came back, and every register is right."),
])
def test_each_mistake_to_begin_with_is_told(mistake: str, words: str, trial: Browser
                                            ) -> None:
    trial.run("""[...player.shadowRoot.querySelectorAll('.mistakes button')].find(
        (button) => button.textContent === arguments[0]).click();""", mistake)
    assert any(words in line for line in verdict(trial)), verdict(trial)


def test_a_change_can_be_undone_and_all_of_them(trial: Browser) -> None:
    trial.run("player.toggle(0); player.toggle(1); player._do('undo');")
    assert trial.run("return player.rows.filter((row) => row.out).length;") == 1
    trial.run("player._do('reset')")
    assert verdict(trial)[0].startswith("✓")
    trial.run("player._do('undo')")
    assert trial.run("return player.rows[0].out;") is True


def test_it_can_be_used_by_keys_alone(trial: Browser) -> None:
    trial.run("player._focus(player.rows.findIndex((row) => row.text === 'popq %r8'))")
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys
    ActionChains(trial.driver, duration=0).key_down(Keys.ALT).send_keys(
        Keys.ARROW_DOWN).key_up(Keys.ALT).perform()
    assert verdict(trial)[0] == "✗ 2 registers came back wrong."
    trial.press("enter", *"nop", "tab")
    assert trial.run("return player.rows.filter((row) => row.text === 'nop').length;") == 1


def test_its_run_can_be_stepped_through(trial: Browser) -> None:
    trial.run("player._do('play')")
    shown = trial.run("""const inner = player.shadowRoot.querySelector('trace-player');
        inner.go(5);
        return [inner.shadowRoot.querySelector('.lines .next').textContent,
            inner.section.length, document.title, location.hash];""")
    assert shown[0].endswith("pushq %rax") and shown[1] == 52
    assert shown[2:] == ["Try it: the entry stub · Threshold", ""]


def test_forced_colours_leave_a_lines_buttons_in_sight(trial: Browser) -> None:
    """They are pale until the line is looked at, where colours are the page's own."""
    faint = ("return Math.min(...[...player.shadowRoot.querySelectorAll('.stub .acts')].map("
             "(acts) => Number(getComputedStyle(acts).opacity)));")
    assert trial.run(faint) < 1
    trial.cdp("Emulation.setEmulatedMedia",
              features=[{"name": "forced-colors", "value": "active"}])
    try:
        assert trial.run(faint) == 1
    finally:
        trial.cdp("Emulation.setEmulatedMedia", features=[
            {"name": "forced-colors", "value": "none"},
            {"name": "prefers-color-scheme", "value": "light"},
            {"name": "prefers-reduced-motion", "value": "reduce"}])


@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_no_serious_fault(dark: bool, phone: bool, trial: Browser, axe: str,
                                    try_page: Path) -> None:
    width = 375 if phone else 1280
    trial.look(width, 800, dark=dark, phone=phone)
    trial.open(try_page)
    for i, name in ((0, "exchanged"), (1, "died"), (4, "result")):
        trial.run("player.shadowRoot.querySelectorAll('.mistakes button')"
                  "[arguments[0]].click();", i)
        trial.screenshot(SCREENSHOTS / f"try-{name}-{'phone' if phone else 'desk'}-"
                         f"{'dark' if dark else 'light'}.png")
    assert faults(trial, axe) == []
    assert trial.run("return document.documentElement.scrollWidth;") == width
