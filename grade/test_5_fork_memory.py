"""Lab 5, the memory of two processes.

What each sees is told by a probe through a breakpoint (judge/probe_run.py), never
by what the kernel prints; why it sees it is read from the page tables.
"""

from __future__ import annotations

from judge.fork_causes import SIGSEGV, fork_place, status_text, tell_or_refuse
from judge.fork_memory import check_memory
from judge.fork_wait import status_of
from judge.lab import Lab
from judge.verdict import hint, points, wrong

# ---- memory -----------------------------------------------------------------

@points(5)
@hint("After fork both use the same pages until one writes. The parent's own page "
      "table entries must lose PTE.W as well, and the CPU must forget what it knew "
      "of them.")
def test_the_child_does_not_see_what_the_parent_writes(lab: Lab) -> None:
    check_memory(lab, "parent", {"child": ("what there was before the fork", 0),
                                 "parent": ("what it wrote itself", 100)})


@points(4)
@hint("After fork both use the same pages until one writes; the one that writes "
      "gets a copy")
def test_the_parent_does_not_see_what_the_child_writes(lab: Lab) -> None:
    check_memory(lab, "child", {"parent": ("what there was before the fork", 0),
                                "child": ("what it wrote itself", 200)})


@points(3)
@hint("A page knows how many use it. With three users, the first copy leaves two")
def test_a_page_of_three_processes_stays_protected_when_one_has_copied_it(lab: Lab
                                                                          ) -> None:
    check_memory(lab, "three", {"second": ("what it wrote itself", 200),
                                "first": ("what there was before the fork", 0),
                                "parent": ("what it wrote itself", 100)})


@points(3)
@hint("The kernel writes for read(2), too; copyout makes the page ready first")
def test_what_the_kernel_writes_for_the_child_stays_the_childs(lab: Lab) -> None:
    seed = lab.random.getrandbits(40)
    told = tell_or_refuse(lab, f"/bin/fork_memory {seed} kernel")
    heap = [fact for fact in told.facts if fact.what == "heap"]
    if len(heap) < 2:
        told.end()
        wrong("One of the two processes never told what it sees", gdb="ps",
              where=fork_place(lab))
    for fact, who, wanted in ((heap[0], "child", seed + 200),
                              (heap[1], "parent", seed + 3)):
        if fact.value != wanted:
            wrong(f"After read(2) in the child, the {who}'s page of the heap holds "
                  + ("what was read" if fact.value == seed + 200
                     else "what there was before" if fact.value == seed + 3
                     else "neither what there was nor what was read"),
                  expected=wanted, found=fact.value, where=lab.place("copyout"),
                  gdb="pagewalk")
    told.end()


@points(3)
@hint("A child may give its memory back or protect it; that is its own affair")
def test_what_the_child_maps_and_unmaps_is_its_own(lab: Lab) -> None:
    told = tell_or_refuse(lab, f"/bin/fork_memory {lab.random.getrandbits(40)} "
                               "mappings")
    for name, wanted, cause in (
            ("grown", 1, "brk in the child did not grow its heap: brk and the areas "
                         "are part of what vm_clone copies"),
            ("status", 0, "The child that changed its mappings did not end well: "),
            ("end", 0, "The child's brk moved the end of the parent's heap")):
        found = (status_of(lab, told, name, wanted) if name == "status"
                 else told.one(name).signed)
        if found != wanted:
            wrong(cause + (status_text(found) if name == "status" else ""),
                  expected=wanted, found=found, where=lab.place("vm_clone"), gdb="ps")
    told.end()


@points(4)
@hint("A copied entry keeps its rights: read-only and no-execute stay so. "
      "Copy-on-write may only give back what the area allows")
def test_the_child_may_do_with_a_page_what_the_parent_may(lab: Lab) -> None:
    told = tell_or_refuse(lab, "/bin/fork_memory 1 rights")
    for name, wanted, what in (
            ("constant", SIGSEGV, "writes to a page that is read-only"),
            ("code", SIGSEGV, "writes to its own code"),
            ("fresh", 0, "writes to a page that it may write to"),
            ("run data", SIGSEGV, "runs a page of data"),
            ("run code", 0, "runs its code"),
            ("page 0", SIGSEGV, "writes to address 0")):
        found = status_of(lab, told, name, wanted)
        if found != wanted:
            wrong(f"A child that {what} "
                  + ("was not stopped" if wanted else "could not")
                  + f": wait4 gives {status_text(found)}. The rights of the page "
                    "table entry were not copied with it",
                  expected=status_text(wanted), found=status_text(found),
                  where=lab.place("vm_clone"), gdb="pagewalk")
    told.end()
