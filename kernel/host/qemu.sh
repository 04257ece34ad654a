# Starts QEMU on build/kernel.elf: the one place where the machine is described.
# What a person chooses comes from the environment (make exports it); arguments
# are handed to QEMU as they are. The script becomes QEMU, so that whoever
# started it holds QEMU's process id.
: "${QEMU:=qemu-system-x86_64}"
: "${KERNEL:=build/kernel.elf}"
: "${INITRD:=build/initrd.cpio}"
: "${FIRMWARE:=qboot}"
: "${MEM:=128}"

# One explicit CPU model, so that a test means the same everywhere. qemu64 has
# NX; the rest are what the kernel turns on when CPUID has them.
: "${CPU:=qemu64,+smep,+smap,+umip,+rdrand}"

case $FIRMWARE in
qboot)
    # qboot starts in half the time of SeaBIOS, but not every QEMU ships it.
    if [ -f /usr/share/qemu/qboot.rom ] ||
        "$QEMU" -L help | while read -r dir; do
            [ ! -f "$dir/qboot.rom" ] || echo found
        done | grep -q found; then
        set -- -bios qboot.rom "$@"
    else
        echo "qemu: this QEMU ships no qboot.rom; SeaBIOS boots instead." >&2
    fi ;;
seabios) ;; # QEMU's own choice when no -bios is given
*)
    echo "qemu: FIRMWARE=$FIRMWARE is neither qboot nor seabios." >&2
    exit 2 ;;
esac

# Kernel options first; init= takes the rest of the line. A PROG without a
# slash is one of /bin.
append=${APPEND:-}
case ${PROG:-} in
'') ;;
/*) append="${append:+$append }init=$PROG" ;;
*) append="${append:+$append }init=/bin/$PROG" ;;
esac

# What differs between releases of QEMU is asked of QEMU itself, here and
# nowhere else in these scripts.

# One instruction a translation block, so that an interrupt may come between any
# two: a property of the accelerator since 8.1, before that an option (gone in 9.0).
accel=tcg
if [ -n "${ONE_BY_ONE:-}" ]; then
    if "$QEMU" -help | grep -q one-insn-per-tb; then
        accel=tcg,one-insn-per-tb=on
    else
        set -- -singlestep "$@"
    fi
fi

# The monitor on a character device is an object since 11.1, which warns of -mon.
if [ -n "${QEMU_MONITOR:-}" ]; then
    if "$QEMU" -object help | grep -q monitor-hmp; then
        set -- "$@" -object "monitor-hmp,id=monitor,chardev=$QEMU_MONITOR"
    else
        set -- "$@" -mon "chardev=$QEMU_MONITOR"
    fi
fi

# Who counts instructions wants the same run again: at the same time of the clock and
# with the same random numbers, unless they are recorded.
[ -z "${ICOUNT:-}" ] ||
    set -- -icount "$ICOUNT" -rtc base=2000-01-01T00:00:00,clock=vm "$@"
case ${ICOUNT:-rr=} in
*rr=*) ;;
*) set -- -seed 1 "$@" ;;
esac
[ -z "${GDB:-}" ] ||
    set -- -S -gdb unix:build/gdb.sock,server=on,wait=off "$@"

# -no-reboot: a triple fault ends QEMU instead of starting the kernel again.
# isa-debug-exit: the kernel ends QEMU with the status (value << 1) | 1.
# acpi, hpet, smm, vmport, network and screen are left out: nothing here uses
# them, and the machine starts faster without.
# shellcheck disable=SC2086  # QEMUFLAGS is a list of words
exec "$QEMU" -accel "$accel" -M pc,acpi=off,hpet=off,smm=off,vmport=off \
    -cpu "$CPU" -m "$MEM" -nodefaults -no-user-config \
    -vga none -net none -display none -no-reboot \
    -device isa-debug-exit,iobase=0xf4,iosize=4 \
    -kernel "$KERNEL" -initrd "$INITRD" -append "$append" \
    ${QEMUFLAGS:-} "$@"
