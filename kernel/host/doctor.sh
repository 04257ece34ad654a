# What this project needs on a machine: says what is there and installs the
# rest.
#   sh doctor.sh report        a table of everything, with versions
#   sh doctor.sh install SET   what SET needs: build, gdb, grade, check, browser,
#                              book, alike, slurm, shells or matrix
#   sh doctor.sh has SET       succeeds when all of SET is there
#   sh doctor.sh command TOOL  the command that installs one tool
#   sh doctor.sh toolprefix    what stands before gcc to compile for x86-64
#   sh doctor.sh gdb           the name of a GDB for x86-64
# On Debian and Ubuntu, as root or by sudo, apt-get installs what is missing;
# elsewhere the command to type is printed and the script fails.
: "${QEMU:=qemu-system-x86_64}"
: "${PYTHON:=/usr/bin/python3}"

# The sets, from small to large. `make qemu` needs only the first.
build_tools="compiler linker qemu cpio"
gdb_tools="$build_tools gdb tmux"
grade_tools="$gdb_tools python pytest elftools capstone toml"
check_tools="$grade_tools xdist pexpect patch bwrap faketime musl clang-format yamllint strace"
# What the report is about: a student's tree has no grade/system to check.
reported=$grade_tools
[ ! -d grade/system ] || reported=$check_tools
book_tools="$check_tools doxygen sphinx furo myst_parser breathe esbuild"
# What the tests of the trace player need; without it they are skipped. Apart from
# the others: 120 MB to fetch, and not packaged everywhere.
browser_tools="chromium chromedriver selenium"
# What make alike compares hand-ins with. Packaged by Debian and Ubuntu only.
alike_tools="$grade_tools sim_c"
# What the test of make batch ENGINE=slurm starts a cluster of. A teacher's cluster has
# its own.
slurm_tools="$grade_tools slurmctld slurmd sbatch munged"
# Other people's programs, static, which the tests run here as they are. Packaged by
# Debian and Ubuntu only.
shells_tools="bash-static mksh-static sash busybox zsh-static"
# What make matrix makes other systems with.
matrix_tools="python debootstrap"

has() {
    command -v "$1" > /dev/null 2>&1
}

# The words before gcc and ld: nothing where the machine's own compiler makes
# x86-64 ELF files, else a cross compiler's name. Fails when there is none.
toolprefix() {
    if [ -n "${TOOLPREFIX:-}" ]; then
        echo "$TOOLPREFIX"
        return
    fi
    case $(gcc -dumpmachine 2> /dev/null) in
    x86_64-*linux* | x86_64-*elf*) echo "" && return ;;
    esac
    for prefix in x86_64-elf- x86_64-linux-gnu-; do
        if has "${prefix}gcc"; then
            echo "$prefix" && return
        fi
    done
    return 1
}

python_has() {
    "$PYTHON" -c "import sys, importlib.util as util
sys.exit(util.find_spec('$1') is None)" 2> /dev/null
}

# The GDB that knows x86-64: on other machines Debian's is called multiarch.
gdb_program() {
    for name in $([ "$(uname -m)" = x86_64 ] && echo gdb) gdb-multiarch \
        x86_64-elf-gdb; do
        has "$name" && echo "$name" && return
    done
    return 1
}

# Succeeds when the tool is there and new enough.
present() {
    case $1 in
    compiler) toolprefix > /dev/null ;;
    linker) prefix=$(toolprefix) && has "${prefix}ld" && has "${prefix}objcopy" ;;
    qemu) has "$QEMU" && new_enough "$("$QEMU" --version)" 5 2 ;;
    gdb) gdb_program > /dev/null ;;
    musl) has musl-gcc ;;
    busybox) has busybox && ! ldd "$(command -v busybox)" > /dev/null 2>&1 ;;
    toml) python_has tomllib || python_has tomli ;;
    python) has "$PYTHON" && "$PYTHON" -c \
        'import sys; sys.exit(sys.version_info < (3, 9))' ;;
    chromium) has chromium || has chromium-browser || has google-chrome ;;
    pytest | xdist | pexpect | elftools | capstone | selenium | \
        sphinx | furo | myst_parser | breathe) python_has "$1" ;;
    *) has "$1" ;;
    esac
}

# new_enough "QEMU emulator version 7.2.22 (…)" MAJOR MINOR
new_enough() {
    echo "$1" | awk -v major="$2" -v minor="$3" '
        match($0, /[0-9]+\.[0-9]+/) {
            split(substr($0, RSTART, RLENGTH), have, ".")
            exit !(have[1] > major || have[1] == major && have[2] >= minor)
        }'
}

# The name under which a Python module was installed.
distribution() {
    case $1 in
    xdist) echo pytest-xdist ;;
    elftools) echo pyelftools ;;
    *) echo "$1" ;;
    esac
}

# One line that tells a tool's version.
version() {
    case $1 in
    compiler) "$(toolprefix)gcc" --version ;;
    linker) "$(toolprefix)ld" --version ;;
    qemu) "$QEMU" --version ;;
    gdb) "$(gdb_program)" --version ;;
    toml) python_has tomllib && echo "Python's own" || "$PYTHON" -c "
import importlib.metadata as metadata
print('tomli', metadata.version('tomli'))" ;;
    tmux) tmux -V ;;
    python) "$PYTHON" --version ;;
    pytest | xdist | pexpect | elftools | capstone)
        "$PYTHON" -c "import importlib.metadata as metadata
print(metadata.version('$(distribution "$1")'))" ;;
    musl) musl-gcc --version ;;
    *) "$1" --version ;;
    esac 2> /dev/null | head -n 1
}

# package MANAGER TOOL: the name under which a package manager knows a tool;
# nothing where it is not packaged.
package() {
    case $1:$2 in
    apt:compiler)
        case $(uname -m) in
        x86_64) echo gcc ;;
        *) echo gcc-x86-64-linux-gnu ;;
        esac ;;
    apt:linker)
        case $(uname -m) in
        x86_64) echo binutils ;;
        *) echo binutils-x86-64-linux-gnu ;;
        esac ;;
    apt:qemu) echo qemu-system-x86 ;;
    apt:gdb)
        case $(uname -m) in
        x86_64) echo gdb ;;
        *) echo gdb-multiarch ;;
        esac ;;
    apt:toml) echo python3-tomli ;;
    apt:python) echo python3 ;;
    apt:pytest | apt:pexpect | apt:capstone | apt:sphinx | apt:breathe)
        echo "python3-$2" ;;
    apt:myst_parser) echo python3-myst-parser ;;
    apt:xdist) echo python3-pytest-xdist ;;
    apt:elftools) echo python3-pyelftools ;;
    apt:chromedriver) echo chromium-driver ;;
    apt:selenium) echo python3-selenium ;;
    apt:bwrap | dnf:bwrap | pacman:bwrap) echo bubblewrap ;;
    apt:musl) echo musl-tools ;;
    apt:mksh-static) echo mksh ;;
    apt:busybox) echo busybox-static ;;
    apt:sim_c) echo similarity-tester ;;
    apt:sbatch) echo slurm-client ;;
    apt:munged) echo munge ;;
    apt:*) echo "$2" ;;
    *:sim_c | *:slurmctld | *:slurmd | *:sbatch | *:munged) ;;

    dnf:compiler) echo gcc ;;
    dnf:linker) echo binutils ;;
    dnf:qemu) echo qemu-system-x86-core ;;
    dnf:python) echo python3 ;;
    dnf:pytest | dnf:pexpect | dnf:capstone | dnf:sphinx | dnf:furo | dnf:breathe)
        echo "python3-$2" ;;
    dnf:myst_parser) echo python3-myst-parser ;;
    dnf:xdist) echo python3-pytest-xdist ;;
    dnf:elftools) echo python3-pyelftools ;;
    dnf:selenium) echo python3-selenium ;;
    dnf:toml) echo python3-tomli ;;
    dnf:faketime | pacman:faketime | brew:faketime) echo libfaketime ;;
    dnf:musl) echo musl-gcc ;;
    dnf:clang-format) echo clang-tools-extra ;;
    dnf:*) echo "$2" ;;

    pacman:compiler) echo gcc ;;
    pacman:linker) echo binutils ;;
    pacman:qemu) echo qemu-system-x86 ;;
    pacman:python) echo python ;;
    pacman:pytest | pacman:pexpect | pacman:capstone | pacman:sphinx | pacman:breathe)
        echo "python-$2" ;;
    pacman:furo) echo python-sphinx-furo ;;
    pacman:myst_parser) echo python-myst-parser ;;
    pacman:xdist) echo python-pytest-xdist ;;
    pacman:elftools) echo python-pyelftools ;;
    pacman:chromedriver) ;; # with chromium
    pacman:selenium) echo python-selenium ;;
    pacman:toml) echo python-tomli ;;
    pacman:musl) echo musl ;;
    pacman:clang-format) echo clang ;;
    pacman:*) echo "$2" ;;

    brew:compiler) echo x86_64-elf-gcc ;;
    brew:linker) echo x86_64-elf-binutils ;;
    brew:qemu) echo qemu ;;
    brew:gdb) echo x86_64-elf-gdb ;;
    brew:python) echo python ;;
    brew:pytest | brew:xdist | brew:pexpect | brew:elftools | brew:capstone | brew:musl | \
        brew:bwrap | \
        brew:toml) ;;
    brew:chromium | brew:chromedriver | brew:selenium) ;;
    brew:sphinx | brew:furo | brew:myst_parser | brew:breathe) ;;
    brew:*) echo "$2" ;;
    esac
}

manager() {
    if has apt-get; then echo apt
    elif has dnf; then echo dnf
    elif has pacman; then echo pacman
    elif has brew; then echo brew
    fi
}

# The command that installs the tools named, for a person to type.
command_for() {
    as_root=
    [ "$(id -u)" -eq 0 ] || ! has sudo || as_root="sudo "
    packages=
    for tool in "$@"; do
        packages="$packages $(package "$(manager)" "$tool")"
    done
    # The list is split into words on purpose: it joins them by one blank.
    # shellcheck disable=SC2086
    case $(manager) in
    apt) echo "${as_root}apt-get update && ${as_root}apt-get install" $packages ;;
    dnf) echo "${as_root}dnf install" $packages ;;
    pacman) echo "${as_root}pacman -S" $packages ;;
    brew) echo "brew install" $packages ;;
    esac
}

# The tools of the list that are missing.
missing() {
    for tool in "$@"; do
        present "$tool" || echo "$tool"
    done
}

# Installs by apt-get. sudo may ask for a password only where a person sits.
apt_install() {
    as_root=
    if [ "$(id -u)" -ne 0 ]; then
        has sudo || return 1
        as_root=sudo
        [ -t 0 ] && [ -t 2 ] || as_root="sudo -n"
        $as_root true || return 1
    fi
    packages=
    for tool in "$@"; do
        packages="$packages $(package apt "$tool")"
    done
    echo "doctor: apt-get installs$packages" >&2
    quiet="-q -o Dpkg::Use-Pty=0"
    # Without recommended packages: QEMU's would bring a desktop along.
    # shellcheck disable=SC2086
    $as_root env DEBIAN_FRONTEND=noninteractive sh -c "
        apt-get $quiet update && apt-get $quiet install -y \
            --no-install-recommends $packages" < /dev/null >&2
}

install() {
    eval "tools=\${$1_tools:-}"
    if [ -z "$tools" ]; then
        echo "doctor: no set of tools is called $1." >&2
        return 2
    fi
    # shellcheck disable=SC2086
    lack=$(missing $tools)
    [ -n "$lack" ] || return 0

    # shellcheck disable=SC2086
    if [ "$(manager)" = apt ] && apt_install $lack; then
        lack=$(missing $tools)
        [ -n "$lack" ] || return 0
    fi
    # Without these, their tests are skipped; what a person asks for says it again.
    case $1 in browser | alike | slurm | shells)
        # shellcheck disable=SC2086
        echo "doctor: nothing of $1, for want of" $lack >&2
        return 0 ;;
    esac
    # Without tmux, `make gdb` says how to work in two terminals.
    [ "$lack" != tmux ] || return 0
    # shellcheck disable=SC2086
    echo doctor: missing: $lack >&2
    # shellcheck disable=SC2086
    line=$(command_for $lack)
    if [ -n "$line" ]; then
        if [ "$(id -u)" -eq 0 ] || has sudo || [ "$(manager)" = brew ]; then
            echo "doctor: type this, then the same make command again:" >&2
        else
            echo "doctor: type this as root, then the same make command again:" >&2
        fi
        echo "    $line" >&2
    else
        echo "doctor: install them, or put them on the PATH (QEMU 5.2 or newer," \
            "a gcc for x86-64 ELF)." >&2
    fi
    return 1
}

# Succeeds when nothing of a set is missing.
has_set() {
    eval "tools=\${$1_tools:-}"
    # shellcheck disable=SC2086
    [ -n "$tools" ] && [ -z "$(missing $tools)" ]
}

report() {
    for tool in $reported; do
        if present "$tool"; then
            printf '%-13s %s\n' "$tool" "$(version "$tool")"
        elif [ "$tool" = qemu ] && has "$QEMU"; then
            printf '%-13s too old, 5.2 is needed: %s\n' qemu "$(version qemu)"
        else
            printf '%-13s missing\n' "$tool"
        fi
    done
    # shellcheck disable=SC2086
    lack=$(missing $reported)
    [ -n "$lack" ] || { echo "Nothing is missing." && return 0; }
    # shellcheck disable=SC2086
    echo "To install what is missing: $(command_for $lack)"
    # shellcheck disable=SC2086
    [ -z "$(missing $build_tools)" ]
}

case ${1:-} in
report) report ;;
install) install "${2:-}" ;;
has) has_set "${2:-}" ;;
command) command_for "${2:-}" ;;
toolprefix) toolprefix ;;
gdb) gdb_program ;;
*)
    echo "usage: doctor.sh report | install SET | has SET | command TOOL |" \
        "toolprefix | gdb" >&2
    exit 2 ;;
esac
