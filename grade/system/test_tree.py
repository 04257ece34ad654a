"""The sources: they build without a word, by themselves, and are laid out
alike."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Iterator

import pytest

from machine import deadlines
from machine.qemu import INITRD, TREE
from replay.session import copy_tree


def files_of_the_tree() -> list[str]:
    """What a clone would hold, with what is not committed yet."""
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=TREE, check=True, capture_output=True, timeout=deadlines.host()).stdout
    return [n for n in names.decode().split("\0") if n and (TREE / n).exists()]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources alone, somewhere else."""
    directory = tmp_path_factory.mktemp("copy")
    for name in files_of_the_tree():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(TREE / name, directory / name)
    return directory


@pytest.fixture(scope="module")
def build(copy: Path, make_environment: dict[str, str]
          ) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", "all"], cwd=copy, env=make_environment,
                          capture_output=True, text=True, timeout=deadlines.host())


# One worker makes the copy for all of these.
pytestmark = pytest.mark.xdist_group("copy")


def test_it_builds_without_a_warning(build: subprocess.CompletedProcess[str]
                                     ) -> None:
    assert (build.returncode, build.stderr) == (0, "")


def test_products_lie_under_build(build: object, copy: Path) -> None:
    made = {str(path.relative_to(copy)) for path in copy.rglob("*")
            if path.is_file()} - set(files_of_the_tree())
    assert made and all(name.startswith("build/") for name in made)


def test_a_second_make_does_nothing(build: object, copy: Path,
                                    make_environment: dict[str, str]) -> None:
    done = subprocess.run(["make", "-q", "all"], cwd=copy, env=make_environment,
                          timeout=deadlines.host())
    assert done.returncode == 0


def test_the_archive_is_the_same_wherever_it_is_made(build: object, copy: Path
                                                     ) -> None:
    assert (copy / "build/initrd.cpio").read_bytes() == INITRD.read_bytes()


def test_editors_find_the_command_of_every_file(build: object, copy: Path) -> None:
    commands = json.loads((copy / "build/compile_commands.json").read_text())
    sources = {name for name in files_of_the_tree()
               if re.fullmatch(r"(kernel|user)(/\w+)?/[^/]*\.[cS]", name)}
    assert {command["file"] for command in commands} == sources
    assert all(command["directory"] == str(copy) for command in commands)


def clang_format() -> str:
    """A clang-format 14, whose layout the tree follows; others differ a bit."""
    for name in ("clang-format-14", "clang-format"):
        if shutil.which(name):
            version = subprocess.run([name, "--version"], capture_output=True,
                                     text=True, timeout=deadlines.host()).stdout
            if " 14." in version:
                return name
    pytest.skip("no clang-format 14 on this machine")


@pytest.mark.parametrize("directory", ["kernel", "user", "grade"])
def test_the_code_is_laid_out_by_clang_format(directory: str) -> None:
    sources = [name for name in files_of_the_tree()
               if name.startswith(directory) and name.endswith((".c", ".h"))]
    done = subprocess.run([clang_format(), "--dry-run", *sources], cwd=TREE,
                          capture_output=True, text=True, timeout=deadlines.host())
    assert done.stderr == ""


def test_no_line_ends_in_blanks_and_every_file_in_a_newline() -> None:
    wrong = []
    for name in files_of_the_tree():
        text = (TREE / name).read_bytes()
        if name.endswith((".patch", ".png")):
            continue  # a diff's empty line is a blank; a picture has no lines
        if text and (not text.endswith(b"\n") or re.search(rb"[ \t\r]\n", text)):
            wrong.append(name)
    assert not wrong


@pytest.fixture
def copy_that_warns(build: object, copy: Path) -> Iterator[Path]:
    """A tree of which one program, not built yet, has a compiler's warning."""
    planted = copy / "user/warns.c"
    planted.write_text("int main(void)\n{\n\tint unused = 3;\n\treturn 0;\n}\n")
    yield copy
    planted.unlink()
    for product in (copy / "build/user").glob("warns*"):
        product.unlink()


def test_a_warning_is_shown_and_stops_no_build(
    copy_that_warns: Path, make_environment: dict[str, str]
) -> None:
    done = subprocess.run(["make", "build/user/warns"], cwd=copy_that_warns,
                          env=make_environment, capture_output=True, text=True,
                          timeout=deadlines.host())
    assert done.returncode == 0
    assert "user/warns.c:3:" in done.stderr and "unused" in done.stderr


def test_a_warning_is_an_error_where_werror_asks_for_it(
    copy_that_warns: Path, make_environment: dict[str, str]
) -> None:
    done = subprocess.run(["make", "build/user/warns", "WERROR=1"],
                          cwd=copy_that_warns, env=make_environment,
                          capture_output=True, text=True, timeout=deadlines.host())
    assert done.returncode != 0
    assert "-Werror" in done.stderr


# ---- the kernel's order ------------------------------------------------------

def rooms() -> list[str]:
    """The first column of README's table of rooms: gdt, x86.h, files/path."""
    table = (TREE / "README.md").read_text().partition("### The kernel's rooms")[2]
    columns = re.findall(r"^\| ([^|]*`[^|]*)\|", table.partition("\n## ")[0], re.MULTILINE)
    return [name for column in columns for name in re.findall(r"`([^`]+)`", column)]


def place(file: str) -> int:
    """Where a file of kernel/ stands in that table: gdt means gdt.c and gdt.h."""
    names = rooms()
    return names.index(file if file in names else file.rpartition(".")[0])


def kernel_files() -> list[str]:
    """But for main.c, which is the table of contents itself."""
    return [name.removeprefix("kernel/") for name in files_of_the_tree()
            if re.fullmatch(r"kernel/(\w+/)?\w+\.[chS]", name)
            and name != "kernel/main.c"]


def test_every_room_of_the_kernel_is_in_the_readme_once() -> None:
    names = rooms()
    assert len(set(names)) == len(names)
    assert {place(file) for file in kernel_files()} == set(range(len(names)))


@pytest.mark.parametrize("file", kernel_files())
def test_a_room_includes_only_what_stands_before_it(file: str) -> None:
    included = re.findall(r'^#include "(.*)"', (TREE / "kernel" / file).read_text(),
                          re.MULTILINE)
    assert [name for name in included if place(name) > place(file)] == []


def test_main_calls_the_rooms_in_their_order() -> None:
    body = (TREE / "kernel/main.c").read_text().partition("\nvoid main(")[2]
    home = {function: file for file in kernel_files() if file.endswith(".h")
            for function in re.findall(r"^\w[\w ]*\W(\w+)\([^;{]*;",
                                       (TREE / "kernel" / file).read_text(), re.MULTILINE)}
    called = [place(home[name]) for name in re.findall(r"^\t(\w+)\(", body, re.MULTILINE)
              if name in home]
    first_calls = list(dict.fromkeys(called))
    assert len(first_calls) > 10 and first_calls == sorted(first_calls)


# ---- the floors of grade/ ----------------------------------------------------

# What each floor may import of grade/, besides itself.
BELOW = {
    "machine": set(),
    "proof": {"machine", "labs"},
    "intake": {"machine", "labs"},
    "report": {"machine", "labs"},
    "replay": {"machine", "labs"},
    "judge": {"machine", "proof", "intake", "report", "replay", "labs"},
}
# What a person starts. Nothing else stands on them. (known_wrong/run.py is started,
# too, but its own tests drive it; no floor may import anything of known_wrong/.)
DOORS = {"grade", "handin", "bench", "replay.trace", "replay.rewind"}


def imports_of(path: Path, package: str) -> Iterator[str]:
    """The modules that a file of a package imports, wherever in the file, as
    "machine.qemu"; of a name that a package gives, "machine.deadlines"."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = ".".join(filter(None, [package if node.level else "", node.module]))
            yield from (f"{module}.{alias.name}" for alias in node.names)


def floor_breaks(grade: Path) -> list[str]:
    """Each import below a grade/ that the rule of the floors forbids."""
    ours = {path.stem for path in grade.iterdir()
            if path.suffix == ".py" or path.is_dir()}
    found = []
    for path in sorted(grade.rglob("*.py")):
        name = path.relative_to(grade)
        floor = name.parts[0] if len(name.parts) > 1 else ""
        for module in imports_of(path, ".".join(name.parts[:-1])):
            top = module.partition(".")[0]
            if any(f"{module}.".startswith(f"{door}.") for door in DOORS):
                found.append(f"{name} imports the door {module}")
            elif floor in BELOW and top in ours - BELOW[floor] - {floor}:
                found.append(f"{name} imports {module}")
    return found


def test_a_floor_of_the_grader_stands_on_those_below_it() -> None:
    assert floor_breaks(TREE / "grade") == []


@pytest.mark.parametrize("name, line, found", [
    ("machine/qemu.py", "from judge.lab import Lab", "judge.lab.Lab"),
    ("machine/qemu.py", "import labs", "labs"),
    ("proof/cpu.py", "from replay import stepper", "replay.stepper"),
    ("report/text.py", "def late():\n    from intake.read import read",
     "intake.read.read"),
    ("replay/stepper.py", "import proof.prove as p", "proof.prove"),
    ("judge/lab.py", "from known_wrong.run import main", "known_wrong.run.main"),
    ("judge/lab.py", "from grade import main", "the door grade.main"),
    ("test_1_gdt.py", "import bench", "the door bench"),
    ("replay/session.py", "from .rewind import Terminal", "the door replay.rewind.Terminal"),
])
def test_what_breaks_the_rule_of_the_floors_is_named(
    tmp_path: Path, name: str, line: str, found: str
) -> None:
    for directory in (*BELOW, "known_wrong"):
        (tmp_path / directory).mkdir()
    for module in ("grade.py", "labs.py", "bench.py", "judge/ok.py"):
        (tmp_path / module).write_text("from machine import qemu\nimport json\n")
    (tmp_path / name).write_text(line + "\n")
    assert floor_breaks(tmp_path) == [f"{name} imports {found}"]


def test_no_file_of_the_grader_is_longer_than_a_room() -> None:
    """One idea a file: none that has one has needed 600 lines."""
    lengths = {str(path.relative_to(TREE)): len(path.read_text().splitlines())
               for path in (TREE / "grade").rglob("*.py")}
    assert {name: lines for name, lines in lengths.items() if lines > 600} == {}


def test_a_copied_tree_has_nothing_that_others_are_at_work_on(tmp_path: Path) -> None:
    for name in ("kernel/gdt.c", "build/kernel/gdt.c.o", "build/kernel.elf",
                 "build/root/bin/echo", "build/matrix/sid.log", ".git/index.lock"):
        file = tmp_path / "tree" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    place = copy_tree(tmp_path / "copy", tmp_path / "tree")
    assert {str(path.relative_to(place)) for path in place.rglob("*")
            if path.is_file()} == {
        "kernel/gdt.c", "build/kernel/gdt.c.o", "build/kernel.elf"}
