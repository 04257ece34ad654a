"""Makes one page that holds the trace player and what it plays.

    python3 docs/player/page.py build/trace.html build/trace.json [reference.json]
                                [--notes FILE]

The page needs no other file and no network: the player and the traces are in it.
The player's rooms, and their order, are those that index.html loads.
With a second trace, the first is compared with it; notes.py says what notes are.
"""

from __future__ import annotations

import argparse
import html
import json
import re
import sys
from pathlib import Path
from typing import Any, Optional, Sequence

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from notes import add_notes  # noqa: E402 # pylint: disable=wrong-import-position

# The page may load nothing, from nowhere: all that it needs is inside.
POLICY = ("default-src 'none'; script-src 'unsafe-inline'; "
          "style-src 'unsafe-inline'; img-src data:")

TRY_TITLE = "Try it: the entry stub · Threshold"

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>body {{ margin: 0; }}</style>
</head>
<body>
<{element}>
{data}
</{element}>
<script>
{player}
</script>
</body>
</html>
"""


def inlined(trace: dict[str, Any], role: str) -> str:
    """A trace as an element that no text in it can end.

    In JSON a "<" stands in strings only, where it may be written as an escape;
    so neither "</script" nor "<!--" can occur.
    """
    text = json.dumps(trace, separators=(",", ":"), ensure_ascii=True)
    escaped = text.replace("<", "\\u003c")
    return f'<script type="application/json" data-role="{role}">{escaped}</script>'


def rooms(start: str) -> list[Path]:
    """The scripts that a page of this directory loads, in its order."""
    text = (HERE / start).read_text(encoding="utf-8")
    return [HERE / name for name in re.findall(r'<script src="([^"]+)">', text)]


def bundle(start: str = "index.html", *more: str, until: Optional[str] = None) -> str:
    """The scripts of a page, and more of this directory, as one script, which leaves
    no name behind in the page; `until` is the last of the page's to take."""
    paths = rooms(start)
    if until:
        paths = paths[:paths.index(HERE / until) + 1]
    text = "\n".join(path.read_text(encoding="utf-8")
                     for path in [*paths, *(HERE / name for name in more)])
    assert "</script" not in text and "<!--" not in text
    return f"(function () {{\n{text}}})();\n"


def page(trace: dict[str, Any], reference: Optional[dict[str, Any]] = None) -> str:
    """The page that plays a trace, compared with a reference if there is one."""
    parts = [inlined(trace, "mine")]
    if reference is not None:
        parts.append(inlined(reference, "reference"))
    call = trace.get("call", {}).get("name") or "a call"
    return PAGE.format(
        policy=html.escape(POLICY), element="trace-player", player=bundle(),
        data="\n".join(parts),
        title=html.escape(f"{call}, {trace.get('program', '')} · Threshold"))


def try_page(lines: list[dict[str, str]], layout: dict[str, Any],
             mistakes: Sequence[Any] = ()) -> str:
    """The page in which a stub can be changed and tried (stub.py reads both), with
    mistakes to begin with."""
    data = inlined({"lines": lines, "layout": layout, "mistakes": mistakes}, "stub")
    return PAGE.format(policy=html.escape(POLICY), element="stub-trial", data=data,
                       player=bundle("try.html"), title=html.escape(TRY_TITLE))


def read(path: Path) -> dict[str, Any]:
    """A trace from its file; ValueError, as a sentence, where it is none."""
    try:
        trace = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as a trace: {error}") from None
    schema = trace.get("schema") if isinstance(trace, dict) else None
    if schema != "threshold-trace/1":
        raise ValueError(f"{path} is not a trace: its schema is {schema!r}.")
    return trace


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path, help="the page to write")
    parser.add_argument("trace", type=Path, help="the trace to play")
    parser.add_argument("reference", type=Path, nargs="?",
                        help="another trace of the same call, to compare with")
    parser.add_argument("--notes", type=Path, help="sentences to show at its steps")
    options = parser.parse_args()
    try:
        trace = read(options.trace)
        reference = read(options.reference) if options.reference else None
        if options.notes:
            add_notes(trace, options.notes)
    except ValueError as error:
        print(f"trace: {error}", file=sys.stderr)
        return 1
    options.page.parent.mkdir(parents=True, exist_ok=True)
    options.page.write_text(page(trace, reference), encoding="utf-8")
    print(f"{options.page}: open it in a browser"
          + (", to compare the two" if reference else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
