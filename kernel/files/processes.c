/*
 * processes: a process's directory is made when somebody looks for it, and taken
 * away when somebody looks and the process is gone: to begin and to end costs a
 * process nothing here.
 */
#include "files/processes.h"

#include "errno.h"
#include "string.h"
#include "print.h"
#include "user_copy.h"
#include "page_table.h"
#include "sched.h"
#include "timer.h"
#include "files/regular.h"

#define TEXT_SIZE 1024 /* bytes of the longest text */
#define PID_SIZE  12
#define SELF      "self"
#define DECIMAL   10
#define USER_HZ   100 /* what Linux counts in here */
#define TICK_NS   (NANOSECONDS / USER_HZ)
#define KB        (PAGE_SIZE / 1024)

/* ---- texts --------------------------------------------------------------- */

static size_t meminfo_text(char *text, const struct proc *p)
{
	(void)p;
	return ksnprintf(text, TEXT_SIZE,
			 "MemTotal: %15lu kB\nMemFree: %16lu kB\n"
			 "MemAvailable: %11lu kB\nBuffers: %16lu kB\n"
			 "Cached: %17lu kB\nSwapTotal: %14lu kB\n"
			 "SwapFree: %15lu kB\n",
			 page_total() * KB, page_free_count() * KB,
			 page_free_count() * KB, 0ul, 0ul, 0ul, 0ul);
}

static uint64_t seconds(uint64_t ns)
{
	return ns / NANOSECONDS;
}

static uint64_t hundredths(uint64_t ns)
{
	return ns / TICK_NS % USER_HZ;
}

static uint64_t busy(void)
{
	uint64_t sum = 0;

	for_each_proc(p)
		sum += p->usage.user + p->usage.system;
	return sum;
}

static size_t uptime_text(char *text, const struct proc *p)
{
	uint64_t now = timer_now(), idle = per_cpu_data_ptr()->idle->usage.user;

	(void)p;
	idle += per_cpu_data_ptr()->idle->usage.system;
	return ksnprintf(text, TEXT_SIZE, "%lu.%02lu %lu.%02lu\n", seconds(now),
			 hundredths(now), seconds(idle), hundredths(idle));
}

/* Nobody keeps an average: how many could run at this moment. */
static size_t loadavg_text(char *text, const struct proc *p)
{
	int ready = 0, all = 0, last = 0;

	(void)p;
	for_each_proc(q) {
		all++;
		ready += q->state == PROC_RUNNABLE;
		last = q->pid > last ? q->pid : last;
	}
	return ksnprintf(text, TEXT_SIZE, "%d.00 %d.00 %d.00 %d/%d %d\n", ready,
			 ready, ready, ready, all, last);
}

static size_t cpu_text(char *text, const struct proc *p)
{
	uint64_t used = busy() / TICK_NS, all = timer_now() / TICK_NS;
	uint64_t idle = all > used ? all - used : 0;

	(void)p;
	return ksnprintf(text, TEXT_SIZE,
			 "cpu  %lu 0 0 %lu 0 0 0 0 0 0\n"
			 "cpu0 %lu 0 0 %lu 0 0 0 0 0 0\nbtime %lu\n",
			 used, idle, used, idle,
			 seconds(timer_unix_time() - timer_now()));
}

static size_t mounts_text(char *text, const struct proc *p)
{
	(void)p;
	return ksnprintf(text, TEXT_SIZE, "rootfs / tmpfs rw 0 0\n");
}

static char state_letter(const struct proc *p)
{
	static const char letters[] = {
		[PROC_NEW] = 'R',      [PROC_RUNNABLE] = 'R',
		[PROC_SLEEPING] = 'S', [PROC_ZOMBIE] = 'Z',
		[PROC_STOPPED] = 'T',
	};

	return letters[p->state];
}

/* Bytes of addresses, and pages that are there. */
static void count_memory(struct vm *vm, uint64_t *bytes, uint64_t *pages)
{
	*bytes = *pages = 0;
	if (!vm->pml4)
		return;
	for_each_area(area, &vm->areas) {
		uint64_t va = area->start, run_end, *entry;

		*bytes += area->end - area->start;
		while ((entry = table_next_run(vm->pml4, &va, area->end,
					       &run_end)))
			for (; va < run_end; va += PAGE_SIZE, entry++)
				*pages += *entry != 0;
	}
}

/* The fields that are always 0 are Linux's about faults, priorities, places. */
static size_t stat_text(char *text, const struct proc *p)
{
	uint64_t bytes, pages;
	size_t length;

	count_memory((struct vm *)&p->vm, &bytes, &pages);
	length = ksnprintf(text, TEXT_SIZE,
			   "%d (%s) %c %d %d %d 0 -1 0 0 0 0 0 %lu %lu %lu "
			   "%lu 20 0 1 0 0 %lu %lu",
			   p->pid, p->name, state_letter(p), p->parent->pid,
			   p->group, p->session, p->usage.user / TICK_NS,
			   p->usage.system / TICK_NS,
			   p->children_usage.user / TICK_NS,
			   p->children_usage.system / TICK_NS, bytes, pages);
	for (int field = 25; field <= 52; field++)
		length += ksnprintf(text + length, TEXT_SIZE - length, " 0");
	return length + ksnprintf(text + length, TEXT_SIZE - length, "\n");
}

static size_t comm_text(char *text, const struct proc *p)
{
	return ksnprintf(text, TEXT_SIZE, "%s\n", p->name);
}

/* What it was called with is the program's own by now; its name is known. */
static size_t cmdline_text(char *text, const struct proc *p)
{
	return p->state == PROC_ZOMBIE
		       ? 0
		       : ksnprintf(text, TEXT_SIZE, "%s", p->name) + 1;
}

static size_t status_text(char *text, const struct proc *p)
{
	uint64_t bytes, pages;

	count_memory((struct vm *)&p->vm, &bytes, &pages);
	return ksnprintf(text, TEXT_SIZE,
			 "Name:\t%s\nState:\t%c\nTgid:\t%d\nPid:\t%d\n"
			 "PPid:\t%d\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\n"
			 "VmSize:\t%lu kB\nVmRSS:\t%lu kB\nThreads:\t1\n"
			 "SigBlk:\t%016lx\n",
			 p->name, state_letter(p), p->pid, p->pid,
			 p->parent->pid, bytes / 1024, pages * KB,
			 p->signals.blocked);
}

/* ---- as files ------------------------------------------------------------ */

static int text_open(int flags)
{
	return flags & O_ACCMODE ? -EACCES : 0;
}

/* The inode of a process's file has its pid in the device's place. */
static long read_text(struct file *file, uint64_t buffer, size_t size,
		      size_t (*make)(char *text, const struct proc *p))
{
	static char text[TEXT_SIZE];
	int pid = file->node.inode->device;
	const struct proc *p = pid ? proc_find(pid) : NULL;
	size_t length;

	if (pid && !p)
		return -ESRCH;
	length = make(text, p);
	if (file->offset >= length)
		return 0;
	if (size > length - file->offset)
		size = length - file->offset;
	if (copyout(buffer, text + file->offset, size) < 0)
		return -EFAULT;
	file->offset += size;
	return size;
}

#define TEXT_FILE(linkage, name)                                          \
	static long name##_read(struct file *file, uint64_t buffer,       \
				size_t size)                              \
	{                                                                 \
		return read_text(file, buffer, size, name##_text);        \
	}                                                                 \
	linkage const struct file_ops name##_ops = { .open = text_open,   \
						     .read = name##_read, \
						     .seekable = true }

TEXT_FILE(, meminfo);
TEXT_FILE(, uptime);
TEXT_FILE(, loadavg);
TEXT_FILE(, cpu);
TEXT_FILE(, mounts);
TEXT_FILE(static, stat);
TEXT_FILE(static, comm);
TEXT_FILE(static, cmdline);
TEXT_FILE(static, status);

/* ---- directories --------------------------------------------------------- */

static const struct file_ops process_ops = {
	.open = directory_open,
	.read = directory_read,
	.list = directory_list,
	.seekable = true,
};

static const struct {
	const char *name;
	const struct file_ops *ops;
} process_files[] = {
	{ "stat", &stat_ops },
	{ "comm", &comm_ops },
	{ "cmdline", &cmdline_ops },
	{ "status", &status_ops },
};

/* Gives a new inode its name; the caller's hold on it goes. Where there is no
 * memory there is no name. */
static void add(struct inode *directory, const char *name, struct inode *inode)
{
	if (!inode)
		return;
	if (directory_add(directory, name, strlen(name), inode, true) == 0 &&
	    inode_is(inode, S_IFDIR)) {
		inode->links++;
		directory->links++;
	}
	inode_release(inode);
}

static void add_process(struct inode *proc, const char *name, int pid)
{
	struct inode *directory = directory_create(proc, 0555);

	if (!directory)
		return;
	directory->ops = &process_ops;
	for (size_t i = 0; i < sizeof(process_files) / sizeof(*process_files);
	     i++) {
		struct inode *file =
			inode_create(S_IFREG | 0444, process_files[i].ops);

		if (file)
			file->device = pid;
		add(directory, process_files[i].name, file);
	}
	add(proc, name, directory);
}

static void add_self(struct inode *proc)
{
	struct inode *self = inode_create(S_IFLNK | 0777, &regular_ops);
	char text[PID_SIZE];
	size_t length =
		ksnprintf(text, sizeof(text), "%d", proc_current()->pid);

	if (self && regular_put(self, 0, text, length) == 0)
		add(proc, SELF, self);
	else if (self)
		inode_release(self);
}

static void remove(struct inode *proc, struct entry *entry)
{
	struct inode *directory = entry->inode;

	if (inode_is(directory, S_IFDIR)) {
		while (directory->first)
			directory_remove(directory, directory->first);
		directory->links--;
		proc->links--;
	}
	directory_remove(proc, entry);
}

/* The number that a name of the directory's is, or 0. */
static int pid_of(const char *name, size_t length)
{
	int pid = 0;

	for (size_t i = 0; i < length && i < PID_SIZE - 3; i++) {
		if (name[i] < '0' || name[i] > '9')
			return 0;
		pid = pid * DECIMAL + name[i] - '0';
	}
	return pid;
}

static bool is_self(const char *name, size_t length)
{
	return length == strlen(SELF) && memcmp(name, SELF, length) == 0;
}

/* Does the link lead to who looks? What a path has found stays while it has to:
 * within one call nobody else begins or ends. */
static bool is_current(const struct inode *self)
{
	char text[PID_SIZE] = { 0 };
	size_t length = regular_copy(self, 0, text, sizeof(text));

	return pid_of(text, length) == proc_current()->pid;
}

/* Makes the directory what it should be at this moment. */
static void refresh(struct inode *proc)
{
	struct entry *entry, *next;
	char name[PID_SIZE];

	for (entry = proc->first; entry; entry = next) {
		int pid = pid_of(entry->name, entry->length);

		next = entry->next;
		if (pid ? !proc_find(pid)
			: is_self(entry->name, entry->length) &&
				    !is_current(entry->inode))
			remove(proc, entry);
	}
	if (!directory_find(proc, SELF, strlen(SELF)))
		add_self(proc);
	for_each_proc(p) {
		size_t length = ksnprintf(name, sizeof(name), "%d", p->pid);

		if (p->pid && !directory_find(proc, name, length))
			add_process(proc, name, p->pid);
	}
}

static void look_for(struct inode *proc, const char *name, size_t length)
{
	if (pid_of(name, length) || is_self(name, length))
		refresh(proc);
}

/* From its start on: who goes on in the midst of it sees it as it was. */
static long list(struct file *file, uint64_t buffer, size_t size)
{
	if (file->offset == 0)
		refresh(file->node.inode);
	return directory_list(file, buffer, size);
}

const struct file_ops processes_ops = {
	.open = directory_open,
	.read = directory_read,
	.list = list,
	.look_for = look_for,
	.seekable = true,
};
