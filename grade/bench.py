"""What calls and the boot cost: `make bench`.

A table goes to the terminal, the numbers to build/bench.json. How they are got,
machine/speed.py says.
"""

from __future__ import annotations

import argparse
import json

from machine.qemu import TREE
from machine.speed import ROWS, measure

BOOTS = 21


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--boots", type=int, default=BOOTS,
                        help="how often the boot is timed (at least 11)")
    numbers = measure(max(11, parser.parse_args().boots))
    print(f"{'guest instructions, or ms':<40}{'here':>10}{'aim':>10}{'xv6':>12}")
    for key, (what, aim, xv6) in ROWS.items():
        columns = [f"{value:,}" if value is not None else ""
                   for value in (numbers[key], aim, xv6)]
        print(f"{what:<40}{columns[0]:>10}{columns[1]:>10}{columns[2]:>12}")
    path = TREE / "build/bench.json"
    path.write_text(json.dumps(numbers, indent=2) + "\n")
    print(f"written to {path.relative_to(TREE)}")


if __name__ == "__main__":
    main()
