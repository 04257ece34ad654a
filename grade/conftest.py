"""What every test may use, and the check that no process is left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import uuid
from pathlib import Path
from typing import Iterator

import pytest

from machine import environment, toolchain
from machine.programs import Programs
from machine.qemu import INITRD, KERNEL, TREE
from machine.kernel import Kernel

pytest_plugins = ["judge.plugin"]

# Every process that a test starts inherits this mark, so that it can be found.
MARK = "THRESHOLD_TEST_RUN"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true",
                     help="also run the tests that take minutes")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "long: takes minutes; run by --long")
    config.addinivalue_line("markers", "of_gcc(why): not for a kernel that clang made")
    if not hasattr(config, "workerinput"):
        os.environ[MARK] = uuid.uuid4().hex


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    # The tests of the labs bring a kernel of their own.
    if any("system" in Path(str(item.fspath)).parts for item in items):
        for product in (KERNEL, INITRD):
            if not product.exists():
                pytest.exit(f"{product.relative_to(TREE)} is missing: run make", 2)
    for item in items if toolchain.is_clang() else ():
        if marker := item.get_closest_marker("of_gcc"):
            item.add_marker(pytest.mark.skip(reason=f"with clang {marker.args[0]}"))
    if not config.getoption("--long"):
        skip = pytest.mark.skip(reason="takes minutes; run by make stress")
        for item in items:
            if "long" in item.keywords:
                item.add_marker(skip)


@pytest.hookimpl(hookwrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Fails the run if any process that a test started is still there."""
    yield  # until xdist has ended its workers
    if hasattr(session.config, "workerinput"):
        return
    left = list(_marked_processes())
    for pid, command in left:
        print(f"\nleft behind: {pid} {command}")
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            os.kill(pid, signal.SIGKILL)
    if left:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _marked_processes() -> Iterator[tuple[int, str]]:
    """Processes other than this one that carry the mark of this run."""
    mark = f"{MARK}={os.environ[MARK]}".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            marked = mark in (entry / "environ").read_bytes().split(b"\0")
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
        except OSError:
            continue
        if marked and int(entry.name) != os.getpid():
            yield int(entry.name), command.decode(errors="replace")


@pytest.fixture(scope="session")
def kernel() -> Kernel:
    """Names and addresses of the kernel."""
    return Kernel(KERNEL)


@pytest.fixture(params=["qboot", "seabios"])
def firmware(request: pytest.FixtureRequest) -> str:
    """Both firmwares, one after another."""
    return str(request.param)


@pytest.fixture(scope="session")
def make_environment() -> dict[str, str]:
    """The environment for a make that a test runs: without what the make that
    runs the tests has exported."""
    return environment.without_make()


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    return Programs(tmp_path_factory.mktemp("programs"))
