"""The compiler and how it is called: the Makefile and doctor.sh are asked."""

from __future__ import annotations

import functools
import os
import subprocess
from pathlib import Path

from . import deadlines
from .environment import without_make
from .qemu import TREE


@functools.lru_cache(maxsize=None)
def tool_prefix() -> str:
    """What stands before gcc and ld for x86-64."""
    return subprocess.run(
        ["sh", str(TREE / "kernel/host/doctor.sh"), "toolprefix"], check=True,
        capture_output=True, text=True, timeout=deadlines.host()).stdout.strip()


def is_clang() -> bool:
    """Does clang compile the kernel and the programs (make CC=clang-16)?"""
    return "clang" in os.environ.get("KERNEL_CC", "")


def strict() -> list[str]:
    """The flag that makes a warning an error, where WERROR=1 asks for it: for
    the project's own files, never for what somebody has handed in."""
    return ["-Werror"] if os.environ.get("WERROR") else []


def kernel_flags(tree: Path = TREE) -> list[str]:
    """How a tree's Makefile compiles the kernel's C files."""
    return _flags(tree, "KERNEL_CFLAGS")


def user_flags(tree: Path = TREE) -> list[str]:
    """How a tree's Makefile compiles user programs."""
    return _flags(tree, "USER_CFLAGS")


def link_flags(tree: Path = TREE) -> list[str]:
    """How a tree's Makefile links, user programs and kernel alike."""
    return _flags(tree, "LDFLAGS")


@functools.lru_cache(maxsize=None)
def _flags(tree: Path, variable: str) -> list[str]:
    """A variable of the Makefile for GCC, without what writes down dependencies."""
    done = subprocess.run(
        ["make", "-s", "--no-print-directory", "-f", "Makefile", "--eval",
         f"print-flags: ; @echo $({variable})", "print-flags"],
        cwd=tree, env={**without_make(), "KERNEL_CC": ""}, capture_output=True, text=True,
        timeout=deadlines.host())
    flags = done.stdout.split()
    if done.returncode or not flags:
        raise RuntimeError(f"the Makefile gives no {variable}: {done.stderr}")
    return [flag for flag in flags if flag not in ("-MMD", "-MP")]
