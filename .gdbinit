# GDB for this kernel. `make gdb` reads it; by hand: gdb -q -x .gdbinit
# Type `help threshold` for the commands that kernel/gdb/ adds.
set pagination off
set confirm off
set print pretty on
set disassembly-flavor att

# Whatever is wrong with a stack, a backtrace of it ends.
set backtrace limit 32
set print entry-values no

# What was typed is there again next time.
set history filename build/gdb-history
set history save on
set history size 1000

file build/kernel.elf
# In `make rewind`, with the commands for going backwards: `help rewind`.
source kernel/gdb/load.py

# Stop where a program is about to be killed and where the kernel panics.
catch-faults

# To QEMU's socket and on to main(). VS Code sets $ide and connects by itself.
if $_isvoid($ide)
  connect
end
