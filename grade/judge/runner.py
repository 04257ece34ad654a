"""In which order and where the tests of a grading run.

Those that others stand on come first, one after another. The rest run in a few
processes that are forked from this one, each of which takes the next test that
nobody has begun: so what the first tests have found and recorded is found once,
and every other test knows it, whichever process runs it.
"""

from __future__ import annotations

import os
import struct
import sys
import traceback
from typing import NoReturn, Sequence

import pytest

from .session import die_with_parent

NUMBER = struct.Struct("<H")


def stands_under_others(item: pytest.Item) -> bool:
    """Whether a test is marked as a foundation."""
    return bool(getattr(getattr(item, "function", None), "grade_foundation", False))


def run(session: pytest.Session, jobs: int) -> None:
    """Runs every test of a session."""
    rest = []
    for item in session.items:
        if stands_under_others(item):
            _run_one(session, item)
        else:
            rest.append(item)
    if jobs < 2:
        for item in rest:
            _run_one(session, item)
        return
    _run_forked(session, rest, jobs)


def _run_one(session: pytest.Session, item: pytest.Item) -> None:
    # After each test all is torn down but what belongs to the session.
    item.config.hook.pytest_runtest_protocol(item=item, nextitem=session)


def _run_forked(session: pytest.Session, items: Sequence[pytest.Item], jobs: int
                ) -> None:
    """A pipe holds the numbers of the tests: who reads one runs that test."""
    take, give = os.pipe()
    os.write(give, b"".join(map(NUMBER.pack, range(len(items)))))
    os.close(give)
    sys.stdout.flush()
    sys.stderr.flush()
    workers = []
    for _ in range(jobs):
        pid = os.fork()
        if pid == 0:
            _work(session, items, take)
        workers.append(pid)
    os.close(take)
    for pid in workers:
        os.waitpid(pid, 0)


def _work(session: pytest.Session, items: Sequence[pytest.Item], take: int
          ) -> NoReturn:
    """One of the processes. It ends here: what the session holds is its parent's
    to tear down."""
    status = 1
    die_with_parent()
    try:
        while number := os.read(take, NUMBER.size):
            _run_one(session, items[NUMBER.unpack(number)[0]])
        status = 0
    except BaseException:  # pylint: disable=broad-except
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
