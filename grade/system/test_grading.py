"""What the labs' tests are written with: a probe's end, a call into the stopped
kernel, and the story of a machine that stopped or hung."""

from __future__ import annotations

from harness.grading import Lab


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
