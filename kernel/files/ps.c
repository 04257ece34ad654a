/*
 * ps: the list of processes, made when it is read.
 */
#include "files/ps.h"

#include "errno.h"
#include "print.h"
#include "user_copy.h"
#include "sched.h"

#define LINE_MAX 64

static int ps_open(int flags)
{
	return flags & O_ACCMODE ? -EACCES : 0;
}

/* The n-th line of /proc/ps in line; returns its length, 0 after the last. */
static size_t ps_line(int n, char *line, size_t size)
{
	static const char *const states[] = {
		[PROC_NEW] = "new",        [PROC_RUNNABLE] = "run",
		[PROC_SLEEPING] = "sleep", [PROC_ZOMBIE] = "zombie",
		[PROC_STOPPED] = "stop",
	};

	if (n == 0)
		return ksnprintf(line, size, "  PID  PPID STATE  NAME\n");
	for_each_proc(p)
		if (--n == 0)
			return ksnprintf(line, size, "%5d %5d %-6s %s\n",
					 p->pid, p->parent->pid,
					 states[p->state], p->name);
	return 0;
}

/* One line at a time; the offset counts them. */
static long ps_read(struct file *file, uint64_t buffer, size_t size)
{
	char line[LINE_MAX];
	size_t length = ps_line(file->offset, line, sizeof(line));

	if (length > size)
		return -EINVAL;
	if (copyout(buffer, line, length) < 0)
		return -EFAULT;
	file->offset++;
	return length;
}

const struct file_ops ps_ops = {
	.open = ps_open,
	.read = ps_read,
	.seekable = true,
};
