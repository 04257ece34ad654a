/*
 * calls: which call, with which kind of argument, and what it may not do.
 */
#include "fuzz/fuzz.h"

#define SEND_MAX (1 << 20) /* bytes of one sendfile: it may be from zero */
#define F_SETFL  4

/*
 * The calls, and a letter for each argument: f file number, b buffer, s path,
 * w path in the playground, y target of a link, F flags of open, n size, a address
 * of a page, p protection, m mapping flags, i small number, o options, mostly none,
 * t time, T times of a timer, v table of pieces, l list of names, r result of pipe,
 * c child, k whom to signal, g signal, A what to do about one, S size of a set of
 * them, x code of arch_prctl.
 */
static const struct {
	long number;
	const char *shape;
} table[] = {
	{ SYS_read, "fbn" },
	{ SYS_write, "fbn" },
	{ SYS_open, "sFi" },
	{ SYS_close, "f" },
	{ SYS_fstat, "fb" },
	{ SYS_lseek, "fno" },
	{ SYS_mmap, "anpmfa" },
	{ SYS_mprotect, "anp" },
	{ SYS_munmap, "an" },
	{ SYS_mremap, "anno" },
	{ SYS_brk, "a" },
	{ SYS_rt_sigprocmask, "ibbS" },
	{ SYS_ioctl, "fnb" },
	{ SYS_writev, "fvi" },
	{ SYS_pipe, "r" },
	{ SYS_sched_yield, "" },
	{ SYS_dup, "f" },
	{ SYS_dup2, "ff" },
	{ SYS_nanosleep, "tb" },
	{ SYS_getpid, "" },
	{ SYS_fork, "" },
	{ SYS_vfork, "" },
	{ SYS_execve, "sll" },
	{ SYS_exit, "i" },
	{ SYS_wait4, "cbob" },
	{ SYS_uname, "b" },
	{ SYS_getcwd, "bn" },
	{ SYS_chdir, "s" },
	{ SYS_sysinfo, "b" },
	{ SYS_getppid, "" },
	{ SYS_arch_prctl, "xb" },
	{ SYS_gettid, "" },
	{ SYS_getdents64, "fbn" },
	{ SYS_set_tid_address, "b" },
	{ SYS_clock_gettime, "ob" },
	{ SYS_exit_group, "i" },
	{ SYS_openat, "fsFi" },
	{ SYS_newfstatat, "fsbo" },
	{ SYS_pipe2, "ro" },
	{ SYS_stat, "sb" },
	{ SYS_lstat, "sb" },
	{ SYS_access, "si" },
	{ SYS_readlink, "sbn" },
	{ SYS_statfs, "sb" },
	{ SYS_open, "wFi" },
	{ SYS_open, "wFi" },
	{ SYS_creat, "wi" },
	{ SYS_mkdir, "wi" },
	{ SYS_rmdir, "w" },
	{ SYS_unlink, "w" },
	{ SYS_link, "ww" },
	{ SYS_symlink, "yw" },
	{ SYS_rename, "ww" },
	{ SYS_renameat2, "fwfwo" },
	{ SYS_truncate, "wn" },
	{ SYS_ftruncate, "fn" },
	{ SYS_fsync, "f" },
	{ SYS_pread64, "fbnn" },
	{ SYS_pwrite64, "fbnn" },
	{ SYS_readv, "fvi" },
	{ SYS_sendfile, "ffbn" },
	{ SYS_sendfile, "ffon" },
	{ SYS_dup3, "ffF" },
	{ SYS_fcntl, "fiF" },
	{ SYS_kill, "kg" },
	{ SYS_rt_sigaction, "gAbS" },
	{ SYS_rt_sigpending, "bS" },
	{ SYS_sigaltstack, "bb" },
	{ SYS_alarm, "i" },
	{ SYS_setitimer, "oTb" },
	{ SYS_getitimer, "ob" },
};

static long argument(char shape, uint64_t *state)
{
	uint64_t r = random_next(state);

	if (r % 16 == 0 && shape != 't')
		return draw_wild(state);
	r /= 16;
	switch (shape) {
	case 'f':
		return (long)(r % 17) - 1;
	case 'b':
		return draw_buffer(state);
	case 's':
		return r % 8 ? (long)draw_path(state) : draw_buffer(state);
	case 'w':
		return (long)draw_playground_path(state);
	case 'y':
		return (long)draw_link_target(state);
	case 'F':
		return draw_open_flags(r);
	case 'n':
		return draw_size(state);
	case 'a':
		return draw_page(state);
	case 'p':
	case 'i':
		return (long)(r % 8);
	case 'm':
		return (long)(r & 0x33) | (r % 4 ? MAP_PRIVATE : 0);
	case 't':
		return draw_time(r);
	case 'v':
		return draw_pieces(r);
	case 'l':
		return draw_strings(r);
	case 'r':
		return result_buffer();
	case 'o':
		return r % 4 ? 0 : (long)(r / 4 % 8);
	case 'T':
		return draw_timer(r);
	case 'k':
		return r % 4 ? 0 : draw_wild(state);
	case 'g':
		return draw_signal(r);
	case 'A':
		return draw_action(r);
	case 'S':
		return r % 8 ? MASK_SIZE : (long)(r / 8 % 16);
	case 'c':
		return r % 2 ? -1 : (long)(r / 2 % 100);
	case 'x':
		return ARCH_SET_FS + (long)(r % 3);
	}
	return draw_wild(state);
}

static bool ends_worker(long number)
{
	return number == SYS_execve || number == SYS_exit ||
	       number == SYS_exit_group;
}

/* Take out of a call what would make it wait for ever, or take the worker's
 * own means away: the tickets, and code that stays as it was compiled. */
static void tame(struct call *call, const char *shape)
{
	long *a = call->arguments;

	for (size_t i = 0; i < 2; i++)
		if (shape[0] == 'f' && shape[i] == 'f' && (int)a[i] == TICKETS)
			a[i] = 3;
	if (call->number == SYS_pipe2)
		a[1] |= O_NONBLOCK;
	if (call->number == SYS_fcntl && (int)a[1] == F_SETFL)
		a[2] |= O_NONBLOCK;
	if (call->number == SYS_sendfile)
		a[3] %= SEND_MAX;
	if (call->number == SYS_mprotect && (char *)a[0] < AREA)
		a[2] &= ~PROT_WRITE;
	if (call->number == SYS_mmap && (char *)a[0] < AREA)
		a[3] &= ~MAP_FIXED;
	keep_files(call);
	keep_signals(call);
}

/* Calls that are not in the table: holes in the kernel's, and beyond it. Of
 * the small ones those of Linux that might be built one day and wait (select,
 * pause, futex and the like) are left out with their whole neighbourhood. */
static long unknown_number(uint64_t *state)
{
	uint64_t r = random_next(state);

	switch (r % 4) {
	case 0:
		return (long)(400 + r / 4 % 1000);
	case 1:
		return (long)((1 + r / 4 % 1000) << 32 | SYS_exit);
	case 2:
		return (long)(180 + r / 4 % 6);
	}
	return draw_wild(state) | 1L << 40;
}

void draw_call(struct call *call, unsigned long seed, unsigned long ticket)
{
	uint64_t state = seed * 0x100000001b3 + ticket;
	size_t i = random_next(&state) % COUNT(table);

	if (ends_worker(table[i].number) && random_next(&state) % 8)
		i = random_next(&state) % COUNT(table);
	if (ends_worker(table[i].number) && random_next(&state) % 4)
		i = 0;
	call->number = table[i].number;
	for (size_t n = 0; n < 6; n++)
		call->arguments[n] =
			n < strlen(table[i].shape)
				? argument(table[i].shape[n], &state)
				: draw_wild(&state);
	tame(call, table[i].shape);
	if (random_next(&state) % 16 == 0)
		call->number = unknown_number(&state);
}
