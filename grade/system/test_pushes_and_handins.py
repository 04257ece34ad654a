"""What a student's tree brings along to be graded elsewhere: what is pushed, what
is handed in, and the container. Its files are well made, and the commands in them
do what they promise, whatever the student has written."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any, Callable, Iterator
from xml.etree import ElementTree

import pytest
import yaml

from machine import deadlines, environment
from machine.qemu import TREE
from intake import bundle
from intake.error import SubmissionError

sys.path.insert(0, str(TREE / "labs"))
import tree as student_tree  # noqa: E402  pylint: disable=wrong-import-position

STUDENT = TREE / "labs/student"
WORKFLOW = ".github/workflows/grade.yml"
GITLAB = ".gitlab-ci.yml"

# yamllint's defaults, but that YAML 1.1 takes a workflow's `on` for a truth value,
# that a command is one line, and that no file here holds two documents.
YAMLLINT = ("{extends: default, rules: {truthy: {check-keys: false}, "
            "line-length: {max: 96}, document-start: disable}}")

# One worker makes the tree for all of these.
pytestmark = pytest.mark.xdist_group("student-tree")


@pytest.fixture(scope="module")
def pushed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A student's tree as a CI service checks it out, with lab 1 solved."""
    return student_tree.write(student_tree.files(None, 2),
                              tmp_path_factory.mktemp("pushed"))


@pytest.fixture
def source(pushed: Path) -> Iterator[Path]:
    """Lab 1's file in it, to be changed by a test."""
    path = pushed / "kernel/gdt.c"
    before = path.read_bytes()
    for old in ("grade.json", "junit.xml"):
        (pushed / "build" / old).unlink(missing_ok=True)
    yield path
    path.write_bytes(before)


def fails(text: str) -> str:
    """Lab 1 with a limit that is one less."""
    changed = text.replace("sizeof(segments->gdt) - 1", "sizeof(segments->gdt) - 2")
    assert changed != text
    return changed


def does_not_build(text: str) -> str:
    return text + "int x = y;\n"


# What was pushed, and how the job ends.
PUSHES: dict[str, tuple[Callable[[str], str], bool]] = {
    "a lab that passes": (lambda text: text, True),
    "a lab that fails": (fails, False),
    "a lab that does not build": (does_not_build, False),
}


class Service:
    """Runs a job's commands as a CI service would, without a network: apt-get
    finds that all is there."""

    def __init__(self, place: Path, scratch: Path) -> None:
        self._place = place
        self.summary = scratch / "summary"
        tools = scratch / "bin"
        tools.mkdir()
        (tools / "apt-get").write_text("#!/bin/sh\nexit 0\n")
        (tools / "apt-get").chmod(0o755)
        self._environment = {
            **environment.without_make(), "LAB": "1",
            "PATH": f"{tools}:{os.environ['PATH']}",
            "GITHUB_STEP_SUMMARY": str(self.summary), "CI": "true"}
        self.log = ""

    def shell(self, script: str) -> bool:
        """Whether a script succeeds, in the shell that both services use."""
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=self._place, env=self._environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace", timeout=deadlines.host())
        self.log += done.stdout
        return done.returncode == 0

    def github(self, job: dict[str, Any]) -> bool:
        """Runs a workflow's steps; a step after a failure only if it says so."""
        good = True
        for step in job["steps"]:
            if "run" in step and (good or step.get("if") == "always()"):
                good = self.shell(step["run"]) and good
        return good

    def gitlab(self, job: dict[str, Any]) -> bool:
        """Runs a job; what comes after its script comes in any case."""
        good = self.shell("\n".join(job["before_script"] + job["script"]))
        self.shell("\n".join(job["after_script"]))
        return good


@pytest.fixture
def service(pushed: Path, source: Path, tmp_path: Path) -> Service:
    return Service(pushed, tmp_path)


def check_results(place: Path, passes: bool) -> None:
    """The files that are kept of a run."""
    grade = json.loads((place / "build/grade.json").read_text())
    assert grade["lab"] == 1 and grade["error"] is None
    assert (grade["total"]["earned"] == grade["total"]["points"]) == passes
    suite = ElementTree.parse(place / "build/junit.xml").getroot()[0]
    assert suite.tag == "testsuite" and suite.get("errors") == "0"
    assert (suite.get("failures") == "0") == passes
    assert len(suite) == len(grade["tests"]) > 20


@pytest.mark.parametrize("push", PUSHES)
def test_github_shows_the_grade_of_a_push(
    push: str, pushed: Path, source: Path, service: Service
) -> None:
    change, passes = PUSHES[push]
    source.write_text(change(source.read_text()))
    job = yaml.safe_load((pushed / WORKFLOW).read_text())["jobs"]["grade"]
    assert service.github(job) == passes, service.log
    check_results(pushed, passes)
    assert re.search(r"^::notice title=Grade::\d+ of 100 points$", service.log,
                     re.MULTILINE)
    errors = re.findall(r"^::error file=(.*?),", service.log, re.MULTILINE)
    assert set(errors) == (set() if passes else {"kernel/gdt.c"})
    summary = service.summary.read_text()
    assert ("## 100 of 100 points" in summary) == passes
    assert ("### First failure" in summary) == (not passes)
    for step in job["steps"]:
        for path in step.get("with", {}).get("path", "").split():
            assert (pushed / path).is_file()


@pytest.mark.parametrize("push", [*PUSHES][2:])
def test_gitlab_keeps_the_grade_of_a_push(
    push: str, pushed: Path, source: Path, service: Service
) -> None:
    change, passes = PUSHES[push]
    source.write_text(change(source.read_text()))
    job = yaml.safe_load((pushed / GITLAB).read_text())["grade"]
    assert service.gitlab(job) == passes, service.log
    check_results(pushed, passes)
    assert job["artifacts"]["when"] == "always"
    kept = [*job["artifacts"]["paths"], job["artifacts"]["reports"]["junit"]]
    assert all((pushed / path).is_file() for path in kept)


def test_what_could_not_grade_says_so_in_a_sentence(pushed: Path, source: Path) -> None:
    done = subprocess.run(["make", "-s", "result", "FORMAT=junit"], cwd=pushed,
                          env=environment.without_make(), capture_output=True,
                          text=True, timeout=deadlines.host())
    assert done.returncode != 0 and done.stdout == ""
    assert "There is no grade.json: nothing has been graded.\n" in done.stderr


# ---- handing in -------------------------------------------------------------

def run_make(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", "-s", *arguments], cwd=place,
                          env=environment.without_make(), capture_output=True,
                          text=True, timeout=deadlines.host())


def test_a_lab_is_packed_and_its_archive_graded(pushed: Path, source: Path,
                                                tmp_path: Path) -> None:
    source.write_text(fails(source.read_text()))
    done = run_make(pushed, "handin", "LAB=1")
    assert done.returncode == 0, done.stdout + done.stderr
    for word in ("build/handin-lab1.zip holds", "Gradescope", "Moodle",
                 "student is empty"):
        assert word in done.stdout
    archive = pushed / "build/handin-lab1.zip"
    with zipfile.ZipFile(archive) as packed:
        assert packed.namelist() == ["commit", "grade.json", "kernel/gdt.c",
                                     "labs/answers.toml"]
        assert packed.read("kernel/gdt.c") == source.read_bytes()
        own = json.loads(packed.read("grade.json"))
    # The teacher's tree has all other labs' files.
    graded = grade(archive, tmp_path)
    assert (graded["graded"], graded["error"]) == ([1], None)
    assert graded["submission"] == "handin-lab1.zip"
    assert graded["total"] == own["total"] != {"earned": 100, "points": 100}
    assert len(graded["answers"]) == 6


def grade(archive: Path, scratch: Path) -> dict[str, Any]:
    """What the solved tree's grader says of an archive."""
    output = scratch / "grade.json"
    subprocess.run(
        [sys.executable, str(TREE / "grade/grade.py"), "--submission", str(archive),
         "--output", str(output)],
        stdout=subprocess.DEVNULL, timeout=deadlines.host(), check=False)
    return json.loads(output.read_text())


def test_what_does_not_build_is_not_packed(pushed: Path, source: Path) -> None:
    archive = pushed / "build/handin-lab1.zip"
    archive.unlink(missing_ok=True)
    source.write_text(does_not_build(source.read_text()))
    done = run_make(pushed, "handin", "LAB=1")
    assert done.returncode != 0
    assert re.search(r"^Nothing is packed, .*: kernel/gdt.c line \d+ does not compile",
                     done.stdout, re.MULTILINE)
    assert not archive.exists()


def test_a_commit_is_handed_in_with_what_is_not_in_it(pushed: Path, source: Path
                                                      ) -> None:
    for line in ("init -q -b main", "add -A", "-c user.name=Ada -c "
                 "user.email=ada@example.org commit -q -m lab1"):
        subprocess.run(["git", *line.split()], cwd=pushed, check=True,
                       env=environment.without_make(), timeout=deadlines.host())
    source.write_text(source.read_text() + "\n/* The end. */\n")
    done = run_make(pushed, "handin", "LAB=1")
    assert "Not in the commit yet: kernel/gdt.c.\n" in done.stdout
    with zipfile.ZipFile(pushed / "build/handin-lab1.zip") as packed:
        assert re.fullmatch("[0-9a-f]{40}\n", packed.read("commit").decode())


FILES = {"kernel/gdt.c": b"int x;\n", "commit": b"0" * 40}


def test_the_same_files_make_the_same_archive(tmp_path: Path) -> None:
    bundle.pack(tmp_path / "a.zip", FILES)
    bundle.pack(tmp_path / "b.zip", dict(reversed(FILES.items())))
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_only_what_a_lab_has_is_taken_from_an_archive(tmp_path: Path) -> None:
    bundle.pack(tmp_path / "a.zip", {**FILES, "grade/grade.py": b"", "Makefile": b"",
                                     "kernel/main.c": b""})
    bundle.unpack(tmp_path / "a.zip", tmp_path / "out")
    taken = {str(path.relative_to(tmp_path / "out"))
             for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert taken == set(FILES)


@pytest.mark.parametrize("handed_in, taken", [
    ({"gdt.c": b"a"}, {"kernel/gdt.c": b"a"}),
    ({"lab/frame.c": b"a", "lab/frame.h": b"b", "lab/answers.toml": b"c"},
     {"kernel/frame.c": b"a", "kernel/frame.h": b"b", "labs/answers.toml": b"c"}),
    ({"gdt.c": b"stray", "lab/kernel/gdt.c": b"a"}, {"kernel/gdt.c": b"a"}),
])
def test_a_file_without_its_directory_is_the_labs(
        tmp_path: Path, handed_in: dict[str, bytes], taken: dict[str, bytes]) -> None:
    for name, data in handed_in.items():
        (tmp_path / "x" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "x" / name).write_bytes(data)
    crafted(tmp_path / "x.zip", *handed_in.items())
    for number, path in enumerate((tmp_path / "x", tmp_path / "x.zip")):
        found = bundle.opened(path, tmp_path / f"out{number}")
        assert {str(file.relative_to(found)): file.read_bytes()
                for file in found.rglob("*") if file.is_file()} == taken
        before = bundle.fingerprint(path)
        (path / next(reversed(handed_in)) if path.is_dir() else path).write_bytes(b"d")
        assert before != bundle.fingerprint(path)


def test_a_link_without_its_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x/gdt.c").symlink_to("/etc/passwd")
    with pytest.raises(SubmissionError, match="gdt.c is not an ordinary file"):
        bundle.opened(tmp_path / "x", tmp_path / "out")


def crafted(path: Path, *entries: tuple[str, bytes], mode: int = stat.S_IFREG | 0o644
            ) -> None:
    """An archive that `make handin` would not make."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries:
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = mode << 16
            archive.writestr(entry, data)


GDT = ("kernel/gdt.c", b"int x;\n")
HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a way out": (lambda p: crafted(p, GDT, ("../../etc/passwd", b"")), "leads out"),
    "a way from the root": (
        lambda p: crafted(p, GDT, ("/etc/passwd", b"")), "leads out"),
    "a way out, by backslash": (
        lambda p: crafted(p, GDT, ("..\\..\\x", b"")), "leads out"),
    "a link": (lambda p: crafted(p, ("kernel/gdt.c", b"/etc/passwd"),
                                 mode=stat.S_IFLNK | 0o777), "is a link"),
    "a file twice": (lambda p: crafted(p, GDT, GDT), "twice"),
    "many files": (lambda p: crafted(p, GDT, *((f"x{i}", b"") for i in range(2500))),
                   "holds more than 2000 files"),
    "no archive": (lambda p: p.write_bytes(b"PK\3\4 and no more"), "cannot be read"),
    "an archive cut short": (
        lambda p: (crafted(p, GDT), p.write_bytes(p.read_bytes()[:-30])),
        "cannot be read"),
    "a broken file": (
        lambda p: (crafted(p, GDT), p.write_bytes(
            p.read_bytes().replace(b"PK\3\4", b"PK\3\5", 1))), "cannot be read"),
    "too large": (lambda p: p.write_bytes(b"\0" * (5 << 20)), "more than 4 MB"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_archive_is_refused_in_a_sentence(what: str, tmp_path: Path) -> None:
    make_it, sentence = HOSTILE[what]
    make_it(tmp_path / "x.zip")
    with pytest.raises(SubmissionError, match=sentence) as error:
        bundle.unpack(tmp_path / "x.zip", tmp_path / "out")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_an_archive_without_a_labs_file_is_nothing_to_grade(tmp_path: Path) -> None:
    crafted(tmp_path / "x.zip", ("essay.txt", b""), ("my-gdt.c", b""))
    made = grade(tmp_path / "x.zip", tmp_path)
    assert "There is nothing to grade in x.zip" in made["error"]
    assert not made["tests"] and made["total"]["points"] is None


def test_an_archive_in_an_archive_is_named(tmp_path: Path) -> None:
    bundle.pack(tmp_path / "inner.zip", FILES)
    bundle.pack(tmp_path / "x.zip", {"inner.zip": (tmp_path / "inner.zip").read_bytes()})
    with pytest.raises(bundle.NothingToGrade,
                       match="In it is another archive, 'inner.zip': unpack it"):
        bundle.unpack(tmp_path / "x.zip", tmp_path / "out")


def test_a_bomb_is_refused_and_not_unpacked(tmp_path: Path) -> None:
    crafted(tmp_path / "x.zip", ("kernel/gdt.c", b" " * (64 << 20)))
    bundle.unpack(tmp_path / "x.zip", tmp_path / "out")
    assert (tmp_path / "out/kernel/gdt.c").stat().st_size < 1 << 20
    made = grade(tmp_path / "x.zip", tmp_path)
    assert "kernel/gdt.c has more than 200 KB" in made["build"]["message"]
    assert {test["outcome"] for test in made["tests"]} == {"build"}


def test_an_archive_that_is_refused_has_a_result(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"nothing")
    made = grade(tmp_path / "x.zip", tmp_path)
    assert "x.zip cannot be read as an archive" in made["build"]["message"]
    assert made["error"] is None and made["total"]["earned"] == 0


# ---- the files --------------------------------------------------------------

def test_yamllint_has_no_remark() -> None:
    files = [str(path) for path in TREE.rglob("*.y*ml") if path.suffix in
             (".yml", ".yaml") and TREE / "build" not in path.parents]
    assert {str(STUDENT / WORKFLOW), str(STUDENT / GITLAB)} <= set(files)
    done = subprocess.run(["yamllint", "--strict", "-f", "parsable", "-d", YAMLLINT,
                           *files], capture_output=True, text=True,
                          timeout=deadlines.host())
    assert (done.stdout, done.returncode) == ("", 0)


def test_the_container_asks_for_no_privilege() -> None:
    settings = json.loads((TREE / ".devcontainer/devcontainer.json").read_text())
    assert (TREE / ".devcontainer" / settings["build"]["dockerfile"]).is_file()
    assert not {"privileged", "runArgs", "capAdd", "securityOpt"} & settings.keys()


def test_the_container_is_the_debian_of_the_graders() -> None:
    dockerfile = (TREE / ".devcontainer/Dockerfile").read_text()
    image = re.search(r"^FROM (\S+)$", dockerfile, re.MULTILINE)
    assert image
    workflow = yaml.safe_load((STUDENT / WORKFLOW).read_text())
    gitlab = yaml.safe_load((STUDENT / GITLAB).read_text())
    assert (image[1] == workflow["jobs"]["grade"]["container"]
            == gitlab["grade"]["image"])


def test_the_container_installs_what_the_doctor_knows() -> None:
    dockerfile = (TREE / ".devcontainer/Dockerfile").read_text()
    copied = re.search(r"^COPY (\S+) (\S+)/$", dockerfile, re.MULTILINE)
    run = re.search(r"^RUN sh (\S+) (install \w+)$", dockerfile, re.MULTILINE)
    assert copied and run and run[1] == f"{copied[2]}/{Path(copied[1]).name}"
    done = subprocess.run(["sh", copied[1], *run[2].split()], cwd=TREE,
                          capture_output=True, text=True, timeout=deadlines.host())
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_readme_names_the_containers_commands() -> None:
    dockerfile = (TREE / ".devcontainer/Dockerfile").read_text()
    readme = (STUDENT / "README.md").read_text()
    commands = re.findall(r"^#   (docker .*)$", dockerfile, re.MULTILINE)
    assert len(commands) == 2
    for command in commands:
        assert f"$ {command}\n" in readme
