"""The trace player, in a real browser: real traces of a right stub and a wrong one.

Screenshots are left in build/screenshots.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Iterator

import pytest

from known_wrong import run as known_wrong
from machine import deadlines
from browser import Browser, missing
from machine.qemu import TREE
from replay.tracing import Recorder

sys.path.insert(0, str(TREE / "docs/player"))
import page  # noqa: E402 # pylint: disable=wrong-import-position

# One worker records the traces and has the browser.
pytestmark = [pytest.mark.xdist_group("browser"),
              pytest.mark.skipif(missing() is not None, reason=str(missing()))]

Trace = dict[str, Any]

SCREENSHOTS = TREE / "build/screenshots"
# A stub that pops R8 and R10 in the wrong order.
WRONG = "E68"
AXE = "axe-core@4.14.1"


@pytest.fixture(scope="module")
def right() -> Trace:
    return Recorder("/bin/forktest", 57).record()


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    tree = known_wrong.wrong_tree(WRONG, tmp_path_factory.mktemp("wrong") / "tree")
    return Recorder("/bin/forktest", 57, tree=tree).record()


@pytest.fixture(scope="module")
def pages(right: Trace, wrong: Trace, tmp_path_factory: pytest.TempPathFactory
          ) -> dict[str, Path]:
    """The page of the right stub's trace, and one that compares the wrong one."""
    directory = tmp_path_factory.mktemp("pages")
    made = {"right": page.page(right), "compare": page.page(wrong, right)}
    for name, text in made.items():
        (directory / f"{name}.html").write_text(text)
    return {name: directory / f"{name}.html" for name in made}


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture
def player(chromium: Browser, pages: dict[str, Path]) -> Iterator[Browser]:
    """The right stub's call, at its beginning, on a desk's screen. Whatever a test
    does, the page complains of nothing and asks for nothing from outside."""
    chromium.look(1280, 800)
    chromium.open(pages["right"])
    yield chromium
    assert chromium.collect() == ([], [])


@pytest.fixture
def comparing(player: Browser, pages: dict[str, Path]) -> Browser:
    player.open(pages["compare"])
    return player


def section(trace: Trace, name: str = "call") -> Trace:
    return next(s for s in trace["sections"] if s["id"] == name)


def step_of(trace: Trace, asm: str, name: str = "call") -> int:
    """The number of the first step of a section that runs an instruction."""
    rip = section(trace, name)["start"]["rip"]
    for k, step in enumerate(section(trace, name)["steps"]):
        if trace["code"][rip]["asm"] == asm:
            return k
        rip = step["set"].get("rip", rip)
    raise AssertionError(f"no {asm} in the trace")


def shown_registers(browser: Browser) -> dict[str, str]:
    """The values in the tables of registers."""
    values: dict[str, str] = browser.run("""
        return Object.fromEntries([...player.shadowRoot.querySelectorAll(
            'tr[data-register]')].map((row) => [row.dataset.register,
            row.querySelector('button').firstChild.data]));""")
    return values


def changed(browser: Browser) -> list[str]:
    """The registers that are marked as changed."""
    names: list[str] = browser.run("""
        return [...player.shadowRoot.querySelectorAll('tr[data-register].changed')]
            .map((row) => row.dataset.register);""")
    return names


def sweep(browser: Browser, key: str, expression: str) -> list[Any]:
    """What a JavaScript expression gives at each position, from here to where a key
    leads no further."""
    values: list[Any] = browser.run("""
        const values = [], [key] = arguments;
        for (let last = -1; last !== player.position;) {
            values.push(%s);
            last = player.position;
            document.dispatchEvent(new KeyboardEvent('keydown', {key}));
        }
        return values;""" % expression, key)
    return values


def said(browser: Browser) -> str:
    """What the live region says."""
    return str(browser.run(
        "return player.shadowRoot.querySelector('[role=status]').textContent;"))


def position(browser: Browser) -> int:
    return int(browser.run("return player.position;"))


def text(browser: Browser, selector: str) -> str:
    return str(browser.run(
        "return player.shadowRoot.querySelector(arguments[0]).innerText;", selector))


def focus(browser: Browser, selector: str) -> None:
    browser.run("player.shadowRoot.querySelector(arguments[0]).focus();", selector)


# ---- stepping ----------------------------------------------------------------

def test_the_arrow_keys_step_in_both_directions(player: Browser) -> None:
    seen = []
    for key in ("right", "right", "right", "left", "left"):
        player.press(key)
        seen.append(position(player))
    assert seen == [1, 2, 3, 2, 1]


def test_each_step_shows_the_recorded_registers(player: Browser, right: Trace) -> None:
    shown = sweep(player, "ArrowRight", """[...player.shadowRoot.querySelectorAll(
        'tr[data-register]')].map((row) => [row.dataset.register,
        row.querySelector('button').firstChild.data])""")
    state = dict(section(right)["start"])
    for values, step in zip(shown, [{"set": {}}, *section(right)["steps"]]):
        state.update(step["set"])
        assert dict(values) == {name: state[name] for name, _ in values}
    assert len(shown) == len(section(right)["steps"]) + 1


def test_a_step_back_shows_what_was_before(player: Browser) -> None:
    picture = """['.registers', '.stack', '.machine', '.ran'].map((part) =>
        player.shadowRoot.querySelector(part).textContent)"""
    forwards = sweep(player, "ArrowRight", picture)
    backwards = sweep(player, "ArrowLeft", picture)
    assert backwards[::-1] == forwards


def test_every_state_is_the_same_from_either_side(player: Browser) -> None:
    differ = player.run("""
        const {Trace} = ThresholdTrace, wrong = [];
        for (const section of player.mine.sections) {
            const fold = {...section.start}, words = [...section.writers.keys()]
                .filter((what) => typeof what === 'bigint');
            const list = (n) => words.map((at) => String(section.wordAt(at, n)));
            const forwards = [];
            for (let n = 0; n <= section.length; n++) {
                forwards.push(list(n));
                const now = section.registersAt(n);
                for (const name in fold) if (now[name] !== fold[name]) wrong.push(name);
                if (n < section.length) Object.assign(fold, section.steps[n].set);
            }
            for (let n = section.length; n >= 0; n--) {
                if (String(list(n)) !== String(forwards[n])) wrong.push([section.id, n]);
            }
        }
        return wrong;""")
    assert differ == []


def test_the_words_of_the_frame_are_the_recorded_ones(player: Browser, right: Trace
                                                      ) -> None:
    call = section(right)
    base = int(call["frame"], 16)
    rsp = {step["set"]["rsp"] for step in call["steps"] if "rsp" in step["set"]}
    assert call["frame"] in rsp
    player.run("player.go(player.section.marks.find("
               "(mark) => mark.name === 'frame complete').position)")
    words = {at: write["new"] for step in call["steps"][:position(player)]
             for write in step.get("writes", []) for at in [int(write["at"], 16) - base]}
    shown = player.run("""
        return [...player.shadowRoot.querySelectorAll('.stack tr.frame')].map((row) =>
            [row.querySelector('th').textContent,
             row.querySelector('button').firstChild.data]);""")
    assert shown == [[field["name"], words[field["offset"]]]
                     for field in reversed(right["frame"]["fields"])]


def test_the_frame_grows_word_by_word(player: Browser, right: Trace) -> None:
    held = []
    for asm in ("pushq %gs:8", "pushq %rcx", "pushq %r9"):
        player.run("player.go(arguments[0] + 1)", step_of(right, asm))
        held.append(player.run("return player.shadowRoot.querySelectorAll("
                               "'.stack tr.frame:not(.free)').length;"))
    assert held == [1, 3, 16]


def test_what_changed_is_marked_and_not_by_colour_alone(player: Browser, right: Trace
                                                        ) -> None:
    player.run("player.go(arguments[0] + 1)", step_of(right, "swapgs"))
    assert changed(player) == ["gs_base", "kernel_gs_base"]
    sign = player.run("""return getComputedStyle(player.shadowRoot.querySelector(
        'tr.changed th'), '::after').content;""")
    assert "●" in sign
    assert "changed, was 0x0" in player.run("""return player.shadowRoot.querySelector(
        'tr.changed button').textContent;""")


def test_flags_have_names(player: Browser, right: Trace) -> None:
    names = "return [...player.shadowRoot.querySelectorAll('.flags .set')].map(" \
            "(flag) => flag.firstChild.data);"
    assert "IF 1" in player.run(names)
    player.press("right")
    assert "IF 1" not in player.run(names)
    assert "IF 0 changed" in player.run("""return [...player.shadowRoot
        .querySelectorAll('.flags .changed')].map((flag) => flag.textContent);""")


def test_the_source_follows(player: Browser, right: Trace) -> None:
    k = step_of(right, "pushq %r11")
    player.run("player.go(arguments[0])", k)
    player.settle()
    line = player.driver.execute_script("""
        const player = document.querySelector('trace-player').shadowRoot;
        const row = player.querySelector('.lines .next'), box = row.closest('.scroll');
        const [a, b] = [row.getBoundingClientRect(), box.getBoundingClientRect()];
        return [row.textContent, a.top >= b.top && a.bottom <= b.bottom];""")
    assert "pushq %r11" in line[0] and line[1]
    player.press("right")
    assert "pushq %r11" in text(player, ".lines .done")
    assert "pushq %rbp" in text(player, ".lines .next")


def test_the_picture_says_where_the_cpu_is(player: Browser, right: Trace) -> None:
    places = {}
    for name, asm in (("user", "syscall"), ("entered", "swapgs"),
                      ("stack", "pushq %gs:8")):
        player.run("player.go(arguments[0])", step_of(right, asm))
        places[name] = player.run("""return player.shadowRoot.querySelector(
            '.drawing title').textContent;""")
    assert "CPL 3" in places["user"] and "the user's stack" in places["user"]
    assert "CPL 0. GS points at the user's base. RSP is on the user's stack" in \
        places["entered"]
    assert "CPL 0. GS points at per_cpu. RSP is on the kernel stack, 0 words" in \
        places["stack"]


def test_marks_lead_along_the_way(player: Browser) -> None:
    names = player.run("return player.section.marks.map((mark) => mark.name);")
    assert names == ["syscall", "swapgs", "kernel stack", "frame complete", "handler",
                     "fork", "back in the stub", "user stack", "swapgs", "sysretq",
                     "ring 3"]
    seen = [player.run("return player.codeHere();")]
    for _ in range(5):
        player.press("page_down")
        seen.append(player.run("return player.codeHere();"))
    assert seen[:3] == ["syscall", "swapgs", "movq %gs:0, %rsp"]
    player.press("page_up")
    assert player.run("return player.codeHere();") == seen[-2]


def test_both_returns_of_fork_are_there(player: Browser, right: Trace) -> None:
    player.run("player._do('last')")
    parent = shown_registers(player)
    player.run("[...player.shadowRoot.querySelectorAll('[data-section]')].find("
               "(b) => b.dataset.section === 'child').click();")
    player.press("end")
    child = shown_registers(player)
    assert (parent["rax"], child["rax"]) == (right["call"]["result"], "0x0")
    same = [name for name in parent if name not in ("rax", "cr3")]
    assert [child[name] for name in same] == [parent[name] for name in same]


def test_what_the_cpu_is_told_is_listed(player: Browser) -> None:
    player.run("player._enter('msr', player.mine.section('msr').length)")
    told = text(player, ".stack")
    for name in ("EFER", "STAR = 0x23000800000000", "LSTAR", "SFMASK",
                 "KERNEL_GS_BASE"):
        assert name in told
    assert "syscall_entry" in told and "per_cpu" in told


# ---- jumps -------------------------------------------------------------------

def test_a_register_leads_to_its_writer(player: Browser, right: Trace) -> None:
    player.run("player.go(arguments[0])", step_of(right, "call syscall_handler"))
    focus(player, '[data-writer="rdi"]')
    player.press("enter")
    assert position(player) == step_of(right, "movq %rax, %rdi")
    assert "RDI is written here, by movq %rax, %rdi" in said(player)
    assert "movq %rax, %rdi" in text(player, ".lines .next")


def test_a_word_of_the_stack_leads_to_its_push(player: Browser, right: Trace) -> None:
    player.run("player.go(arguments[0])", step_of(right, "call syscall_handler"))
    at = hex(int(section(right)["frame"], 16) + 40)
    player.run("""player.shadowRoot.querySelector(`.stack [data-writer="${
        arguments[0]}"]`).click();""", at)
    assert position(player) == step_of(right, "pushq %rdi")
    assert "frame.rdi is written here" in said(player)


def test_a_flag_leads_to_its_writer(player: Browser, right: Trace) -> None:
    player.press("page_down")
    focus(player, '[data-writer="flag IF"]')
    player.press("enter")
    assert position(player) == step_of(right, "syscall")


def test_the_same_value_again_leads_further_back(player: Browser) -> None:
    player.press("end")
    focus(player, '[data-writer="rcx"]')
    player.press("enter")
    assert player.run("return player.codeHere();") == "popq %rcx"
    assert "from frame.rcx" in said(player)
    later = position(player)
    player.press("enter")
    assert position(player) < later


def test_a_jump_can_be_taken_back(player: Browser) -> None:
    player.press("end")
    last = position(player)
    focus(player, '[data-writer="rcx"]')
    player.press("enter", "b")
    assert position(player) == last


def test_what_nothing_wrote_is_said(player: Browser) -> None:
    focus(player, '[data-writer="rbx"]')
    player.press("enter")
    assert position(player) == 0
    assert said(player) == "Nothing in this part wrote RBX: it is older."


# ---- predict, then reveal ----------------------------------------------------

def ask(browser: Browser, position: int) -> None:
    browser.run("player.go(arguments[0])", position)
    browser.press("p")


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


# ---- two traces --------------------------------------------------------------

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
    for symbol in right["symbols"]:
        at = int(symbol["at"], 16)
        if at >> 47 and symbol["name"] in {c.get("function")
                                           for c in right["code"].values()}:
            for address in range(at, at + symbol["size"]):
                new = address + (1 << 28) + (4 if address > at else 0)
                moved = moved.replace(f'"{address:#x}"', f'"{new:#x}"')
    assert moved != json.dumps(right)
    other = json.loads(moved)
    other["symbols"].sort(key=lambda symbol: int(symbol["at"], 16))
    for symbol in other["symbols"]:
        symbol["size"] += 4 if symbol["size"] > 8 else 0
    player.run("player.load(player.mine.json, arguments[0])", other)
    assert "No difference" in text(player, ".parting")


# ---- keyboard, screen reader, eyes -------------------------------------------

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
            const part = target.closest('nav, .tools, .panel, .track, .steps');
            const drawn = target.matches('.file input') ? target.parentElement : target;
            reached.push([part.className, getComputedStyle(drawn).outlineStyle]);
        });""")
    for _ in range(3):
        player.press(*["tab"] * 40)
    reached = player.run("return reached;")
    assert {"sections", "tools", "panel source", "panel registers", "panel stack",
            "panel ran", "track", "steps", "marks"} <= {part for part, _ in reached}
    assert not [part for part, outline in reached if outline == "none"]


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


@pytest.fixture(scope="module")
def axe() -> str:
    """axe-core's script, fetched by npm into build/ when first asked for."""
    directory = TREE / "build/axe"
    script = directory / "node_modules/axe-core/axe.min.js"
    if not script.exists():
        if not shutil.which("npm"):
            pytest.skip("no npm to fetch axe-core with")
        directory.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            ["npm", "install", "--prefix", str(directory), "--ignore-scripts",
             "--no-audit", "--no-fund", AXE], stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=deadlines.host())
        if done.returncode:
            pytest.skip(f"npm could not fetch {AXE}: {done.stderr[-200:]}")
    return script.read_text()


def faults(browser: Browser, axe: str) -> list[str]:
    """What axe finds that is serious."""
    browser.driver.execute_script(axe)
    found = browser.driver.execute_async_script("""
        const done = arguments[0];
        axe.run(document, {resultTypes: ['violations']}).then((r) => done(r.violations));
        """)
    return [f"{fault['id']}: {node['html'][:90]} {node['failureSummary'][:200]}"
            for fault in found if fault["impact"] in ("serious", "critical")
            for node in fault["nodes"]]


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


# ---- files -------------------------------------------------------------------

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


# ---- to look at --------------------------------------------------------------

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
