"""`make release`: what students clone holds no solution before its time, and a
later release merges with what they wrote."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from labs import LABS
from machine import deadlines, environment
from machine.qemu import TREE

sys.path.insert(0, str(TREE / "labs"))
# pylint: disable=wrong-import-position
import cut  # noqa: E402
import release  # noqa: E402
import tree  # noqa: E402
from repository import Repository  # noqa: E402

PERSON = ("-c", "user.name=A Student", "-c", "user.email=student@example.org")
# As the student's README says.
PULL = ("pull", "--no-rebase", "-X", "ours")
PLACEHOLDER = "/* Your code here. */"

# One worker makes the releases for all of these.
pytestmark = pytest.mark.xdist_group("release")


@pytest.fixture(scope="module")
def solved(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """The tree as it is, as the one commit of a repository."""
    place = tree.write(tree.solved(), tmp_path_factory.mktemp("solved") / "repository")
    for line in (["init", "-q", "-b", "main"], ["add", "-A"],
                 ["commit", "-q", "-m", "all: the solved tree"]):
        tree.git(place, *PERSON, *line)
    return Repository(place)


@pytest.fixture(scope="module")
def course(solved: Repository, tmp_path_factory: pytest.TempPathFactory
           ) -> tuple[Repository, dict[int, release.Release]]:
    """A published repository after all releases, and what became of each."""
    out = tmp_path_factory.mktemp("course") / "published"
    made = {lab: release.release(solved, lab, out)
            for lab in (*LABS, tree.ALL_SOLVED)}
    return Repository(out), made


@pytest.fixture
def published(solved: Repository, tmp_path: Path) -> Repository:
    """A repository with release 2, for one test."""
    release.release(solved, 2, tmp_path / "published")
    return Repository(tmp_path / "published")


def refused(solved: Repository, lab: int, out: Path) -> str:
    with pytest.raises(tree.TreeError) as refusal:
        release.release(solved, lab, out)
    return str(refusal.value)


# ---- what a release is ------------------------------------------------------

def test_each_release_is_a_commit_on_the_one_before(
    course: tuple[Repository, dict[int, release.Release]]
) -> None:
    repository, made = course
    history = repository.git("rev-list", "--reverse", "main").split("\n")
    assert history == [made[lab].commit for lab in (*LABS, tree.ALL_SOLVED)]
    assert repository.dirty() == ""


@pytest.mark.parametrize("lab", LABS)
def test_a_release_holds_the_student_s_tree(
    course: tuple[Repository, dict[int, release.Release]], lab: int
) -> None:
    repository, made = course
    assert tree.solved(made[lab].commit, repository.path) == tree.files(None, lab)


@pytest.mark.parametrize("lab", LABS)
def test_no_unreleased_line_is_in_any_object(
    course: tuple[Repository, dict[int, release.Release]], lab: int
) -> None:
    _, made = course
    scan = made[lab].scan
    assert scan.leaks == []
    assert scan.objects > 150 and scan.lines > 10_000
    assert scan.telling == len(release.telling_lines(tree.solved(), lab).lines) >= 10


def lines_of_solution(lab: int) -> set[str]:
    """Where its lines stand that are long enough to tell something, as file:line."""
    whole = tree.solved()
    texts = {name: whole[name][1].decode() for name in LABS[lab].files}
    return {f"{name}:{at + 1}" for name, text in texts.items()
            for region in cut.regions(name, text) if region.lab == lab
            for at in range(region.first, region.last + 1)
            if len("".join(text.split("\n")[at].split())) >= release.TELLING_CODE}


@pytest.mark.parametrize("lab", LABS)
def test_more_than_half_of_a_solution_tells_it(lab: int) -> None:
    """The scan is worth something: the others stand elsewhere in the kernel, too."""
    lines = lines_of_solution(lab)
    telling = set(release.telling_lines(tree.solved(), lab).lines.values())
    assert len(lines) > 10
    assert len(lines & telling) > len(lines) / 2, sorted(lines - telling)


@pytest.mark.parametrize("lab", LABS)
def test_the_next_release_would_have_been_caught(
    course: tuple[Repository, dict[int, release.Release]], lab: int
) -> None:
    repository, _ = course
    telling = release.telling_lines(tree.solved(), lab)
    hits = {leak.path for leak in release.scan(repository, telling).leaks}
    assert set(LABS[lab].files) & hits


def test_a_release_again_changes_nothing(solved: Repository, published: Repository
                                         ) -> None:
    before = published.commit_of("main")
    again = release.release(solved, 2, published.path)
    assert (again.commit, again.changed) == (before, False)


def test_a_release_starts_a_history_of_its_own(published: Repository) -> None:
    assert published.git("rev-list", "--count", "--all") == "1"


def test_make_release_says_what_it_looked_through(solved: Repository, tmp_path: Path
                                                  ) -> None:
    done = subprocess.run(
        ["make", "-s", "release", "LAB=3", f"OUT={tmp_path / 'out'}"],
        cwd=solved.path, capture_output=True, text=True, env=environment.without_make(),
        timeout=deadlines.host())
    assert (done.returncode, done.stderr) == (0, "")
    assert ": released, " in done.stdout and "none is there." in done.stdout


def test_a_later_release_that_stands_alone_is_pointed_out(
    solved: Repository, tmp_path: Path
) -> None:
    """Two releases in two new directories have unrelated histories."""
    said = [subprocess.run(
        [sys.executable, str(solved.path / "labs/release.py"), "--lab", lab,
         "--out", str(tmp_path / out)], capture_output=True, text=True,
        check=True, timeout=deadlines.host()).stdout
        for lab, out in (("1", "course"), ("2", "course"), ("2", "alone"))]
    assert ["release lab 2 into the repository that they pull from" in text
            for text in said] == [False, False, True], said


# ---- leaks ------------------------------------------------------------------

def line_of(lab: int) -> str:
    """A line of a lab's solution, as it stands in the solved tree."""
    text = (TREE / LABS[lab].files[0]).read_text()
    return {1: "\tltr(TSS_SELECTOR);", 2: "\twrmsr(MSR_LSTAR, (uint64_t)syscall_entry);",
            3: "\tasm(\"sysretq\");", 4: "\tif (p->in_syscall)",
            5: "\tframe->rax = 0;"}[lab] if text else ""


@pytest.mark.parametrize("lab", LABS)
def test_a_planted_line_is_found_where_it_stands(
    solved: Repository, published: Repository, lab: int
) -> None:
    path = published.path / "README.md"
    path.write_text("one\ntwo: " + "  ".join(line_of(lab).split()) + " there\n")
    published.git(*PERSON, "commit", "-q", "-a", "-m", "readme: more")
    telling = release.telling_lines(tree.solved(), 1)
    found = [leak for leak in release.scan(published, telling).leaks
             if leak.path == "README.md"]
    assert [leak.line for leak in found] == [2]
    assert found[0].source.startswith(LABS[lab].files[0])


def test_a_planted_line_in_a_commits_message_is_found(published: Repository) -> None:
    published.git(*PERSON, "commit", "-q", "--allow-empty", "-m",
                  "readme: more\n\n" + line_of(5))
    leaks = release.scan(published, release.telling_lines(tree.solved(), 2)).leaks
    assert [(leak.path, leak.text) for leak in leaks] == [
        ("(commit)", "frame->rax=0;")]


def test_a_planted_object_that_nothing_refers_to_is_found(published: Repository
                                                          ) -> None:
    published.git("hash-object", "-w", "--stdin", given=line_of(3))
    leaks = release.scan(published, release.telling_lines(tree.solved(), 2)).leaks
    assert [(leak.path, leak.line) for leak in leaks] == [("(blob)", 1)]


def test_a_comment_of_a_solution_tells_it_too(published: Repository) -> None:
    published.git("hash-object", "-w", "--stdin",
                  given="The other bits keep long mode and no-execute pages alive.\n")
    leaks = release.scan(published, release.telling_lines(tree.solved(), 2)).leaks
    assert leaks[0].source.startswith("kernel/msr.c:")


def test_a_leak_in_the_tree_is_told_and_nothing_published(
    solved: Repository, tmp_path: Path
) -> None:
    tree.git(tmp_path, "clone", "-q", str(solved.path), "teacher")
    teacher = Repository(tmp_path / "teacher")
    with (teacher.path / "labs/1-gdt.md").open("a") as file:
        file.write(line_of(5) + "\n")
    teacher.git(*PERSON, "commit", "-q", "-a", "-m", "gdt: a word too much")
    why = refused(teacher, 5, tmp_path / "out")
    assert "labs/1-gdt.md:" in why and "kernel/fork.c:" in why
    assert not (tmp_path / "out").exists()
    # With the last solution it is none any more.
    assert release.release(teacher, 6, tmp_path / "out").scan.leaks == []


def test_a_leak_that_was_there_before_keeps_a_release_back(
    solved: Repository, published: Repository
) -> None:
    published.git("hash-object", "-w", "--stdin", given=line_of(4))
    before = published.commit_of("main")
    assert "kernel/frame.c:" in refused(solved, 3, published.path)
    assert published.commit_of("main") == before


# ---- refusals ---------------------------------------------------------------

def test_what_is_published_is_not_taken_back(solved: Repository,
                                             published: Repository) -> None:
    assert "cannot be taken back to lab 1" in refused(solved, 1, published.path)


def test_somebodys_commit_on_it_is_left_alone(solved: Repository,
                                              published: Repository) -> None:
    published.git(*PERSON, "commit", "-q", "--allow-empty", "-m", "mine")
    before = published.commit_of("main")
    assert "holds somebody's work" in refused(solved, 3, published.path)
    assert published.commit_of("main") == before


def test_a_change_in_it_that_is_not_committed_is_left_alone(
    solved: Repository, published: Repository
) -> None:
    (published.path / "README.md").write_text("mine\n")
    assert "not committed" in refused(solved, 3, published.path)
    assert (published.path / "README.md").read_text() == "mine\n"


def test_a_directory_with_something_else_is_left_alone(solved: Repository,
                                                       tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("Dear ...\n")
    assert "no git repository" in refused(solved, 1, tmp_path)


# ---- a student updates ------------------------------------------------------

# Where somebody may write: in the line's place, below it, above it.
WAYS = {"replaced": "{code}", "below": f"{PLACEHOLDER}\n\t{{code}}",
        "above": f"{{code}}\n\t{PLACEHOLDER}"}


@pytest.mark.parametrize("way", WAYS)
def test_a_students_code_merges_with_all_later_releases_and_wins(
    solved: Repository, tmp_path: Path, way: str
) -> None:
    out = tmp_path / "published"
    release.release(solved, 1, out)
    tree.git(tmp_path, "clone", "-q", str(out), "student")
    student = Repository(tmp_path / "student")
    written: dict[str, str] = {}
    for lab in LABS.values():
        release.release(solved, lab.number, out)
        student.git(*PERSON, *PULL, "--quiet")
        for name in lab.files:
            path = student.path / name
            text = path.read_text()
            assert text.count(PLACEHOLDER) == 1, f"{name} before lab {lab.number}"
            code = "".join(f"\n\tmine({n});" for n in range(9)).strip()
            written[name] = text.replace(PLACEHOLDER, WAYS[way].format(code=code))
            path.write_text(written[name])
        student.git(*PERSON, "commit", "-q", "-a", "-m", f"lab {lab.number}")
    release.release(solved, tree.ALL_SOLVED, out)
    student.git(*PERSON, *PULL, "--quiet")
    for name, text in written.items():
        assert (student.path / name).read_text() == text
    assert student.dirty() == ""


def test_all_in_one_commit_on_the_first_release_merges_too(
    course: tuple[Repository, dict[int, release.Release]], tmp_path: Path
) -> None:
    repository, made = course
    student = Repository(tmp_path / "student")
    tree.git(tmp_path, "clone", "-q", str(repository.path), "student")
    student.git("reset", "-q", "--hard", made[1].commit)
    for lab in LABS.values():
        for name in lab.files:
            path = student.path / name
            path.write_text(path.read_text().replace(PLACEHOLDER, f"mine({lab.number});"))
    student.git(*PERSON, "commit", "-q", "-a", "-m", "all labs")
    for lab in (2, 3, 4, 5, tree.ALL_SOLVED):
        student.git(*PERSON, "merge", "-q", "-X", "ours", made[lab].commit)
    for lab in LABS.values():
        for name in lab.files:
            text = (student.path / name).read_text()
            assert f"mine({lab.number});" in text
            assert text == (tree.files(None, 1)[name][1].decode().replace(
                PLACEHOLDER, f"mine({lab.number});"))


def test_who_wants_the_reference_gets_it_for_an_empty_hole(
    course: tuple[Repository, dict[int, release.Release]], tmp_path: Path
) -> None:
    repository, made = course
    student = Repository(tmp_path / "student")
    tree.git(tmp_path, "clone", "-q", str(repository.path), "student")
    student.git("reset", "-q", "--hard", made[1].commit)
    student.git(*PERSON, *PULL, "--quiet")
    assert (student.path / "kernel/gdt.c").read_bytes() == (
        TREE / "kernel/gdt.c").read_bytes()


def test_a_release_grades_others_work_in_a_container(published: Repository,
                                                     tmp_path: Path) -> None:
    """It has no solution of its lab, and no other work beside it: so nothing but the
    host has to be kept from a submission, which the container does."""
    output = tmp_path / "grade.json"
    done = subprocess.run(
        [sys.executable, str(published.path / "grade/grade.py"), "--lab", "2",
         "--submission", str(TREE), "--output", str(output)],
        env={**environment.without_make(), "CONFINE": "container"},
        capture_output=True, text=True, timeout=deadlines.host(), check=False)
    made = json.loads(output.read_text())
    assert (done.returncode, made["error"], made["confined"]) == (0, None, "container")
    assert made["total"]["earned"] == made["total"]["points"]
    assert "Confined by container." in done.stdout
