# A script for busybox sh: twenty applets, pipes, $(...), wait and trap. It prints the
# same on the host and on this kernel.
cd "$1" || exit 1
printf 'pear\napple\nfig\napple\n' > fruit
busybox sort fruit | busybox uniq -c
echo "lines: $(busybox wc -l < fruit)"
busybox head -n 2 fruit; busybox tail -n 1 fruit
busybox grep -n app fruit; busybox sed 's/p/P/g' fruit
busybox awk '{ n[$1]++ } END { print n["apple"] }' fruit
busybox tr a-z A-Z < fruit | busybox cut -c 1-2 | busybox paste -s
busybox mkdir -p a/b && busybox cp fruit a/b/copy && busybox mv a/b/copy a/moved
busybox ls -1 a; busybox find a -type f; busybox cmp fruit a/moved && echo equal
busybox md5sum < fruit; busybox od -An -tx1 fruit | busybox head -n 1
busybox seq 3 | busybox xargs echo; busybox expr 6 \* 7; busybox basename /x/y.c .c
busybox ln -s fruit link; busybox readlink link; busybox cat link | busybox rev
busybox chmod 640 fruit; busybox stat -c '%a %s' fruit
busybox gzip -c fruit | busybox gunzip -c | busybox cmp - fruit && echo same
busybox tar cf t.tar a && busybox tar tf t.tar
for i in 1 2 3; do (exit $i) & done
wait; echo "waited: $?"
(exit 7) & wait $!; echo "one ended with $?"
trap 'echo trapped' USR1; kill -USR1 $$; echo "after the trap"
trap 'echo the end' EXIT
i=0; while [ $i -lt 5 ]; do i=$((i + 1)); done; echo "i is $i"
cat <<END | busybox wc -w
a here document of $i
END
busybox rm -r a t.tar fruit link; busybox ls -1
