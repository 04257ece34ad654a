"""What a submission is confined in.

By bubblewrap: no network, a process tree and users of its own, no capability, the
tools read-only and nothing else of this machine but what is named, a private /tmp
of bounded size, an environment that is empty, and the end when its parent ends.
CONFINE=container says that all of this process is in a disposable container that
does as much; nothing is taken on trust in that case but that word.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import shutil
import subprocess
from pathlib import Path
from typing import Mapping, Sequence

from machine import deadlines
from machine.qemu import TREE

from .error import GraderError

BWRAP, CONTAINER, NONE = "bubblewrap", "container", "none"
VARIABLE = "CONFINE"

# What the tools need: of Debian's layout and of those like it. Not /usr/local as a
# whole, /usr/src, /home, /root, /srv or /var: there people keep things.
SYSTEM = ("/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib32", "/usr/lib64",
          "/usr/libexec", "/bin", "/sbin", "/lib", "/lib32", "/lib64",
          "/etc/alternatives")
# What QEMU and Python need besides; a compiler does not.
GRADERS = ("/usr/share/qemu", "/usr/share/seabios", "/usr/share/misc",
           "/usr/local/lib/python3*", "/usr/share/python3")
TMP_SIZE = 256 << 20
# Since then it bounds the size of a /tmp.
BWRAP_SINCE = "0.7"


@dataclasses.dataclass(frozen=True)
class Sandbox:
    """One confinement.

    kind       BWRAP, CONTAINER or NONE.
    scratch    this grading's own directory, where there is no private /tmp.
    """

    kind: str
    scratch: Path

    @property
    def is_closed(self) -> bool:
        """Does it see only what it is given?"""
        return self.kind == BWRAP

    def path(self, real: Path, inside: str) -> Path:
        """Where a directory given as `inside` is found by who is in here."""
        return Path(inside) if self.is_closed else real

    @property
    def temporary(self) -> str:
        """Where who is in here may write."""
        return "/tmp" if self.is_closed else str(self.scratch)

    def environment(self, more: Mapping[str, str] = {}) -> dict[str, str]:
        """All that is known in here."""
        return {"PATH": "/usr/bin:/bin" if self.is_closed else os.environ["PATH"],
                "LC_ALL": "C.UTF-8", "HOME": self.temporary,
                "TMPDIR": self.temporary, **more}

    def command(self, inner: Sequence[str], given: Mapping[str, Path],
                directory: str, more: Mapping[str, str] = {},
                with_devices: bool = False) -> list[str]:
        """A command that runs `inner` in here, with `given` directories read-only
        ("/src": Path) and the compiler's tools; `with_devices`, also with what
        Python and QEMU need. `inner` is process 1 in here: when it ends, so does all
        that it has started, and bwrap waits for it, so that its CPU is counted."""
        environment = self.environment(more)
        words = [f"{name}={value}" for name, value in environment.items()]
        if not self.is_closed:
            return ["env", "-i", "-C", str(given.get(directory, self.scratch)),
                    *words, *inner]
        command = [
            _bwrap(), "--unshare-all", "--as-pid-1", "--die-with-parent", "--new-session",
            "--cap-drop", "ALL", "--hostname", "grader",
            "--size", str(TMP_SIZE), "--tmpfs", "/tmp"]
        for place in _system(with_devices):
            command += (["--symlink", os.readlink(place), place]
                        if os.path.islink(place) else ["--ro-bind", place, place])
        if with_devices:
            command += ["--proc", "/proc", "--dev", "/dev"]
        else:
            command += ["--dev-bind", "/dev/null", "/dev/null"]
        for inside, real in given.items():
            command += ["--ro-bind", str(real), inside]
        return [*command, "--remount-ro", "/", "--chdir", directory, "--clearenv",
                *(word for name, value in environment.items()
                  for word in ("--setenv", name, value)), "--", *inner]


def kind_for_others() -> str:
    """How somebody else's work is confined here; GraderError if it cannot be."""
    wanted = os.environ.get(VARIABLE, "")
    if wanted == CONTAINER:
        return CONTAINER
    if wanted not in ("", BWRAP):
        raise GraderError(f"{VARIABLE} is {BWRAP} or {CONTAINER}, not {wanted!r}.")
    why = _why_not()
    if why:
        raise GraderError(
            f"Others' work is graded in a sandbox, and {why} In a container that is "
            f"thrown away afterwards, {VARIABLE}={CONTAINER} says that it does as much.")
    return BWRAP


@functools.lru_cache(maxsize=None)
def _why_not() -> str:
    """Why bubblewrap cannot be used, in a clause; nothing if it can."""
    if not shutil.which("bwrap"):
        return f"bubblewrap is not installed: {_install_command()}"
    sandbox = Sandbox(BWRAP, Path("/nonexistent"))
    try:
        done = subprocess.run(sandbox.command(["true"], {}, "/"), text=True,
                              capture_output=True, timeout=deadlines.host(),
                              stdin=subprocess.DEVNULL, errors="replace")
    except (OSError, subprocess.SubprocessError) as error:
        return f"bubblewrap does not run: {error}."
    if done.returncode:
        said = (done.stderr.strip().split("\n") or [""])[-1]
        if "Unknown option" in said:
            return f"the bubblewrap of this machine is older than {BWRAP_SINCE}."
        return f"bubblewrap cannot make one on this machine ({said})."
    return ""


def _install_command() -> str:
    done = subprocess.run(
        ["sh", str(TREE / "kernel/host/doctor.sh"), "command", "bwrap"],
        capture_output=True, text=True, timeout=deadlines.host())
    return done.stdout.strip() or "install it."


@functools.lru_cache(maxsize=None)
def _bwrap() -> str:
    return shutil.which("bwrap") or "bwrap"


@functools.lru_cache(maxsize=None)
def _system(with_devices: bool) -> list[str]:
    """The directories of the tools that this machine has."""
    wanted = [*SYSTEM, *(GRADERS if with_devices else ())]
    found = [str(path) for name in wanted
             for path in sorted(Path("/").glob(name.lstrip("/")))
             if path.exists()]
    # A link goes after what it points to; a tool that lies elsewhere comes along.
    return found
