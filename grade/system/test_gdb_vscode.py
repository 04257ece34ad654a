"""VS Code's way to the debugger."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

from gdb_answers import qemu_of
from machine import deadlines
from machine.qemu import TREE
from replay.session import copy_tree


def substituted(value: object, tree: Path) -> object:
    """A VS Code setting with its variables filled in."""
    if isinstance(value, str):
        return value.replace("${workspaceFolder}", str(tree))
    return value


def test_vscode_starts_and_attaches_as_its_files_say(
    tmp_path: Path, make_environment: dict[str, str]
) -> None:
    """Does what the C/C++ extension does: runs the task before, waits for its
    pattern, then gives GDB the commands in the extension's order."""
    tree = copy_tree(tmp_path / "tree")
    launch, = json.loads((TREE / ".vscode/launch.json").read_text())["configurations"]
    tasks = {task["label"]: task for task in
             json.loads((TREE / ".vscode/tasks.json").read_text())["tasks"]}
    start, end = tasks[launch["preLaunchTask"]], tasks[launch["postDebugTask"]]
    assert subprocess.run(tasks[start["dependsOn"]]["command"], shell=True, cwd=tree,
                          env=make_environment, capture_output=True,
                          timeout=deadlines.host()).returncode == 0

    background = start["problemMatcher"]["background"]
    task = subprocess.Popen(start["command"], shell=True, cwd=tree, text=True,
                            env={**make_environment, **start["options"]["env"]},
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, start_new_session=True)
    try:
        assert task.stdout
        assert re.search(background["beginsPattern"], task.stdout.readline())
        assert re.search(background["endsPattern"], task.stdout.readline())
        setup = [str(substituted(command["text"], tree))
                 for command in launch["setupCommands"]]
        commands = [
            *(f'-interpreter-exec console "{text}"' for text in setup),
            f"-environment-cd {substituted(launch['cwd'], tree)}",
            f"-file-exec-and-symbols {substituted(launch['program'], tree)}",
            "-break-insert main",
            f"-target-select remote {launch['miDebuggerServerAddress']}",
            "-exec-continue",
        ]
        with subprocess.Popen(
                [launch["miDebuggerPath"], "--interpreter=mi", "-nx"], text=True,
                errors="replace",  # the banner of GDB 18 is no UTF-8
                cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as mi:
            try:
                assert mi.stdin and mi.stdout
                for command in commands:
                    mi.stdin.write(command + "\n")
                    mi.stdin.flush()
                    answer = read_until(mi, r"^\^(done|connected|running|error)")
                    assert "^error" not in answer, answer
                stopped = read_until(mi, r'^\*stopped,reason="breakpoint-hit"')
                assert 'func="main"' in stopped and "kernel/main.c" in stopped
                mi.stdin.write('-interpreter-exec console "gdt"\n')
                mi.stdin.flush()
                assert "boot_gdt" in read_until(mi, r"^\^done")
            finally:
                mi.kill()
        assert subprocess.run(end["command"], shell=True, cwd=tree,
                              timeout=deadlines.host()).returncode == 0
        task.wait(deadlines.answer())
        assert not qemu_of(tree)
    finally:
        for pid in qemu_of(tree):
            os.kill(pid, 9)
        task.kill()
        task.wait()


def read_until(process: subprocess.Popen[str], pattern: str) -> str:
    """What GDB's machine interface says up to the line that matches."""
    text = ""
    assert process.stdout
    for line in process.stdout:
        text += line
        if re.search(pattern, line):
            return text
    raise AssertionError(f"GDB ended before {pattern!r}:\n{text}")
