# Runs QEMU for a person and says in one sentence how it ended.
#   sh run.sh terminal   the console on this terminal; Ctrl-A X leaves
#   sh run.sh batch      no input; ends with the first program's status, and
#                        with 126 if a fault killed it, 127 if the kernel
#                        stopped, 124 after TIMEOUT seconds
log=build/console.$$
mkdir -p build

say() {
    echo "run: $*" >&2
}

# A name that is not in the archive is told here, where the others are known; one with
# a directory or a quote in it is the kernel's to judge.
program=${PROG:-}
program=${program%%[ ,]*}
program=${program#/bin/}
case $program in
'' | *[\'\"/]*) ;;
*)
    programs=$(cpio --quiet -it < "${INITRD:-build/initrd.cpio}" | sed -n 's,^bin/,,p')
    if ! echo "$programs" | grep -qxF -e "$program"; then
        say "there is no program $program. There are:" $programs
        exit 2
    fi ;;
esac

trap 'rm -f "$log"' EXIT

# QEMU runs beside this script, so that a signal to the script ends it too.
# Its input is named, for the shell would give it none.
exec 3<&0
trap 'trap "" INT TERM HUP
kill "$qemu" $reminder 2> /dev/null
wait
exit 130' INT TERM HUP
if [ "$1" = terminal ]; then
    QEMU_MONITOR=console sh kernel/host/qemu.sh -serial chardev:console \
        -chardev "stdio,id=console,mux=on,signal=off,logfile=$log" <&3 &
else
    # timeout is GNU's; without it (macOS) there is no deadline.
    deadline=
    if command -v timeout > /dev/null; then
        deadline="timeout --foreground -k 5 ${TIMEOUT:=600}"
    fi
    start=$(date +%s)
    $deadline sh kernel/host/qemu.sh -serial chardev:console \
        -chardev "stdio,id=console,signal=off,logfile=$log" < /dev/null &
fi
qemu=$!

# Who looks at a screen on which nothing happens is told that it goes on.
reminder=
if [ "$1" = batch ] && [ -t 2 ]; then
    (trap 'kill "$nap" 2> /dev/null; exit' TERM
    sleep 10 &
    nap=$!
    wait "$nap"
    say "still running. Ctrl-C ends it${deadline:+, or TIMEOUT=$TIMEOUT seconds}.") &
    reminder=$!
fi
wait "$qemu"
code=$?
[ -z "$reminder" ] || kill "$reminder" 2> /dev/null

# timeout ends with 124, or with 137 if it had to kill QEMU; 137 may also be
# the kernel's, after a shorter time.
if [ -n "${deadline:-}" ] && [ $(($(date +%s) - start)) -ge "$TIMEOUT" ]; then
    case $code in
    124 | 137)
        say "no end within $TIMEOUT s; QEMU was stopped."
        exit 124 ;;
    esac
fi

# QEMU's own errors are odd numbers too: a machine that ran has printed.
if [ ! -s "$log" ] && [ "$code" -ne 0 ]; then
    say "QEMU did not start the kernel (it ended with $code)."
    exit 125
fi

if [ $((code % 2)) -eq 0 ]; then
    if [ "$1" = terminal ]; then
        say "QEMU ended without a status: left by Ctrl-A X, or reset."
        exit 0
    fi
    say "the machine reset itself, as after a triple fault; for the cause:" \
        "QEMUFLAGS='-d int,cpu_reset -D build/int.log'."
    exit 127
fi

status=$((code / 2))
case $status in
127) say "the kernel stopped by a panic." ;;
126) say "a fault killed the first program." ;;
125) say "the first program ended with a status above 124." ;;
*) say "the first program ended with status $status." ;;
esac
# A shell's last status is no error of make's when a person leaves it.
[ "$1" = terminal ] && [ "$status" -lt 126 ] && exit 0
exit "$status"
