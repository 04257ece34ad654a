"""The set-up: what is missing is installed, or the command to type is named.

No package is installed here. The machine is a directory of commands that is
the whole PATH; apt-get in it writes down how it was called, and "installs" by
making the commands appear.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from machine import deadlines
from machine.qemu import TREE

# What any machine has, and what the scripts use of it.
BASICS = ["sh", "awk", "head", "env", "uname", "cat", "ln", "printf", "chmod", "rm"]


class Machine:
    """A directory of commands."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        for name in BASICS:
            found = shutil.which(name)
            assert found
            (path / name).symlink_to(found)
        self.add("id", "echo 0")

    def add(self, name: str, script: str) -> None:
        command = self.path / name
        command.write_text(f"#!/bin/sh\n{script}\n")
        command.chmod(0o755)

    def add_build_tools(self) -> None:
        self.add("gcc", "echo x86_64-linux-gnu")
        self.add("qemu-system-x86_64", "echo 'QEMU emulator version 7.2.1'")
        for name in ("ld", "objcopy", "cpio"):
            self.add(name, "echo 1.0")

    def remove(self, name: str) -> None:
        (self.path / name).unlink()

    def doctor(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "kernel/host/doctor.sh", *arguments], cwd=TREE, text=True,
            env={"PATH": str(self.path), "PYTHON": "none"},
            stdin=subprocess.DEVNULL, capture_output=True, timeout=deadlines.host())


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "bin")


def test_a_complete_machine_needs_nothing(machine: Machine) -> None:
    machine.add_build_tools()
    done = machine.doctor("install", "build")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_apt_get_installs_what_is_missing(machine: Machine, tmp_path: Path) -> None:
    machine.add_build_tools()
    machine.remove("cpio")
    log = tmp_path / "log"
    machine.add("apt-get", f"""
        echo "$@" >> {log}
        case "$*" in
        *install*) ln -s {machine.path}/ld {machine.path}/cpio ;;
        esac""")
    done = machine.doctor("install", "build")
    assert done.returncode == 0, done.stdout + done.stderr
    update, install = log.read_text().splitlines()
    assert update.endswith("update")
    assert "-y" in install.split() and install.split()[-1] == "cpio"


def test_without_root_and_sudo_the_command_is_named(machine: Machine) -> None:
    machine.add("id", "echo 1000")
    machine.add("apt-get", "exit 1")
    done = machine.doctor("install", "build")
    assert done.returncode != 0
    assert "type this as root" in done.stderr
    assert ("    apt-get update && apt-get install "
            "gcc binutils qemu-system-x86 cpio\n") in done.stderr


def test_where_sudo_refuses_the_command_is_named(machine: Machine) -> None:
    machine.add("id", "echo 1000")
    machine.add("apt-get", "exit 1")
    machine.add("sudo", "exit 1")
    done = machine.doctor("install", "build")
    assert done.returncode != 0
    assert ("    sudo apt-get update && sudo apt-get install "
            "gcc binutils qemu-system-x86 cpio\n") in done.stderr


@pytest.mark.parametrize("manager, command", [
    ("dnf", "    dnf install gcc binutils qemu-system-x86-core cpio\n"),
    ("pacman", "    pacman -S gcc binutils qemu-system-x86 cpio\n"),
    ("brew", "    brew install x86_64-elf-gcc x86_64-elf-binutils qemu cpio\n"),
])
def test_elsewhere_the_command_is_named(manager: str, command: str,
                                        machine: Machine) -> None:
    machine.add(manager, "exit 1")
    done = machine.doctor("install", "build")
    assert done.returncode != 0
    assert command in done.stderr


@pytest.mark.parametrize("architecture, package", [
    ("x86_64", "gdb"), ("aarch64", "gdb-multiarch")])
def test_the_gdb_that_knows_x86_64_is_named(architecture: str, package: str,
                                            machine: Machine) -> None:
    machine.remove("uname")
    machine.add("uname", f"echo {architecture}")
    machine.add("apt-get", "exit 1")
    machine.add("gdb" if architecture != "x86_64" else "other", "echo 1.0")
    done = machine.doctor("install", "gdb")
    assert f" {package} tmux\n" in done.stderr


def test_before_python_3_11_a_reader_of_toml_is_named(machine: Machine) -> None:
    machine.add("apt-get", "exit 1")
    assert " python3-tomli\n" in machine.doctor("install", "grade").stderr


def test_where_no_package_manager_is_known_the_tools_are_named(machine: Machine
                                                               ) -> None:
    done = machine.doctor("install", "build")
    assert done.returncode != 0
    assert "missing: compiler linker qemu cpio" in done.stderr


def test_an_installation_that_fails_is_told(machine: Machine) -> None:
    machine.add("apt-get", "exit 100")
    done = machine.doctor("install", "build")
    assert done.returncode != 0
    assert "apt-get install gcc" in done.stderr


def test_an_old_qemu_is_told(machine: Machine) -> None:
    machine.add_build_tools()
    machine.add("qemu-system-x86_64", "echo 'QEMU emulator version 4.2.1'")
    assert "qemu          too old, 5.2 is needed" in machine.doctor("report").stdout


def test_a_newer_qemu_is_good(machine: Machine) -> None:
    machine.add_build_tools()
    machine.add("qemu-system-x86_64", "echo 'QEMU emulator version 10.0.1'")
    assert machine.doctor("install", "build").returncode == 0


def test_the_report_names_what_is_missing(machine: Machine) -> None:
    machine.add_build_tools()
    done = machine.doctor("report")
    assert "gdb           missing" in done.stdout
    assert done.returncode == 0, "what is missing is not needed to boot"


@pytest.mark.parametrize("compilers, prefix", [
    ({"gcc": "x86_64-linux-gnu"}, ""),
    ({"gcc": "aarch64-linux-gnu", "x86_64-linux-gnu-gcc": ""}, "x86_64-linux-gnu-"),
    ({"gcc": "arm64-apple-darwin23", "x86_64-elf-gcc": ""}, "x86_64-elf-"),
    ({"gcc": "x86_64-apple-darwin23", "x86_64-elf-gcc": ""}, "x86_64-elf-"),
    ({"x86_64-elf-gcc": ""}, "x86_64-elf-"),
])
def test_a_compiler_for_x86_64_elf_is_found(
    compilers: dict[str, str], prefix: str, machine: Machine
) -> None:
    for name, target in compilers.items():
        machine.add(name, f"echo {target}")
    done = machine.doctor("toolprefix")
    assert (done.returncode, done.stdout) == (0, prefix + "\n")


def test_a_compiler_for_another_machine_is_none(machine: Machine) -> None:
    machine.add("gcc", "echo aarch64-linux-gnu")
    assert machine.doctor("toolprefix").returncode != 0


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="needs the host's tools")
def test_this_machine_has_all(make_environment: dict[str, str]) -> None:
    done = subprocess.run(["sh", "kernel/host/doctor.sh", "install", "check"], cwd=TREE,
                          env=make_environment, timeout=deadlines.host())
    assert done.returncode == 0
