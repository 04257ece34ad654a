"""Makes the labs' branches from the commit that is checked out: `make labs`.

    lab1-gdt      the student's tree with all labs to do; its history begins here
    lab2-msr      one commit on top of it: the solution of lab 1
    …
    solution      one commit on top of the last lab: its solution

The same commit gives the same branches. One that holds somebody's work is left
alone, and so are then all the others.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
# pylint: disable=wrong-import-position
import tree  # noqa: E402
from cut import Malformed  # noqa: E402
from labs import LABS  # noqa: E402
from repository import Repository, message, source_of  # noqa: E402

SOLUTION = "solution"
NAMES = [*(lab.branch for lab in LABS.values()), SOLUTION]


def make_branches(repository: Repository) -> dict[str, tuple[str, str]]:
    """Each branch's commit before, or "", and now."""
    before = {name: repository.commit_of(f"refs/heads/{name}") or "" for name in NAMES}
    check_free(repository, before)
    commit, date = source_of(repository)
    whole = tree.solved(commit, repository.path)
    now: dict[str, str] = {}
    parents: list[str] = []
    for first_empty, name in zip([*LABS, tree.ALL_SOLVED], NAMES):
        files = tree.student_tree(whole, first_empty)
        made = repository.write_commit(repository.write_tree(files), parents,
                                       message(subject(first_empty), commit), date)
        parents = [made]
        now[name] = made
    check_free(repository, {name: before[name] for name in NAMES
                            if before[name] != now[name]}, checked_out=True)
    # All of them or, if one has moved meanwhile, none.
    repository.git("update-ref", "--stdin", given="".join(
        f"update refs/heads/{name} {now[name]} {before[name] or '0' * len(now[name])}\n"
        for name in NAMES if before[name] != now[name]))
    return {name: (before[name], now[name]) for name in NAMES}


def subject(first_empty: int) -> str:
    """What a branch's commit adds."""
    if first_empty == min(LABS):
        return "all: a kernel with the labs to do"
    solved = LABS[first_empty - 1]
    return f"{solved.name}: a solution of lab {solved.number}"


def check_free(repository: Repository, tips: dict[str, str],
               checked_out: bool = False) -> None:
    """Refuses to move a branch that somebody has worked on, or works on."""
    for name, tip in tips.items():
        if tip and not repository.made_here(tip):
            raise tree.TreeError(
                f"The branch {name} holds somebody's work: {tip[:10]} was not made by "
                "this tool. Nothing was changed. To keep that work, rename the branch: "
                f"git branch -m {name} my-{name}")
    if checked_out:
        used = repository.git("worktree", "list", "--porcelain").split("\n")
        for name in tips:
            if f"branch refs/heads/{name}" in used:
                raise tree.TreeError(
                    f"The branch {name} is checked out, and would move. Nothing was "
                    "changed. Check out main first: git checkout main")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--names", action="store_true",
                        help="print the branches' names; make none")
    if parser.parse_args().names:
        print("\n".join(NAMES))
        return 0
    try:
        for name, (before, now) in make_branches(Repository(tree.TREE)).items():
            how = ("as before" if before == now else
                   f"was {before[:10]}" if before else "new")
            print(f"{name:12} {now[:10]}  {how}")
    except (tree.TreeError, Malformed) as error:
        print(f"make labs: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
