"""Every waiting time, in seconds, in one place.

They are generous: a deadline is there so that nothing hangs for ever, never to
judge speed. A boot takes 40 ms on a quiet machine; a loaded one is slower by
ten times and more. DEADLINE_SCALE in the environment multiplies them all.
"""

import os

SCALE: float = float(os.environ.get("DEADLINE_SCALE", "1"))

# One run of QEMU, from its start to its end.
RUN: float = 120 * SCALE
# One probe on a submission's kernel: where a hang is found out.
PROBE: float = 5 * SCALE
# One test of a submission, whatever it does.
TEST: float = 45 * SCALE
# A run that is meant to be long: the leak tests, a million random calls.
LONG_RUN: float = 1200 * SCALE
# A recorded machine, from one place of interest to the next.
TRACE: float = 30 * SCALE
# The answer of a debugger's stub or of QEMU's monitor.
ANSWER: float = 30 * SCALE
# A browser, with all tests that share it.
BROWSER: float = 600 * SCALE
# One run of the compiler on a submission.
COMPILE: float = 20 * SCALE
# All tests of one submission.
GRADE: float = 300 * SCALE
# A program on the host: make, a compiler, the same test run natively.
HOST: float = 300 * SCALE
