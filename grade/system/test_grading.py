"""What the labs' tests are written with: a probe's end, a call into the stopped
kernel, and the story of a machine that stopped or hung."""

from __future__ import annotations

import pytest

from judge.lab import Lab
from judge.titles import title


def test_a_probe_runs_on_the_graded_kernel(lab: Lab) -> None:
    assert lab.run("/bin/probe_exit 42").status == 42


def test_a_kernel_function_is_called_and_all_is_put_back(lab: Lab) -> None:
    machine = lab.machine("/bin/probe_exit 3", gdb=True, stopped=True)
    gdb = machine.gdb()
    for place, frame in (
        (lab.probe("probe_exit").address("main"), 0),
        (lab.kernel.address("syscall_entry"), 0),
        (lab.kernel.address("proc_exit"),
         lambda: gdb.read_u64(lab.kernel.address("per_cpu")) - 128),
    ):
        gdb.run_to(place)
        before = gdb.registers()
        expected = frame() if callable(frame) else frame
        assert lab.call(gdb, "get_syscall_frame") == expected
        assert gdb.registers() == before
    gdb.resume()
    assert machine.wait().status == 3


@pytest.mark.parametrize("name, sentence", [
    ("test_rsp0_is_the_top_of_the_processs_stack",
     "RSP0 is the top of the process's stack"),
    ("test_the_handler_runs_on_the_kernels_gs", "The handler runs on the kernel's GS"),
    ("test_kernel_gs_base_is_this_cpus_block", "KERNEL_GS_BASE is this CPU's block"),
    ("test_get_saved_user_rsp_is_0_outside_a_call[now]",
     "get_saved_user_rsp is 0 outside a call (now)"),
    ("test_two_processes_that_wait_inside_calls_keep_their_own",
     "Two processes that wait inside calls keep their own"),
])
def test_a_tests_name_becomes_a_sentence(name: str, sentence: str) -> None:
    assert title(name) == sentence
