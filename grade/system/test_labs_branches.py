"""`make labs`: the branches of the labs, cut from one commit."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from labs import LABS
from machine import deadlines, environment
from machine.qemu import TREE

sys.path.insert(0, str(TREE / "labs"))
# pylint: disable=wrong-import-position
import branches  # noqa: E402
import tree  # noqa: E402
from repository import Repository  # noqa: E402

NAMES = ["lab1-gdt", "lab2-msr", "lab3-entry", "lab4-frame", "lab5-fork", "solution"]
PERSON = ("-c", "user.name=A Teacher", "-c", "user.email=teacher@example.org")


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree as it is, as the one commit of a repository."""
    place = tree.write(tree.solved(), tmp_path_factory.mktemp("solved") / "repository")
    for line in (["init", "-q", "-b", "main"], ["add", "-A"],
                 ["commit", "-q", "-m", "all: the solved tree"]):
        tree.git(place, *PERSON, *line)
    return place


@pytest.fixture
def teacher(first: Path, tmp_path: Path) -> Repository:
    """A clone of that, for one test."""
    tree.git(tmp_path, "clone", "-q", str(first), "teacher")
    return Repository(tmp_path / "teacher")


def commit(repository: Repository, text: str, name: str = "README.md") -> None:
    with (repository.path / name).open("a") as file:
        file.write(text)
    repository.git(*PERSON, "commit", "-q", "-a", "-m", "readme: a word more")


def tips(repository: Repository) -> dict[str, str]:
    lines = repository.git("for-each-ref", "--format=%(refname:short) %(objectname)",
                           "refs/heads").split("\n")
    return dict(line.split(" ") for line in lines)


def test_there_is_a_branch_for_each_lab_and_one_for_the_solution(teacher: Repository
                                                                 ) -> None:
    made = branches.make_branches(teacher)
    assert list(made) == NAMES == branches.NAMES
    assert tips(teacher) == {"main": teacher.commit_of("main"),
                             **{name: now for name, (_, now) in made.items()}}


def test_each_branch_adds_the_files_of_one_lab(teacher: Repository) -> None:
    branches.make_branches(teacher)
    for before, after, lab in zip(NAMES, NAMES[1:], LABS.values()):
        names = teacher.git("diff", "--name-only", before, after).split("\n")
        assert sorted(names) == sorted(lab.files)
        assert teacher.git("rev-parse", f"{after}^") == teacher.git(
            "rev-parse", before)


def test_the_history_of_the_first_begins_there(teacher: Repository) -> None:
    branches.make_branches(teacher)
    assert teacher.git("rev-list", "--count", "lab1-gdt") == "1"
    assert "memset" in teacher.git("show", "lab1-gdt:kernel/gdt.c")
    assert "lgdt(" not in teacher.git("show", "lab1-gdt:kernel/gdt.c")


def test_the_solution_has_the_solved_labs(teacher: Repository) -> None:
    branches.make_branches(teacher)
    for lab in LABS.values():
        for name in lab.files:
            assert teacher.git("show", f"solution:{name}") == teacher.git(
                "show", f"main:{name}")


def test_a_second_run_changes_nothing(teacher: Repository) -> None:
    branches.make_branches(teacher)
    before = tips(teacher)
    assert all(was == now for was, now in branches.make_branches(teacher).values())
    assert tips(teacher) == before


def test_the_same_commit_gives_the_same_ids_elsewhere(
    teacher: Repository, first: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch
) -> None:
    branches.make_branches(teacher)
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Somebody")
    tree.git(tmp_path, "clone", "-q", str(first), "other")
    other = Repository(tmp_path / "other")
    other.git("config", "user.name", "Somebody else")
    branches.make_branches(other)
    assert tips(other) == tips(teacher)


def test_its_own_branches_move_with_main(teacher: Repository) -> None:
    before = branches.make_branches(teacher)
    commit(teacher, "A word more.\n")
    after = branches.make_branches(teacher)
    assert all(after[name][0] == before[name][1] != after[name][1] for name in NAMES)
    assert teacher.git("rev-list", "--count", "lab1-gdt") == "1"


def test_neither_work_tree_nor_head_nor_index_takes_notice(teacher: Repository
                                                           ) -> None:
    head = (teacher.path / ".git/HEAD").read_text()
    branches.make_branches(teacher)
    assert (teacher.path / ".git/HEAD").read_text() == head
    assert teacher.dirty() == ""


def test_the_commits_say_what_they_were_cut_from(teacher: Repository) -> None:
    branches.make_branches(teacher)
    for name in NAMES:
        said = teacher.git("show", "-s", "--format=%ae%n%cd%n%B", "--date=raw", name)
        assert said.startswith("labs@threshold.invalid\n" + teacher.git(
            "show", "-s", "--format=%cd", "--date=raw", "main"))
        assert said.endswith(f"Cut-from: {teacher.commit_of('main')}")


# ---- refusals ---------------------------------------------------------------

def refused(repository: Repository) -> str:
    """Why no branch is made; none is."""
    before = tips(repository)
    with pytest.raises(tree.TreeError) as refusal:
        branches.make_branches(repository)
    assert tips(repository) == before
    return str(refusal.value)


def test_a_change_that_is_not_committed_is_refused(teacher: Repository) -> None:
    (teacher.path / "README.md").write_text("Another.\n")
    assert "not committed; commit them first:\n M README.md" in refused(teacher)


def test_a_new_file_that_is_not_committed_is_refused(teacher: Repository) -> None:
    (teacher.path / "kernel/new.c").write_text("int x;\n")
    assert "?? kernel/new.c" in refused(teacher)


def test_somebodys_work_on_a_branch_is_left_alone(teacher: Repository) -> None:
    branches.make_branches(teacher)
    teacher.git("checkout", "-q", "lab3-entry")
    commit(teacher, "int mine;\n", "kernel/syscall_entry.c")
    teacher.git("checkout", "-q", "main")
    commit(teacher, "A word more.\n")
    why = refused(teacher)
    assert "The branch lab3-entry holds somebody's work" in why
    assert "git branch -m lab3-entry my-lab3-entry" in why


def test_a_branch_of_that_name_by_somebody_else_is_left_alone(teacher: Repository
                                                              ) -> None:
    teacher.git("branch", "solution")
    assert "The branch solution holds somebody's work" in refused(teacher)


def test_a_commit_that_was_amended_is_somebodys_work(teacher: Repository) -> None:
    branches.make_branches(teacher)
    teacher.git("checkout", "-q", "lab5-fork")
    teacher.git(*PERSON, "commit", "-q", "--amend", "--no-edit", "--allow-empty")
    teacher.git("checkout", "-q", "main")
    assert "lab5-fork holds somebody's work" in refused(teacher)


def test_a_branch_that_is_checked_out_does_not_move(teacher: Repository,
                                                    tmp_path: Path) -> None:
    branches.make_branches(teacher)
    teacher.git("worktree", "add", "-q", str(tmp_path / "second"), "lab2-msr")
    commit(teacher, "A word more.\n")
    assert "lab2-msr is checked out" in refused(teacher)


def test_malformed_markers_are_told_by_file_and_line(teacher: Repository) -> None:
    path = teacher.path / "kernel/msr.c"
    path.write_text(path.read_text().replace("\t/* END LAB 2 */\n", ""))
    commit(teacher, "")
    done = subprocess.run(["make", "-s", "labs"], cwd=teacher.path, text=True,
                          capture_output=True, env=environment.without_make(),
                          timeout=deadlines.host())
    assert done.returncode != 0
    assert "make labs: kernel/msr.c:12: LAB 2 has no END LAB 2" in done.stderr


def test_make_labs_in_a_fresh_clone_lists_what_it_made(teacher: Repository) -> None:
    done = subprocess.run(["make", "-s", "labs"], cwd=teacher.path, text=True,
                          capture_output=True, env=environment.without_make(),
                          timeout=deadlines.host())
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[0] for line in done.stdout.splitlines()] == NAMES
    assert all(line.endswith("new") for line in done.stdout.splitlines())


# ---- the self-learner's way -------------------------------------------------

def test_the_page_for_the_self_learner_can_be_typed(teacher: Repository) -> None:
    """All its git commands, in their order: then lab 1 is the solution's, and of lab 2
    the learner's own lines have stayed."""
    page = (TREE / "docs/alone.md").read_text()
    first, second = (["set -e", *re.findall(r"^\$ (.*)$", block, re.MULTILINE)]
                     for block in re.findall(r"^```console\n(.*?)^```", page,
                                             re.DOTALL | re.MULTILINE))
    teacher.git("config", "user.name", "A Learner")
    teacher.git("config", "user.email", "learner@example.org")
    shell(teacher.path, first)
    mine = teacher.path.parent / "mine"
    for name, code in (("gdt", "int half;"), ("msr", "int my_own;")):
        path = mine / f"kernel/{name}.c"
        path.write_text(path.read_text().replace("/* Your code here. */", code, 1))
    shell(teacher.path, second)
    assert (mine / "kernel/gdt.c").read_text() == teacher.git(
        "show", "solution:kernel/gdt.c") + "\n"
    assert "int my_own;" in (mine / "kernel/msr.c").read_text()
    assert "Your code here" in (mine / "kernel/syscall_entry.c").read_text()
    assert (teacher.path.parent / "solution/kernel/fork.c").exists()


def shell(directory: Path, lines: list[str]) -> None:
    done = subprocess.run(["sh", "-c", "\n".join(lines)], cwd=directory, text=True,
                          capture_output=True, env=environment.without_make(),
                          timeout=deadlines.host())
    assert done.returncode == 0, done.stdout + done.stderr
