"""Drives QEMU from outside and reads the machine.

qemu.Machine starts one and ends it, gdb_remote.Gdb reads its registers and
memory, symbols.Symbols says what stands at an address, archive makes the
files it boots with, and deadlines is where every waiting time is kept.
"""
