# Writes the table of the kernel's functions that panic's backtrace reads, as
# assembly: `ksyms` is an array of { address, name } in order of addresses and
# `ksyms_end` stands after its last entry.
#   sh ksyms.sh NM KERNEL.ELF    the functions of that kernel
#   sh ksyms.sh                  no function: for the first link
names=
if [ $# -eq 2 ]; then
    # A pipe would hide that nm failed, and the table would be empty.
    names=$("$1" -n "$2") && [ "$names" ] || exit 1
fi
printf '%s\n' "$names" | awk '
BEGIN {
    print "\t.section .ksyms, \"a\"\n\t.globl ksyms, ksyms_end\n\t.balign 8\nksyms:"
}
$2 ~ /^[tT]$/ {
    printf "\t.quad 0x%s, .Lname%d\n", $1, count
    names[count++] = $3
}
END {
    print "ksyms_end:"
    for (i = 0; i < count; i++)
        printf ".Lname%d:\t.asciz \"%s\"\n", i, names[i]
    print "\t.section .note.GNU-stack, \"\", @progbits"
}'
