"""What a test reads from the trace player's page, and from a trace."""

from __future__ import annotations

from typing import Any

import pytest

from browser import Browser, missing
from machine.qemu import TREE

Trace = dict[str, Any]

SCREENSHOTS = TREE / "build/screenshots"

# One worker records the traces and has the browser.
NEEDS_BROWSER = [pytest.mark.xdist_group("browser"),
                 pytest.mark.skipif(missing() is not None, reason=str(missing()))]


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


def ask(browser: Browser, position: int) -> None:
    """Asks what the step after a position will change."""
    browser.run("player.go(arguments[0])", position)
    browser.press("p")
