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
    print(f"{'guest instructions, or ms':<38}{'here':>9}{'aim':>9}"
          f"{'Linux 6.1':>11}{'xv6':>11}")
    for key, row in ROWS.items():
        here, aim, linux, xv6 = [
            f"{value:,}" if value is not None else ""
            for value in (numbers[key], row.aim, row.linux, row.xv6)]
        print(f"{row.what:<38}{here:>9}{aim:>9}{linux:>11}{xv6:>11}")
    print("How each is counted, and the others' columns were: grade/machine/speed.py")
    path = TREE / "build/bench.json"
    path.write_text(json.dumps(numbers, indent=2) + "\n")
    print(f"written to {path.relative_to(TREE)}")


if __name__ == "__main__":
    main()
