"""What services get to grade a lab with: Gradescope's zip, in the layout of its image, on
this machine and, by --long, on systems that have nothing yet; PrairieLearn, Autolab."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any, Iterator, Optional

import pytest

import labs
from intake import bundle
from machine import deadlines, environment
from machine.qemu import TREE

from test_batch import put
from test_reports import check_gradescope

sys.path.insert(0, str(TREE / "labs"))
# pylint: disable=wrong-import-position
import matrix  # noqa: E402
import release  # noqa: E402
import services  # noqa: E402
import tree  # noqa: E402

WHOLE = tree.solved()
LAB = 4
# This machine's tools, and nothing of people's; as an image has them.
IMAGE = ["bwrap", "--die-with-parent", "--unshare-pid", "--proc", "/proc", "--dev", "/dev",
         "--tmpfs", "/tmp", *(word for path in ("/usr", "/etc") for word in
                              ("--ro-bind", path, path)),
         *(word for name in ("bin", "sbin", "lib", "lib64") for word in
           ("--symlink", f"usr/{name}", f"/{name}"))]


# ---- what is in it ----------------------------------------------------------

def unpacked(packed: dict[str, bytes]) -> dict[str, tuple[int, bytes]]:
    """The files of what was packed, by name, with their modes."""
    found: dict[str, tuple[int, bytes]] = {}
    for name, data in packed.items():
        if name.endswith(".zip"):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                found.update({each.filename: (each.external_attr >> 16,
                                              archive.read(each))
                              for each in archive.infolist()})
        elif name.endswith(".tar"):
            with tarfile.open(fileobj=io.BytesIO(data)) as tar:
                for member in tar:
                    stream = tar.extractfile(member)
                    assert stream
                    found[member.name] = member.mode, stream.read()
        else:
            found[name] = 0o644, data
    return found


@pytest.mark.parametrize("lab", labs.LABS)
@pytest.mark.parametrize("service, scripts", [
    ("gradescope", ("setup.sh", "run_autograder")),
    ("prairielearn", ("threshold-{}/run.sh",)), ("autolab", ("autograde-Makefile",))])
def test_no_solution_that_is_not_out_is_packed(service: str, scripts: tuple[str, ...],
                                               lab: int) -> None:
    files = unpacked(services.PACKED[service](WHOLE, lab))
    telling = release.telling_lines(WHOLE, lab)
    assert len(telling.lines) > 5
    for name, (_, data) in files.items():
        assert list(telling.hits(data)) == [], name
        assert "known_wrong" not in name and "teacher" not in name
    assert any(name.endswith("threshold/Makefile") for name in files)
    for script in scripts:
        mode, _ = files[script.format(f"lab{lab}")]
        assert mode & 0o111 or "Makefile" in script


def test_a_planted_solution_is_refused() -> None:
    leak = (TREE / "kernel/fork.c").read_bytes()
    whole = {**WHOLE, "docs/leak.md": (tree.PLAIN, leak)}
    with pytest.raises(tree.TreeError, match="docs/leak.md"):
        services.gradescope(whole, 5)


def test_a_wrong_call_is_told_so() -> None:
    for more, says in (((), "say which lab"), (("--lab", "9"), "invalid choice")):
        done = subprocess.run(
            ["/usr/bin/python3", "labs/services.py", "gradescope", *more], cwd=TREE,
            capture_output=True, text=True, timeout=deadlines.host())
        assert done.returncode == 2 and says in done.stderr


# ---- Gradescope's image -----------------------------------------------------

class Image:
    """A directory that is /autograder, with the zip unpacked in it as there."""

    def __init__(self, top: Path) -> None:
        self.top = top
        for name in ("source", "results", "submission"):
            (top / name).mkdir(parents=True)
        tree.write(unpacked(services.gradescope(WHOLE, LAB)), top / "source")
        shutil.copy(top / "source/run_autograder", top)

    def hand_in(self, text: Optional[str] = None) -> None:
        self.empty()
        put(self.top / "submission", text)

    def empty(self) -> None:
        shutil.rmtree(self.top / "submission")
        (self.top / "submission").mkdir()

    def run(self, command: str = "/autograder/run_autograder", **more: str
            ) -> "subprocess.CompletedProcess[str]":
        return in_image(self.top, "/autograder", command, **more)

    @property
    def result(self) -> dict[str, Any]:
        made: dict[str, Any] = json.loads(
            (self.top / "results/results.json").read_text())
        check_gradescope(made)
        assert "leaderboard" not in made
        return made

    @property
    def score(self) -> Optional[float]:
        """What Gradescope shows; None where it says that the autograder failed."""
        if not (self.top / "results/results.json").exists():
            return None
        tests = self.result["tests"]
        assert "score" not in self.result
        return sum(test["score"] for test in tests) if tests else None


@pytest.fixture(name="image", scope="module")
def _image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return Image(tmp_path_factory.mktemp("gradescope"))


needs_bwrap = pytest.mark.skipif(not shutil.which("bwrap"), reason="no bubblewrap here")


@needs_bwrap
def test_the_image_is_made_once_and_shows_that_it_works(image: Image) -> None:
    """All of setup.sh but apt-get, which cannot write into this machine."""
    done = image.run("sed '/^apt-get/d' source/setup.sh | sh")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith(f"setup.sh: ready to grade lab {LAB}.\n")
    assert not (image.top / "source/threshold/build/grade.json").exists()
    done = image.run("sed '/^apt-get/d' source/setup.sh | sh", QEMU="none")
    assert done.returncode == 1 and "does not work here" in done.stderr


@needs_bwrap
def test_a_right_one_has_all_points(image: Image) -> None:
    image.hand_in()
    image.run()
    assert image.score == 29


@needs_bwrap
def test_a_broken_one_has_none_and_reads_why(image: Image) -> None:
    image.hand_in("int x = ;\n")
    image.run()
    assert image.score == 0
    assert "kernel/frame.c" in image.result["tests"][0]["output"]


@needs_bwrap
def test_what_is_the_machines_fault_is_no_mark(image: Image) -> None:
    image.hand_in()
    assert image.run().returncode == 0 and image.score == 29
    image.run(QEMU="none")
    assert image.score is None
    assert "no verdict on the submission" in image.result["output"]
    image.empty()
    image.run()
    assert image.score is None


@needs_bwrap
def test_a_grader_that_does_not_begin_does_not_leave_the_last_result(image: Image) -> None:
    image.hand_in()
    image.run()
    assert image.score == 29
    image.run("sed s,/usr/bin/python3,/bin/false, run_autograder | sh")
    assert image.score is None


# ---- PrairieLearn and Autolab ------------------------------------------------

def in_image(top: Path, inside: str, command: str, **more: str
             ) -> "subprocess.CompletedProcess[str]":
    variables = [word for name, value in more.items()
                 for word in ("--setenv", name, value)]
    return subprocess.run(
        [*IMAGE, "--bind", str(top), inside, "--chdir", inside, *variables, "sh", "-c",
         command], capture_output=True, text=True, check=False,
        env={**environment.without_make(), "HOME": "/tmp"},
        timeout=deadlines.run() * 10)


@needs_bwrap
def test_prairielearn_gets_a_share_or_that_it_could_not_be_graded(tmp_path: Path) -> None:
    tree.write(unpacked(services.prairielearn(WHOLE, LAB)),
               tmp_path / "serverFilesCourse")
    put(tmp_path / "student")
    results = tmp_path / "results/results.json"
    run = f"/grade/serverFilesCourse/threshold-lab{LAB}/run.sh"
    for more, gradable in (({}, True), ({"QEMU": "none"}, False)):
        done = in_image(tmp_path, "/grade", run, **more)
        made = json.loads(results.read_text())
        assert made["gradable"] is gradable, done.stdout + done.stderr
        assert made.get("score") == (1 if gradable else None)


@needs_bwrap
def test_autolab_reads_points_in_the_last_line_or_none(tmp_path: Path) -> None:
    for name, data in services.autolab(WHOLE, LAB).items():
        (tmp_path / name).write_bytes(data)
    bundle.pack(tmp_path / "handin.zip", {
        name: (TREE / name).read_bytes() for name in labs.LABS[LAB].files})
    run = "make -s -f autograde-Makefile"
    done = in_image(tmp_path, "/work", run)
    assert json.loads(done.stdout.rstrip("\n").rpartition("\n")[2]) == {
        "scores": {"frame": 29}}, done.stdout + done.stderr
    done = in_image(tmp_path, "/work", run, QEMU="none")
    assert done.returncode and "scores" not in done.stdout
    assert "no verdict on the submission" in done.stdout


# ---- a system that has nothing yet --------------------------------------------

def call_ubuntu(root: matrix.Root) -> None:
    """Makes Debian 11 say that it is Ubuntu 22.04, on which Gradescope's images are built
    and whose QEMU, pyelftools and capstone are of those years."""
    release = root.path / "etc/os-release"
    release.unlink()
    release.write_text('PRETTY_NAME="Ubuntu 22.04.5 LTS"\nNAME="Ubuntu"\nID=ubuntu\n'
                       'ID_LIKE=debian\nVERSION_ID="22.04"\nVERSION_CODENAME=jammy\n')


@pytest.fixture(name="system", scope="module", params=["trixie", "bullseye"],
                ids=["Debian 13", "like Ubuntu 22.04"])
def _system(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
            ) -> Iterator[matrix.Root]:
    try:
        mirror = matrix.check_possible()
    except matrix.CannotMakeRoots as reason:
        pytest.skip(str(reason))
    place = tmp_path_factory.mktemp("roots")
    root = matrix.Root(next(s for s in matrix.SUITES if s.name == request.param), place)
    root.make(mirror, place / "log")
    if request.param == "bullseye":
        call_ubuntu(root)
    yield root
    shutil.rmtree(place)


@pytest.mark.long
def test_the_zip_works_on_a_system_that_has_nothing_yet(system: matrix.Root) -> None:
    top, log = system.path / "autograder", system.path.parent / "log"
    image = Image(top)
    done = system.run("sh /autograder/source/setup.sh", log)
    assert done.status == 0, done.output[-3000:]
    for text, score in ((None, 29), ("no C\n", 0), (None, None)):
        image.hand_in(text)
        more = "QEMU=none " if score is None else ""
        system.run(f"cd /autograder && {more}./run_autograder", log)
        assert image.score == score
