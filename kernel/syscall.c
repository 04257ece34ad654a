/*
 * syscall: the table, the handler that the entry stub calls, and the calls too
 * small for a room of their own.
 */
#include "syscall.h"

#include "errno.h"
#include "hooks.h"
#include "string.h"
#include "print.h"
#include "boot_info.h"
#include "per_cpu.h"
#include "user_copy.h"
#include "timer.h"
#include "alarm.h"
#include "clock.h"
#include "usage.h"
#include "identity.h"
#include "random.h"
#include "files/calls.h"
#include "files/sendfile.h"
#include "files/names.h"
#include "files/poll.h"
#include "files/select.h"
#include "files/attributes.h"
#include "files/path.h"
#include "exec.h"
#include "frame.h"
#include "fork.h"
#include "clone.h"
#include "futex.h"
#include "deliver.h"
#include "mmap.h"

#define WAIT_LINUX  0xe0000000 /* __WALL and others: about threads */
#define PR_SET_NAME 15
#define PR_GET_NAME 16
#define ROBUST_LIST 24 /* bytes of its head */
#define UTS_LENGTH  65 /* of each field of struct utsname */

static long sys_getpid(void)
{
	return proc_current()->pid;
}

static long sys_getppid(void)
{
	return proc_current()->parent->pid;
}

static long sys_sched_yield(void)
{
	yield();
	return 0;
}

static long sys_exit(int code)
{
	if (decode_call)
		decode_call(0);
	proc_exit(STATUS_EXITED(code));
}

static long sys_wait4(int pid, uint64_t user_status, int options,
		      uint64_t user_usage)
{
	struct proc_news news;
	long result;

	if (options & ~(WNOHANG | WUNTRACED | WCONTINUED | WAIT_LINUX))
		return -EINVAL;
	if (pid == INT32_MIN)
		return -ESRCH; /* it has no negative */
	result = proc_wait(pid, &news, options);
	if (result > 0 && user_usage && usage_give(user_usage, &news.usage) < 0)
		return -EFAULT;
	if (result > 0 && user_status &&
	    copyout(user_status, &news.status, sizeof(news.status)) < 0)
		return -EFAULT;
	return result;
}

static long sys_uname(uint64_t result)
{
	static const char names[][UTS_LENGTH] = { "Threshold", "threshold",
						  "1.0",       "lab kernel",
						  "x86_64",    "" };

	return copyout(result, names, sizeof(names));
}

static long sys_sysinfo(uint64_t result)
{
	struct {
		int64_t uptime;
		uint64_t loads[3], total, free, shared, buffers;
		uint64_t swap_total, swap_free;
		uint16_t processes, pad[3];
		uint64_t high_total, high_free;
		uint32_t unit, pad2;
	} info = {
		.uptime = timer_now() / NANOSECONDS,
		.total = page_total() * PAGE_SIZE,
		.free = page_free_count() * PAGE_SIZE,
		.unit = 1,
	};

	for_each_proc(p)
		info.processes++;
	return copyout(result, &info, sizeof(info));
}

/* The name, and nothing else of what Linux has here. */
static long sys_prctl(int option, uint64_t address)
{
	struct proc *p = proc_current();
	char name[NAME_SIZE] = { 0 };
	long length;

	if (option == PR_GET_NAME) {
		strlcpy(name, p->name, sizeof(name));
		return copyout(address, name, sizeof(name));
	}
	if (option != PR_SET_NAME)
		return -EINVAL;
	length = copyinstr(name, address, sizeof(name));
	if (length < 0 && length != -ENAMETOOLONG)
		return length;
	name[NAME_SIZE - 1] = 0;
	strlcpy(p->name, name, sizeof(p->name));
	return 0;
}

/* For threads that die with a lock in their hands. There are no threads. */
static long sys_set_robust_list(uint64_t head, size_t size)
{
	(void)head;
	return size == ROBUST_LIST ? 0 : -EINVAL;
}

/* In ring 0 the MSR named KERNEL_GS_BASE holds the user's. */
static long sys_arch_prctl(int code, uint64_t address)
{
	bool is_fs = code == ARCH_SET_FS || code == ARCH_GET_FS;
	uint32_t msr = is_fs ? MSR_FS_BASE : MSR_KERNEL_GS_BASE;
	uint64_t base;

	switch (code) {
	case ARCH_SET_FS:
	case ARCH_SET_GS:
		if (address >= USER_END)
			return -EPERM;
		wrmsr(msr, address);
		return 0;
	case ARCH_GET_FS:
	case ARCH_GET_GS:
		base = rdmsr(msr);
		return copyout(address, &base, sizeof(base));
	}
	return -EINVAL;
}

/* Carries out call number nr: each function takes as many of the six arguments
 * as it has parameters. */
static inline __attribute__((always_inline)) long dispatch(int nr, long a1,
							   long a2, long a3,
							   long a4, long a5,
							   long a6)
{
	switch (nr) {
	case SYS_read:
		return sys_read(a1, a2, a3);
	case SYS_write:
		return sys_write(a1, a2, a3);
	case SYS_open:
		return sys_openat(AT_FDCWD, a1, a2, a3);
	case SYS_close:
		return sys_close(a1);
	case SYS_stat:
		return sys_newfstatat(AT_FDCWD, a1, a2, 0);
	case SYS_fstat:
		return sys_fstat(a1, a2);
	case SYS_lstat:
		return sys_newfstatat(AT_FDCWD, a1, a2, AT_SYMLINK_NOFOLLOW);
	case SYS_poll:
		return sys_poll(a1, a2, a3);
	case SYS_lseek:
		return sys_lseek(a1, a2, a3);
	case SYS_mmap:
		return sys_mmap(a1, a2, a3, a4, a5, a6);
	case SYS_mprotect:
		return sys_mprotect(a1, a2, a3);
	case SYS_munmap:
		return sys_munmap(a1, a2);
	case SYS_brk:
		return sys_brk(a1);
	case SYS_rt_sigaction:
		return sys_rt_sigaction(a1, a2, a3, a4);
	case SYS_rt_sigprocmask:
		return sys_rt_sigprocmask(a1, a2, a3, a4);
	case SYS_rt_sigreturn:
		return sys_rt_sigreturn();
	case SYS_ioctl:
		return sys_ioctl(a1, a2, a3);
	case SYS_pread64:
		return sys_pread64(a1, a2, a3, a4);
	case SYS_pwrite64:
		return sys_pwrite64(a1, a2, a3, a4);
	case SYS_readv:
		return sys_readv(a1, a2, a3);
	case SYS_writev:
		return sys_writev(a1, a2, a3);
	case SYS_access:
		return sys_faccessat(AT_FDCWD, a1, a2);
	case SYS_pipe:
		return sys_pipe(a1);
	case SYS_select:
		return sys_select(a1, a2, a3, a4, a5);
	case SYS_sched_yield:
		return sys_sched_yield();
	case SYS_mremap:
		return sys_mremap(a1, a2, a3, a4);
	case SYS_msync:
		return sys_msync(a1, a2, a3);
	case SYS_madvise:
		return sys_madvise(a1, a2, a3);
	case SYS_dup:
		return sys_dup(a1);
	case SYS_dup2:
		return sys_dup2(a1, a2);
	case SYS_pause:
		return sys_pause();
	case SYS_nanosleep:
		return sys_nanosleep(a1, a2);
	case SYS_getitimer:
		return sys_getitimer(a1, a2);
	case SYS_alarm:
		return sys_alarm(a1);
	case SYS_setitimer:
		return sys_setitimer(a1, a2, a3);
	case SYS_getpid:
		return sys_getpid();
	case SYS_sendfile:
		return sys_sendfile(a1, a2, a3, a4);
	case SYS_clone:
		return sys_clone(a1, a2, a3, a4, a5);
	case SYS_fork:
		return fork();
	case SYS_vfork:
		return sys_vfork();
	case SYS_execve:
		return sys_execve(a1, a2, a3);
	case SYS_exit:
		return sys_exit(a1);
	case SYS_wait4:
		return sys_wait4(a1, a2, a3, a4);
	case SYS_kill:
		return sys_kill(a1, a2);
	case SYS_uname:
		return sys_uname(a1);
	case SYS_fcntl:
		return sys_fcntl(a1, a2, a3);
	case SYS_fsync:
		return sys_fsync(a1);
	case SYS_fdatasync:
		return sys_fsync(a1);
	case SYS_truncate:
		return sys_truncate(a1, a2);
	case SYS_ftruncate:
		return sys_ftruncate(a1, a2);
	case SYS_getcwd:
		return sys_getcwd(a1, a2);
	case SYS_chdir:
		return sys_chdir(a1);
	case SYS_fchdir:
		return sys_fchdir(a1);
	case SYS_rename:
		return sys_renameat(AT_FDCWD, a1, AT_FDCWD, a2);
	case SYS_mkdir:
		return sys_mkdirat(AT_FDCWD, a1, a2);
	case SYS_rmdir:
		return sys_unlinkat(AT_FDCWD, a1, AT_REMOVEDIR);
	case SYS_creat:
		return sys_openat(AT_FDCWD, a1, O_CREAT | O_WRONLY | O_TRUNC,
				  a2);
	case SYS_link:
		return sys_linkat(AT_FDCWD, a1, AT_FDCWD, a2, 0);
	case SYS_unlink:
		return sys_unlinkat(AT_FDCWD, a1, 0);
	case SYS_symlink:
		return sys_symlinkat(a1, AT_FDCWD, a2);
	case SYS_readlink:
		return sys_readlinkat(AT_FDCWD, a1, a2, a3);
	case SYS_chmod:
		return sys_fchmodat(AT_FDCWD, a1, a2);
	case SYS_fchmod:
		return sys_fchmod(a1, a2);
	case SYS_chown:
		return sys_fchownat(AT_FDCWD, a1, a2, a3, 0);
	case SYS_fchown:
		return sys_fchown(a1, a2, a3);
	case SYS_lchown:
		return sys_fchownat(AT_FDCWD, a1, a2, a3, AT_SYMLINK_NOFOLLOW);
	case SYS_umask:
		return sys_umask(a1);
	case SYS_gettimeofday:
		return sys_gettimeofday(a1, a2);
	case SYS_getrlimit:
		return sys_getrlimit(a1, a2);
	case SYS_getrusage:
		return sys_getrusage(a1, a2);
	case SYS_sysinfo:
		return sys_sysinfo(a1);
	case SYS_times:
		return sys_times(a1);
	case SYS_getuid:
		return sys_getid();
	case SYS_getgid:
		return sys_getid();
	case SYS_setuid:
		return sys_setid(a1);
	case SYS_setgid:
		return sys_setid(a1);
	case SYS_geteuid:
		return sys_getid();
	case SYS_getegid:
		return sys_getid();
	case SYS_setpgid:
		return sys_setpgid(a1, a2);
	case SYS_getppid:
		return sys_getppid();
	case SYS_getpgrp:
		return sys_getpgid(0);
	case SYS_setsid:
		return sys_setsid();
	case SYS_setreuid:
		return sys_setreid(a1, a2);
	case SYS_setregid:
		return sys_setreid(a1, a2);
	case SYS_getgroups:
		return sys_getgroups(a1, a2);
	case SYS_setgroups:
		return sys_setgroups(a1, a2);
	case SYS_setresuid:
		return sys_setresid(a1, a2, a3);
	case SYS_getresuid:
		return sys_getresid(a1, a2, a3);
	case SYS_setresgid:
		return sys_setresid(a1, a2, a3);
	case SYS_getresgid:
		return sys_getresid(a1, a2, a3);
	case SYS_getpgid:
		return sys_getpgid(a1);
	case SYS_getsid:
		return sys_getsid(a1);
	case SYS_rt_sigpending:
		return sys_rt_sigpending(a1, a2);
	case SYS_rt_sigsuspend:
		return sys_rt_sigsuspend(a1, a2);
	case SYS_sigaltstack:
		return sys_sigaltstack(a1, a2, get_saved_user_rsp());
	case SYS_statfs:
		return sys_statfs(a1, a2);
	case SYS_fstatfs:
		return sys_fstatfs(a1, a2);
	case SYS_prctl:
		return sys_prctl(a1, a2);
	case SYS_arch_prctl:
		return sys_arch_prctl(a1, a2);
	case SYS_setrlimit:
		return sys_setrlimit(a1, a2);
	case SYS_sync:
		return 0;
	case SYS_gettid:
		return sys_getpid();
	case SYS_tkill:
		return sys_tkill(a1, a2);
	case SYS_time:
		return sys_time(a1);
	case SYS_futex:
		return sys_futex(a1, a2, a3, a4);
	case SYS_getdents64:
		return sys_getdents64(a1, a2, a3);
	case SYS_set_tid_address:
		return sys_getpid();
	case SYS_clock_gettime:
		return sys_clock_gettime(a1, a2);
	case SYS_clock_getres:
		return sys_clock_getres(a1, a2);
	case SYS_clock_nanosleep:
		return sys_clock_nanosleep(a1, a2, a3, a4);
	case SYS_exit_group:
		return sys_exit(a1);
	case SYS_tgkill:
		return sys_tgkill(a1, a2, a3);
	case SYS_openat:
		return sys_openat(a1, a2, a3, a4);
	case SYS_mkdirat:
		return sys_mkdirat(a1, a2, a3);
	case SYS_fchownat:
		return sys_fchownat(a1, a2, a3, a4, a5);
	case SYS_newfstatat:
		return sys_newfstatat(a1, a2, a3, a4);
	case SYS_unlinkat:
		return sys_unlinkat(a1, a2, a3);
	case SYS_renameat:
		return sys_renameat(a1, a2, a3, a4);
	case SYS_linkat:
		return sys_linkat(a1, a2, a3, a4, a5);
	case SYS_symlinkat:
		return sys_symlinkat(a1, a2, a3);
	case SYS_readlinkat:
		return sys_readlinkat(a1, a2, a3, a4);
	case SYS_fchmodat:
		return sys_fchmodat(a1, a2, a3);
	case SYS_faccessat:
		return sys_faccessat(a1, a2, a3);
	case SYS_set_robust_list:
		return sys_set_robust_list(a1, a2);
	case SYS_pselect6:
		return sys_pselect6(a1, a2, a3, a4, a5, a6);
	case SYS_ppoll:
		return sys_ppoll(a1, a2, a3, a4, a5);
	case SYS_utimensat:
		return sys_utimensat(a1, a2, a3, a4);
	case SYS_dup3:
		return sys_dup3(a1, a2, a3);
	case SYS_pipe2:
		return sys_pipe2(a1, a2);
	case SYS_prlimit64:
		return sys_prlimit64(a1, a2, a3, a4);
	case SYS_renameat2:
		return sys_renameat2(a1, a2, a3, a4, a5);
	case SYS_getrandom:
		return sys_getrandom(a1, a2, a3);
	case SYS_faccessat2:
		return sys_faccessat2(a1, a2, a3, a4);
	}
	return -ENOSYS;
}

/* A call says so only to deliver.c; no other result is so low. */
static inline bool is_interrupted(long result)
{
	return result <= -ERESTART;
}

/* SYSRET to an address that is not canonical would fault in ring 0 with the
 * user's RSP. No program runs so high that its next RIP could be one; a RIP
 * that the kernel has put into the frame could. */
static inline bool returns_to_user_space(const void *frame)
{
	return *(const uint64_t *)(frame + FRAME_RCX) < USER_END + PAGE_SIZE;
}

/* strace=1: the challenge's line, or decode/'s. */
static void tell(long result)
{
	if (strace)
		strace(result);
	else if (decode_call)
		decode_call(result);
}

long syscall_handler(int nr, long a1, long a2, long a3, long a4, long a5,
		     long a6)
{
	struct proc *p = proc_current();
	long result;
	void *frame;

	p->in_syscall = true;
	p->syscall_nr = nr;
	result = dispatch(nr, a1, a2, a3, a4, a5, a6);
	if (boot_info.strace)
		tell(result);
	if (signal_waits(p) || is_interrupted(result))
		result = deliver_after_call(result);
	frame = get_syscall_frame();
	if (frame && !returns_to_user_space(frame)) {
		kprintf("%s[%d]: a call would return outside user space\n",
			p->name, p->pid);
		proc_exit(STATUS_KILLED(SIGSEGV));
	}
	p->in_syscall = false;
	return result;
}
