"""Drives QEMU from outside and reads the machine: no lab, no verdict, no pytest.

qemu.Machine starts one and ends it, result says how it ended, gdb_remote.Gdb runs
it to a place and reads its registers and memory. x86 is the CPU's vocabulary;
kernel.Kernel knows this kernel's shapes, processes its table of processes,
symbols what stands at an address, code which instruction. toolchain asks how
things are built, archive makes the files it boots with, and deadlines is where
every waiting time is kept.
"""
