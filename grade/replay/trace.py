"""Writes a trace of one system call: `make trace PROG=/bin/hello NR=write`.

What a trace is, docs/trace-format.md says; replay/recorder.py records it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any, Optional, Sequence

from machine.gdb_remote import GdbError
from machine.qemu import TREE, MachineError
from replay.follower import BODIES, DEPTH, DEPTHS
from replay.recorder import Recorder, TraceError, call_names, first_program
from replay.stepper import LIMIT


def call_number(text: str) -> Optional[int]:
    """The number of a call that was named or numbered; None for any call."""
    if not text:
        return None
    numbers = {name: number for number, name in call_names(TREE).items()}
    name = text.lower().removeprefix("sys_")
    if name in numbers:
        return numbers[name]
    try:
        return int(text, 0) & (1 << 64) - 1
    except ValueError:
        raise TraceError(f"NR={text} is neither a number nor a call of "
                         "kernel/syscall.h.") from None


def write(trace: dict[str, Any], path: Path) -> None:
    """One line for each step and each instruction: small, and lines compare."""
    def dump(value: Any) -> str:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)

    def lines(values: list[str], brackets: str) -> str:
        return brackets[0] + "\n" + ",\n".join(values) + "\n" + brackets[1]

    def section(value: dict[str, Any]) -> str:
        return lines([f"{dump(k)}:" + (lines(list(map(dump, v)), "[]")
                                       if k == "steps" else dump(v))
                      for k, v in value.items()], "{}")

    parts = []
    for key, value in trace.items():
        if key == "sections":
            text = lines([section(s) for s in value], "[]")
        elif key in ("code", "files"):
            text = lines([f"{dump(k)}:{dump(v)}" for k, v in value.items()], "{}")
        else:
            text = dump(value)
        parts.append(f"{dump(key)}:{text}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(lines(parts, "{}") + "\n")


def report(trace: dict[str, Any], path: Path, seconds: float) -> None:
    """What was recorded, in a few lines."""
    for section in trace["sections"]:
        steps = section["steps"]
        count = sum(step.get("n", 1) for step in steps)
        print(f"  {section['id']:<6} {len(steps):>5} steps, {count:>6} instructions  "
              f"{section['title']}")
        if section["end"]["kind"] not in ("end", "returned"):
            print(f"         {section['end']['text']}")
    print(f"{path}: {path.stat().st_size >> 10} KB in {seconds:.1f} s")


def main(arguments: Optional[Sequence[str]] = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", help="the first program and its arguments")
    parser.add_argument("--number", default="", help="the call's number or name")
    parser.add_argument("--count", type=int, default=1, help="the n-th such call")
    parser.add_argument("--body", choices=BODIES, default="lines")
    parser.add_argument("--depth", type=int, choices=DEPTHS, default=DEPTH,
                        help="with the body in lines, how many functions deep")
    parser.add_argument("--limit", type=int, default=LIMIT, metavar="INSTRUCTIONS")
    parser.add_argument("--output", type=Path, default=Path("build/trace.json"))
    options = parser.parse_args(arguments)
    start = time.monotonic()
    try:
        recorder = Recorder(
            first_program(options.program), call_number(options.number),
            options.count, body=options.body, depth=options.depth, limit=options.limit)
        trace = recorder.record()
    except (TraceError, MachineError, GdbError) as error:
        print(f"trace: {error}", file=sys.stderr)
        return 1
    write(trace, options.output)
    report(trace, options.output, time.monotonic() - start)
    if "problem" in trace:
        print(f"trace: {trace['problem']}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
