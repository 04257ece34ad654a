"""Commits that people did not type: the same content gives the same ids.

They are made from files in memory through an index of their own, so that no
work tree and no HEAD takes notice.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Optional, Sequence

from machine import deadlines
from tree import Files, TreeError

NAME, ADDRESS = "Threshold", "labs@threshold.invalid"
TRAILER = "Cut-from"


class Repository:
    """A git repository to write into."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._blobs: dict[bytes, str] = {}  # written already

    def git(self, *arguments: str, given: Optional[str] = None,
            **environment: str) -> str:
        """What a git command prints, without the last newline."""
        done = self.attempt(*arguments, given=given, **environment)
        if done.returncode:
            raise TreeError(f"git {arguments[0]} in {self.path}: "
                            f"{done.stderr.strip()}")
        return done.stdout.rstrip("\n")

    def attempt(self, *arguments: str, given: Optional[str] = None,
                **environment: str) -> subprocess.CompletedProcess[str]:
        """A git command that may fail. It takes no GIT_… of the caller's."""
        ours = {name: value for name, value in os.environ.items()
                if not name.startswith("GIT_")}
        return subprocess.run(
            ["git", *arguments], cwd=self.path, input=given, text=True,
            env={**ours, **environment}, capture_output=True, errors="replace",
            timeout=deadlines.host())

    def commit_of(self, name: str) -> Optional[str]:
        """The commit that a name stands for, if there is one."""
        done = self.attempt("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        return done.stdout.strip() or None

    def write_tree(self, files: Files) -> str:
        """The id of a tree with these files."""
        with tempfile.TemporaryDirectory(prefix="threshold-tree-") as directory:
            place = Path(directory)
            self._write_blobs({data for _, data in files.values()}, place)
            entries = "".join(f"{mode:o} {self._blobs[data]}\t{name}\0"
                              for name, (mode, data) in files.items())
            index = str(place / "index")
            self.git("update-index", "-z", "--index-info", given=entries,
                     GIT_INDEX_FILE=index)
            return self.git("write-tree", GIT_INDEX_FILE=index)

    def _write_blobs(self, contents: set[bytes], place: Path) -> None:
        new = {str(place / str(number)): data for number, data
               in enumerate(contents - self._blobs.keys())}
        for path, data in new.items():
            Path(path).write_bytes(data)
        given = "".join(f"{path}\n" for path in new)
        ids = self.git("hash-object", "-w", "--no-filters", "--stdin-paths",
                       given=given).split("\n")
        self._blobs.update(zip(new.values(), ids))

    def write_commit(self, tree: str, parents: Sequence[str], message: str,
                     date: str) -> str:
        """The id of a commit by nobody, on a date ("1700000000 +0000")."""
        options = [part for parent in parents for part in ("-p", parent)]
        return self.git(
            "commit-tree", tree, *options, given=message,
            GIT_AUTHOR_NAME=NAME, GIT_AUTHOR_EMAIL=ADDRESS, GIT_AUTHOR_DATE=date,
            GIT_COMMITTER_NAME=NAME, GIT_COMMITTER_EMAIL=ADDRESS,
            GIT_COMMITTER_DATE=date)

    def made_here(self, commit: str) -> bool:
        """Whether these tools have made a commit: nobody else's work is in it."""
        said = self.git("show", "-s",
                        f"--format=%ae %ce %(trailers:key={TRAILER},valueonly)",
                        commit).split()
        return said[:2] == [ADDRESS, ADDRESS] and len(said) == 3

    def dirty(self) -> str:
        """What is not committed in the work tree, as git lists it."""
        return self.git("status", "--porcelain")


def message(subject: str, source: str, body: str = "") -> str:
    """A commit's message, with the commit that it was cut from."""
    return "\n\n".join(filter(None, [subject, body, f"{TRAILER}: {source}"])) + "\n"


def source_of(repository: Repository) -> tuple[str, str]:
    """The solved commit that is cut and its date. Nothing may be uncommitted, for
    what is made names that commit."""
    if changed := repository.dirty():
        shown = "\n".join(changed.split("\n")[:10])
        raise TreeError("The work tree has changes that are not committed; commit "
                        f"them first:\n{shown}")
    commit = repository.commit_of("HEAD")
    if commit is None:
        raise TreeError("There is no commit to cut.")
    return commit, repository.git("show", "-s", "--format=%cd", "--date=raw", commit)
