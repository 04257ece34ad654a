"""The trace player, in a real browser: stepping, and going to who wrote a value."""

from __future__ import annotations

from browser import Browser
from playing import (Trace, NEEDS_BROWSER, section, step_of, shown_registers, changed,
                     sweep, said, position, text, focus)

pytestmark = NEEDS_BROWSER


# ---- stepping -------------------------------------------------------------------

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
    for words in ("EFER", "SCE LME LMA NXE: SYSCALL is on", "STAR", "0x23000800000000",
                  "SYSCALL: CS 0x8, SS 0x10; SYSRET: CS 0x33, SS 0x2b", "LSTAR",
                  "syscall_entry", "SFMASK", "SYSCALL clears TF IF DF IOPL NT AC",
                  "KERNEL_GS_BASE", "per_cpu"):
        assert words in told

# ---- jumps ----------------------------------------------------------------------

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
