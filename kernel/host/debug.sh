# QEMU and GDB side by side.
#   sh debug.sh            in two panes of one terminal, where tmux is there; or,
#                          where `make qemu GDB=1` waits in another terminal,
#                          GDB here
#   sh debug.sh console    QEMU with its console, waiting for a debugger
#   sh debug.sh gdb        GDB, attached to it; ends QEMU when it ends
#   … session              and then the tmux session it is in
#   sh debug.sh attach     GDB alone
#   sh debug.sh stop       ends that QEMU
# What QEMU runs comes from the environment, as for kernel/host/qemu.sh.
socket=build/gdb.sock
pid_file=build/qemu.pid
left=build/gdb-left # GDB was left, which ends QEMU

# Ctrl-C is for GDB, which shares the terminal with this script.
trap : INT

gdb_program() {
    sh kernel/host/doctor.sh gdb && return
    echo "debug: there is no GDB on the PATH." >&2
    return 1
}

# -nx: not the person's own settings, so that the screen is the handouts'; with
# it, GDB does not find .gdbinit by itself and refuses nothing.
attach() {
    program=$(gdb_program) && "$program" -q -nx -x .gdbinit
}

console() {
    rm -f "$socket" "$pid_file" "$left"
    GDB=1 QEMUFLAGS="-pidfile $pid_file ${QEMUFLAGS:-}"
    export GDB QEMUFLAGS
    echo "debug: starting QEMU"
    # Says so once QEMU can be reached; an editor waits for this line.
    (
        while [ ! -S "$socket" ] && kill -0 $$ 2> /dev/null; do sleep 0.05; done
        echo "debug: QEMU waits for GDB on $socket"
    ) &
    sh kernel/host/run.sh terminal
}

stop() {
    [ ! -f "$pid_file" ] || kill "$(cat "$pid_file")" 2> /dev/null
}

# Is somebody listening? The socket's file stays behind when QEMU is killed.
served() {
    [ -S "$socket" ] && program=$(gdb_program) && "$program" -nx -batch -ex "python
import socket, sys
try:
    socket.socket(socket.AF_UNIX).connect('$socket')
except OSError:
    gdb.execute('quit 1')" > /dev/null 2>&1
}

# In tmux already: its window gets a second pane, with GDB.
split_this() {
    pane=$(tmux split-window -P -F '#{pane_id}' -c "$PWD" "$split" -l 65% \
        'sh kernel/host/debug.sh gdb')
    console
    [ -f "$left" ] || {
        echo "debug: QEMU has ended; Enter closes GDB."
        read -r _
        tmux kill-pane -t "$pane" 2> /dev/null || : # closed by then
    }
}

# A tmux of its own, gone with either pane or with the terminal.
new_session() {
    tmux -L "threshold-$$" -f /dev/null \
        new-session -s threshold 'sh kernel/host/debug.sh console session' \; \
        set-option destroy-unattached on \; \
        set-option mouse on \; \
        set-option history-limit 50000 \; \
        set-option status-left '' \; \
        set-option status-right-length 78 \; \
        set-option window-status-current-format '' \; \
        set-option status-right \
            'other pane: click, or Ctrl-B and an arrow | quit in GDB leaves' \; \
        split-window "$split" -l 65% 'sh kernel/host/debug.sh gdb session' > /dev/null
}

case ${1:-} in
console)
    console
    if [ "${2:-}" = session ]; then
        echo "debug: QEMU has ended; Enter leaves."
        read -r _
        tmux kill-session
    fi ;;
gdb)
    GDB_ENDS_QEMU=$left attach
    : > "$left"
    stop
    [ "${2:-}" != session ] || tmux kill-session ;;
attach) attach ;;
stop) stop ;;
*)
    # Side by side where both panes are wide enough for the source.
    size=$(stty size 2> /dev/null)
    split=-v
    [ "${size#* }" -lt 170 ] 2> /dev/null || split=-h
    if served; then
        attach
    elif ! command -v tmux > /dev/null; then
        echo "debug: there is no tmux here, so type \`make qemu GDB=1\` in one" \
            "terminal and \`make gdb\` in another." >&2
        exit 1
    elif [ ! -t 1 ]; then
        echo "debug: \`make gdb\` needs a terminal." >&2
        exit 1
    elif [ -n "${TMUX:-}" ]; then
        split_this
    else
        new_session
    fi ;;
esac
