"""The trace player for everybody: keyboard, screen reader, eyes, phone; and the
files that it opens. Screenshots are left in build/screenshots.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from machine import deadlines
from browser import Browser
from machine.qemu import TREE
from playing import (ask, SCREENSHOTS, Trace, NEEDS_BROWSER, section, step_of, sweep,
                     position, text, focus, faults)
import page  # docs/player, whose place conftest.py adds

pytestmark = NEEDS_BROWSER


def test_home_and_end(player: Browser, right: Trace) -> None:
    player.press("end")
    assert position(player) == len(section(right)["steps"])
    player.press("home")
    assert position(player) == 0


def test_every_part_is_reached_by_tab(player: Browser) -> None:
    player.press("page_down", "page_down", "page_down")
    player.run("""
        window.reached = [];
        player.shadowRoot.addEventListener('focusin', ({target}) => {
            const part = target.closest('.skip, nav, .tools, .panel, .track, .steps');
            const drawn = target.matches('.file input') ? target.parentElement : target;
            reached.push([part.className, getComputedStyle(drawn).outlineStyle]);
        });""")
    for _ in range(3):
        player.press(*["tab"] * 40)
    reached = player.run("return reached;")
    assert {"sections", "tools", "panel source", "panel registers", "panel stack",
            "panel ran", "track", "steps", "marks"} <= {part for part, _ in reached}
    assert not [part for part, outline in reached if outline == "none"]


def test_tab_goes_from_panel_to_panel(player: Browser) -> None:
    """A list of values is one place of Tab; the arrows go on inside it."""
    player.run("player.go(30)")
    places = player.run("""return [...player.shadowRoot.querySelectorAll(
        'button, input, [tabindex="0"]')].filter((e) => e.tabIndex >= 0
        && e.checkVisibility() && !e.ariaDisabled?.startsWith('true')).length;""")
    assert places < 30
    focus(player, '[data-writer="rbx"]')
    player.press("down", "down", "up")
    assert player.run("return player.shadowRoot.activeElement.dataset.writer;") == "rcx"
    player.press("tab")
    player.run("player.shadowRoot.activeElement.dispatchEvent(new KeyboardEvent('keydown',"
               " {key: 'Tab', shiftKey: true, bubbles: true}))")
    stays = player.run("return [...player.shadowRoot.querySelectorAll("
                       "'.registers button')].filter((b) => b.tabIndex === 0)"
                       ".map((b) => b.dataset.writer);")
    assert stays == ["rcx"], "Tab comes back to where it was left"


def test_the_first_tab_leads_to_the_step_button(player: Browser) -> None:
    player.press("tab", "enter")
    assert player.run("return player.shadowRoot.activeElement.dataset.do;") == "after"
    player.press("enter")
    assert position(player) == 1


def test_space_is_a_step_where_nothing_has_the_focus(player: Browser) -> None:
    player.press("space", "space")
    assert position(player) == 2
    focus(player, '[data-do="before"]')
    player.press("space")
    assert position(player) == 1, "on a button, it is that button's"


def test_forced_colours_leave_what_matters_in_sight(player: Browser) -> None:
    """What is told by a background alone is gone there."""
    player.run("player.go(22)")
    player.cdp("Emulation.setEmulatedMedia",
               features=[{"name": "forced-colors", "value": "active"}])
    try:
        seen = player.run("""
            const style = (selector) => getComputedStyle(
                player.shadowRoot.querySelector(selector));
            return {
                section: style('.sections [aria-current]').backgroundColor
                    !== style('.sections :not([aria-current])').backgroundColor,
                bar: style('.track .bar').outlineStyle,
                next: style('.lines .next').outlineStyle,
                row: style('.registers tr').borderInlineStartStyle };""")
    finally:
        player.cdp("Emulation.setEmulatedMedia", features=[
            {"name": "forced-colors", "value": "none"},
            {"name": "prefers-color-scheme", "value": "light"},
            {"name": "prefers-reduced-motion", "value": "reduce"}])
    assert seen == {"section": True, "bar": "solid", "next": "solid", "row": "none"}


def test_the_page_around_says_which_colours(player: Browser, pages: dict[str, Path],
                                            tmp_path: Path) -> None:
    (tmp_path / "around.html").write_text(
        f'<iframe src="{pages["right"].resolve().as_uri()}"></iframe>')
    player.open(tmp_path / "around.html")
    player.driver.execute_script(
        "frames[0].postMessage({threshold: 'dark'}, '*');")
    player.driver.switch_to.frame(0)
    try:
        player.driver.execute_async_script("""const done = arguments[0];
            (function wait() { document.querySelector('trace-player').dataset.theme
                === 'dark' ? done() : setTimeout(wait, 20); })();""")
    finally:
        player.driver.switch_to.default_content()


def test_the_slider_says_where_it_is(player: Browser) -> None:
    focus(player, "input[type=range]")
    player.press("right")
    slider = "player.shadowRoot.querySelector('input[type=range]')"
    assert position(player) == 1
    assert player.run(f"return {slider}.getAttribute('aria-valuetext');").startswith(
        "1 of ")
    assert player.run(f"return {slider}.value;") == "1"


def test_a_sentence_is_said_for_each_step(player: Browser, right: Trace) -> None:
    sentences = sweep(player, "ArrowRight", "player.shadowRoot.querySelector("
                      "'[role=status]').textContent")[1:]
    assert all(sentences)
    assert sum(a == b for a, b in zip(sentences, sentences[1:])) == 0
    assert any("frame.rdi is now" in sentence for sentence in sentences)
    assert sentences[0].startswith("syscall: CPL 3 → 0.")


def test_everything_that_acts_has_a_name(player: Browser) -> None:
    player.press("page_down", "page_down", "page_down")
    nodes = player.cdp("Accessibility.getFullAXTree")["nodes"]
    acting = [node for node in nodes if not node["ignored"] and node["role"]["value"]
              in ("button", "slider", "checkbox", "textbox", "region", "img", "form")]
    assert len(acting) > 60
    assert not [node["role"]["value"] for node in acting
                if not node.get("name", {}).get("value")]


CONTRAST = """
const rgb = (text) => text.match(/[0-9.]+/g).map(Number);
const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) =>
    c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const ground = (element) => {
    for (let e = element; e; e = e.parentElement || e.getRootNode().host) {
        const colour = rgb(getComputedStyle(e).backgroundColor);
        if (colour.length === 3 || colour[3] > 0) return colour;
    }
};
const poor = new Set();
for (const element of player.shadowRoot.querySelectorAll(
        '.app *:not(svg, svg *):not(.hush)')) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!own || !element.checkVisibility()) continue;
    const [a, b] = [light(rgb(getComputedStyle(element).color)), light(ground(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.add(`${element.className} ${element.textContent.slice(0, 20)
        }: ${ratio.toFixed(2)}`);
}
return [...poor];
"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_stands_out(dark: bool, comparing: Browser) -> None:
    comparing.look(1280, 800, dark=dark)
    comparing.press("d", "p")
    assert comparing.run(CONTRAST) == []


def test_colours_follow_the_system_until_chosen(player: Browser) -> None:
    paper = "return getComputedStyle(player).backgroundColor;"
    light = player.run(paper)
    player.look(1280, 800, dark=True)
    dark = player.run(paper)
    assert light != dark
    player.run("player._do('theme')")
    assert player.run(paper) == light, "Light was chosen"
    player.run("player._do('theme')")
    assert player.run(paper) == dark, "Dark was chosen"
    player.run("player._do('theme')")


def test_nothing_moves_where_less_motion_is_preferred(player: Browser) -> None:
    assert player.run("""return getComputedStyle(player.shadowRoot.querySelector(
        '.wire')).transitionProperty;""") == "none"


@pytest.mark.parametrize("view", ["source", "registers", "machine", "ran"])
def test_a_phone_shows_it_whole(view: str, comparing: Browser) -> None:
    comparing.look(375, 800, phone=True)
    comparing.press("d")
    comparing.run("player.shadowRoot.querySelector(`[data-view=${arguments[0]}]`)"
                  ".click();", view)
    sizes = comparing.run("""
        const wide = [...player.shadowRoot.querySelectorAll('.app, header, main, footer,'
            + ' .panel, .card, .steps button, .track')]
            .filter((e) => e.checkVisibility())
            .filter((e) => e.getBoundingClientRect().right > innerWidth + 0.5);
        const panel = player.shadowRoot.querySelector('main .panel.' + arguments[0]);
        return [document.documentElement.scrollWidth, wide.map((e) => e.className),
            panel.getBoundingClientRect().height];""", view)
    assert sizes[:2] == [375, []]
    assert sizes[2] > 150


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_no_serious_fault(dark: bool, axe: str, comparing: Browser) -> None:
    comparing.look(1280, 800, dark=dark)
    comparing.press("d")
    assert faults(comparing, axe) == []


def test_axe_finds_no_serious_fault_in_a_question(axe: str, player: Browser,
                                                  right: Trace) -> None:
    ask(player, step_of(right, "pushq %rbx"))
    assert faults(player, axe) == []


def test_axe_finds_no_serious_fault_on_a_phone(axe: str, player: Browser) -> None:
    player.look(375, 800, phone=True)
    player.press("page_down", "page_down", "page_down")
    assert faults(player, axe) == []

# ---- files ----------------------------------------------------------------------

def test_no_text_of_a_trace_can_end_its_element(player: Browser, right: Trace,
                                                tmp_path: Path) -> None:
    hostile = "</script><script>window.broken = 1</script><!-- <script> & \u2028 '\""
    trace = {**right, "program": hostile,
             "files": {**right["files"], "kernel/syscall_entry.c": hostile}}
    (tmp_path / "hostile.html").write_text(page.page(trace))
    player.open(tmp_path / "hostile.html")
    assert player.run("return player.mine.program;") == hostile
    assert player.run("return window.broken;") is None
    assert player.run("return player.section.length;") > 0


def test_an_empty_player_opens_a_file(player: Browser, right: Trace, tmp_path: Path
                                      ) -> None:
    (tmp_path / "trace.json").write_text(json.dumps(right))
    player.open(TREE / "docs/player/index.html")
    assert "Open a trace" in text(player, ".parting")
    chosen = player.cdp("Runtime.evaluate", expression="document.querySelector("
                        "'trace-player').shadowRoot.querySelector('[data-open=mine]')")
    player.cdp("DOM.setFileInputFiles", files=[str(tmp_path / "trace.json")],
               objectId=chosen["result"]["objectId"])
    player.driver.execute_async_script("""
        const player = document.querySelector('trace-player'), done = arguments[0];
        (function wait() { player.section ? done() : setTimeout(wait, 10); })();""")
    assert text(player, "h1").startswith("fork()")


def test_what_is_no_trace_is_told(player: Browser) -> None:
    player.run("""try { player.load({schema: 'threshold-trace/9'}); }
        catch (error) { player._fail(error); }""")
    assert "its schema is \"threshold-trace/9\"" in text(player, ".parting")


def test_the_page_is_made_of_files(right: Trace, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(right))
    done = subprocess.run(
        [sys.executable, TREE / "docs/player/page.py", tmp_path / "a.html",
         tmp_path / "a.json", tmp_path / "a.json"],
        capture_output=True, text=True, timeout=deadlines.host())
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{tmp_path}/a.html: open it in a browser, to compare the two\n"
    (tmp_path / "b.json").write_text("{}")
    done = subprocess.run(
        [sys.executable, TREE / "docs/player/page.py", tmp_path / "b.html",
         tmp_path / "b.json"], capture_output=True, text=True, timeout=deadlines.host())
    assert done.returncode == 1
    assert done.stderr == f"trace: {tmp_path}/b.json is not a trace: its schema is None.\n"

# ---- to look at -----------------------------------------------------------------

@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_screenshots(dark: bool, phone: bool, comparing: Browser,
                     pages: dict[str, Path], right: Trace) -> None:
    colours, where = "dark" if dark else "light", "phone" if phone else "desk"
    size = (375, 800) if phone else (1280, 800)

    def take(name: str) -> None:
        path = SCREENSHOTS / f"{name}-{where}-{colours}.png"
        comparing.screenshot(path)
        assert path.stat().st_size > 10_000

    comparing.look(*size, dark=dark, phone=phone)
    comparing.press("d")
    take("compare")
    comparing.open(pages["right"])
    comparing.press("right", "right")
    comparing.run("player._view('machine')")
    take("threshold")
    comparing.run("player._view('source'); player.go(arguments[0])",
                  step_of(right, "pushq %rdi"))
    take("stub")
    comparing.press("p")
    take("predict")
