/*
 * Signals: who gets which, when, with what, and what is left of a call. Prints
 * what Linux prints.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static volatile sig_atomic_t count, last, last_code, last_is_mine, depth,
	deepest;
static void *volatile last_address;
static sigjmp_buf after_fault;

static void say(const char *what, long value)
{
	printf("%-44s %ld\n", what, value);
}

static void note(int sig, siginfo_t *info, void *context)
{
	(void)context;
	if (++depth > deepest)
		deepest = depth;
	count++;
	last = sig;
	last_code = info->si_code;
	last_is_mine = info->si_pid == getpid();
	last_address = info->si_addr;
	depth--;
}

static void handle(int sig, void (*handler)(int, siginfo_t *, void *),
		   int flags)
{
	struct sigaction action = { .sa_sigaction = handler,
				    .sa_flags = SA_SIGINFO | flags };

	sigaction(sig, &action, NULL);
}

static int status_of_child(void (*body)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		body();
		_exit(77);
	}
	waitpid(pid, &status, 0);
	return status & ~0x80; /* no matter whether Linux wrote a core */
}

/* ---- who may say what ---- */

static void actions(void)
{
	struct sigaction old, action = { .sa_handler = SIG_IGN };
	sigset_t set;
	char words[32];

	for (int sig = 0; sig <= 65; sig++)
		if (syscall(SYS_rt_sigaction, sig, &action, NULL, 8) < 0)
			printf("sigaction %d: %s\n", sig, strerror(errno));
	for (int sig = 1; sig <= 64; sig++) {
		action.sa_handler = SIG_DFL;
		syscall(SYS_rt_sigaction, sig, &action, NULL, 8);
	}
	say("size 4", syscall(SYS_rt_sigaction, SIGUSR1, NULL, words, 4));
	say("bad new", syscall(SYS_rt_sigaction, SIGUSR1, 8, NULL, 8));
	say("bad old", syscall(SYS_rt_sigaction, SIGUSR1, NULL, 8, 8));
	handle(SIGUSR1, note, SA_RESTART | SA_NODEFER);
	sigaction(SIGUSR1, NULL, &old);
	say("flags come back", (old.sa_flags & ~0x04000000) ==
				       (SA_SIGINFO | SA_RESTART | SA_NODEFER));
	say("handler comes back", old.sa_sigaction == note);
	sigfillset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	sigprocmask(SIG_SETMASK, NULL, &set);
	say("KILL can be blocked", sigismember(&set, SIGKILL));
	say("STOP can be blocked", sigismember(&set, SIGSTOP));
	say("TERM can be blocked", sigismember(&set, SIGTERM));
	sigemptyset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	say("how 99", sigprocmask(99, &set, NULL));
	say("how 99 without a set", sigprocmask(99, NULL, &set));
}

static void kills(void)
{
	say("kill 0", kill(getpid(), 0));
	say("kill 65", kill(getpid(), 65));
	say("  error", errno);
	say("kill nobody", kill(99999, SIGTERM));
	say("  error", errno);
	say("tgkill wrong", syscall(SYS_tgkill, getpid(), getpid() + 1000, 0));
	say("  error", errno);
	say("tgkill -1", syscall(SYS_tgkill, -1, getpid(), 0));
	say("  error", errno);
	handle(SIGUSR1, note, 0);
	kill(getpid(), SIGUSR1);
	say("kill: count", count);
	say("kill: code", last_code);
	say("kill: from me", last_is_mine);
	raise(SIGUSR1);
	say("raise: code", last_code);
	kill(0, SIGUSR1);
	say("the group: count", count);
}

/* ---- blocking ---- */

static void blocking(void)
{
	sigset_t set, pending, empty;

	count = 0;
	sigemptyset(&empty);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	handle(SIGUSR1, note, 0);
	handle(SIGUSR2, note, 0);
	sigprocmask(SIG_BLOCK, &set, NULL);
	kill(getpid(), SIGUSR2);
	kill(getpid(), SIGUSR1);
	kill(getpid(), SIGUSR1);
	say("blocked: count", count);
	sigpending(&pending);
	say("USR1 pending", sigismember(&pending, SIGUSR1));
	say("TERM pending", sigismember(&pending, SIGTERM));
	say("suspend", sigsuspend(&empty));
	say("  error", errno);
	say("suspend: count", count);
	sigprocmask(SIG_SETMASK, NULL, &set);
	say("the mask is back", sigismember(&set, SIGUSR1));
	kill(getpid(), SIGUSR1);
	signal(SIGUSR1, SIG_IGN);
	sigpending(&pending);
	say("ignored, pending", sigismember(&pending, SIGUSR1));
	sigprocmask(SIG_SETMASK, &empty, NULL);
	say("in the end: count", count);
}

static void inner(int sig, siginfo_t *info, void *context)
{
	static int again;

	note(sig, info, context);
	depth++;
	if (depth > deepest)
		deepest = depth;
	if (again++ < 2)
		raise(sig);
	depth--;
}

static void nesting(void)
{
	handle(SIGUSR1, inner, SA_NODEFER);
	count = deepest = 0;
	raise(SIGUSR1);
	say("nodefer: count", count);
	say("nodefer: deepest", deepest);
	handle(SIGUSR1, note, SA_RESETHAND);
	raise(SIGUSR1);
	struct sigaction now;
	sigaction(SIGUSR1, NULL, &now);
	say("resethand: default", now.sa_handler == SIG_DFL);
}

/* ---- calls cut short ---- */

static void in_a_child(pid_t parent, int sig, long ms, int to)
{
	if (fork())
		return;
	usleep(ms * 1000);
	kill(parent, sig);
	usleep(ms * 1000);
	if (to >= 0)
		write(to, "x", 1);
	_exit(0);
}

static void interrupted(void)
{
	int ends[2], flags[] = { 0, SA_RESTART };
	char c;

	pipe(ends);
	for (int i = 0; i < 2; i++) {
		handle(SIGUSR1, note, flags[i]);
		errno = 0;
		in_a_child(getpid(), SIGUSR1, 60, ends[1]);
		say(i ? "read, restart" : "read, no restart",
		    read(ends[0], &c, 1));
		say("  error", errno);
		if (i == 0)
			read(ends[0], &c, 1);
		while (wait(NULL) < 0 && errno == EINTR)
			;
		struct timespec want = { 1, 0 }, left = { 9, 0 };
		in_a_child(getpid(), SIGUSR1, 60, -1);
		errno = 0;
		say("nanosleep", nanosleep(&want, &left));
		say("  error", errno);
		say("  less is left", left.tv_sec == 0 && left.tv_nsec > 0);
		while (wait(NULL) < 0 && errno == EINTR)
			;
		in_a_child(getpid(), SIGUSR1, 60, -1);
		errno = 0;
		say("wait", wait(NULL) > 0);
		say("  error", errno);
		while (wait(NULL) > 0)
			;
	}
	signal(SIGUSR1, SIG_IGN);
	in_a_child(getpid(), SIGUSR1, 60, ends[1]);
	say("read, ignored", read(ends[0], &c, 1));
	wait(NULL);
	signal(SIGALRM, SIG_DFL);
	handle(SIGALRM, note, 0);
	struct itimerval in = { .it_value = { 0, 50000 } }, now;
	setitimer(ITIMER_REAL, &in, NULL);
	getitimer(ITIMER_REAL, &now);
	say("the timer runs", now.it_value.tv_usec > 0);
	say("pause", pause());
	say("  error", errno);
	say("  signal", last);
	say("alarm", alarm(10));
	say("alarm again", alarm(0));
	in.it_value.tv_usec = 20000;
	in.it_interval.tv_usec = 20000;
	count = 0;
	setitimer(ITIMER_REAL, &in, NULL);
	while (count < 3)
		pause();
	in.it_value.tv_usec = in.it_interval.tv_usec = 0;
	setitimer(ITIMER_REAL, &in, NULL);
	say("three alarms", count);
	in.it_value.tv_usec = 1000000;
	say("a whole second of microseconds",
	    setitimer(ITIMER_REAL, &in, NULL));
}

/* ---- faults ---- */

static void fault(int sig, siginfo_t *info, void *context)
{
	(void)context;
	last = sig;
	last_code = info->si_code;
	last_address = info->si_addr;
	siglongjmp(after_fault, 1);
}

static void try_fault(const char *what, void (*body)(void), void *address)
{
	last = 0;
	if (sigsetjmp(after_fault, 1) == 0)
		body();
	printf("%-20s signal %d code %d address %s\n", what, last, last_code,
	       last_address == address ? "right" : "other");
}

static char *page;
static volatile char *volatile null = (char *)16; /* GCC must not know */
static void read_null(void)
{
	(void)*null;
}
static void write_page(void)
{
	*(volatile char *)(page + 5) = 1;
}
static void jump(void)
{
	((void (*)(void))page)();
}
static void noncanonical(void)
{
	(void)*(volatile char *)0x8000000000000000;
}
static void illegal(void)
{
	asm volatile("ud2");
}
static void breakpoint(void)
{
	asm volatile("int3");
}
static void halt(void)
{
	asm volatile("hlt");
}
static void divide(void)
{
	volatile int zero = 0;
	volatile int x = 1 / zero;
	(void)x;
}

static void emulate(int sig, siginfo_t *info, void *context)
{
	ucontext_t *c = context;

	(void)info;
	last = sig;
	c->uc_mcontext.gregs[REG_RIP] += 2; /* over the UD2 */
	c->uc_mcontext.gregs[REG_RAX] = 42;
}

static void faults(void)
{
	int signals[] = { SIGSEGV, SIGILL, SIGFPE, SIGTRAP, SIGBUS };
	long value = 1;

	for (int i = 0; i < 5; i++)
		handle(signals[i], fault, 0);
	page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	try_fault("null", read_null, (void *)16);
	try_fault("read-only", write_page, page + 5);
	try_fault("no code", jump, page);
	try_fault("not canonical", noncanonical, NULL);
	try_fault("illegal", illegal, illegal);
	try_fault("int3", breakpoint, NULL);
	try_fault("hlt", halt, NULL);
	try_fault("divide", divide, last_address);
	try_fault("once more", divide, last_address);
	handle(SIGILL, emulate, 0);
	asm volatile("ud2" : "+a"(value) : : "memory");
	say("the handler mended it", value);
	for (int i = 0; i < 5; i++)
		signal(signals[i], SIG_DFL);
}

/* ---- registers ---- */

static volatile sig_atomic_t ticks;

static void spoil(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	(void)context;
	ticks++;
	asm volatile("pcmpeqd %%xmm0, %%xmm0\n\tpcmpeqd %%xmm7, %%xmm7\n\t"
		     "fninit\n\tfld1\n\tstd\n\tcld"
		     :
		     :
		     : "xmm0", "xmm7", "rcx", "r11", "rbx", "r12", "st",
		       "memory");
}

/* Spins while the alarm rings, with a value in every register that a call
 * would lose, and in the red zone. Returns what was wrong. */
static long spin(void)
{
	long wrong = 0;
	double sum = 0;

	for (long i = 0; ticks < 5; i++) {
		long bad;

		asm volatile("movq %[i], %%rcx\n\t"
			     "movq %[i], %%r11\n\t"
			     "movq %[i], %%r10\n\t"
			     "movq %[i], %%r8\n\t"
			     "movq %[i], -64(%%rsp)\n\t"
			     "movq %[i], %%xmm7\n\t"
			     "stc\n\t"
			     "1: movl $2000, %%eax\n\t"
			     "2: decl %%eax\n\t"
			     "jnz 2b\n\t"
			     "movl $0, %%eax\n\t"
			     "adcl $0, %%eax\n\t"
			     "xorl $1, %%eax\n\t"
			     "movq %%xmm7, %%rdx\n\t"
			     "subq %[i], %%rdx\n\t"
			     "orq %%rdx, %%rax\n\t"
			     "subq %[i], %%rcx\n\t"
			     "orq %%rcx, %%rax\n\t"
			     "subq %[i], %%r11\n\t"
			     "orq %%r11, %%rax\n\t"
			     "subq %[i], %%r10\n\t"
			     "orq %%r10, %%rax\n\t"
			     "subq %[i], %%r8\n\t"
			     "orq %%r8, %%rax\n\t"
			     "subq -64(%%rsp), %[i]\n\t"
			     "orq %[i], %%rax"
			     : "=&a"(bad), [i] "+r"(i)
			     :
			     : "rcx", "rdx", "r8", "r10", "r11", "xmm7",
			       "memory", "cc");
		wrong |= bad;
		i = ticks * 1000 + 7;
		sum += 0.5;
		if (sum - (long)(sum * 2) * 0.5 != 0)
			wrong |= 2;
	}
	return wrong;
}

static void registers(void)
{
	struct itimerval every = { { 0, 10000 }, { 0, 10000 } };

	handle(SIGALRM, spoil, SA_RESTART);
	setitimer(ITIMER_REAL, &every, NULL);
	say("every register survives", spin() == 0);
	memset(&every, 0, sizeof(every));
	setitimer(ITIMER_REAL, &every, NULL);
}

/* ---- the other stack ---- */

static char other_stack[32768];
static volatile uintptr_t handler_rsp;
static volatile int stack_flags, is_aligned;

static void where(int sig, siginfo_t *info, void *context)
{
	stack_t now;
	char local;

	(void)sig;
	(void)info;
	handler_rsp = (uintptr_t)&local;
	is_aligned = (uintptr_t)__builtin_frame_address(0) % 16 == 0;
	sigaltstack(NULL, &now);
	stack_flags = now.ss_flags;
	last = ((ucontext_t *)context)->uc_stack.ss_flags;
}

static volatile char *volatile grow;
static int deep(int n)
{
	volatile char room[4096];

	room[0] = n;
	grow = room;
	return n <= 0 ? room[0] : deep(n + 1) + room[0];
}

static void overflow_fault(int sig)
{
	printf("the stack is full: signal %d, on the other one %d\n", sig,
	       (char *)&sig >= other_stack &&
		       (char *)&sig < other_stack + sizeof(other_stack));
	_exit(5);
}

static void overflow(void)
{
	struct sigaction action = { .sa_handler = overflow_fault,
				    .sa_flags = SA_ONSTACK };

	sigaction(SIGSEGV, &action, NULL);
	deep(1);
}

static void overflow_without(void)
{
	struct sigaction action = { .sa_handler = overflow_fault };

	sigaction(SIGSEGV, &action, NULL);
	deep(1);
}

static void stacks(void)
{
	stack_t stack = { .ss_sp = other_stack, .ss_size = 100 }, old;

	say("too small", sigaltstack(&stack, NULL));
	say("  error", errno);
	stack.ss_size = sizeof(other_stack);
	stack.ss_flags = 8;
	say("bad flags", sigaltstack(&stack, NULL));
	say("  error", errno);
	stack.ss_flags = 0;
	sigaltstack(NULL, &old);
	say("disabled at first", old.ss_flags);
	say("set", sigaltstack(&stack, NULL));
	handle(SIGUSR1, where, SA_ONSTACK);
	raise(SIGUSR1);
	say("on the stack",
	    handler_rsp - (uintptr_t)other_stack < sizeof(other_stack));
	say("  it says so", stack_flags);
	say("  the context does not", last);
	say("  aligned", is_aligned);
	handle(SIGUSR1, where, 0);
	raise(SIGUSR1);
	say("on the ordinary one",
	    handler_rsp - (uintptr_t)other_stack >= sizeof(other_stack));
	say("  aligned", is_aligned);
	printf("status %04x\n", status_of_child(overflow));
	printf("status %04x\n", status_of_child(overflow_without));
}

/* ---- ends ---- */

static void die_by_pipe(void)
{
	int ends[2];

	pipe(ends);
	close(ends[0]);
	write(ends[1], "x", 1);
}

static void blocked_fault(void)
{
	sigset_t set;

	handle(SIGSEGV, note, 0);
	sigfillset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	read_null();
}

static void ignored_fault(void)
{
	signal(SIGSEGV, SIG_IGN);
	read_null();
}

static void bad_sigreturn(void)
{
	asm volatile("movl $15, %%eax\n\tmovq $64, %%rsp\n\tsyscall"
		     :
		     :
		     : "memory");
}

static void wild_handler(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] = 1L << 62;
}

static void wild_return(void)
{
	handle(SIGUSR1, wild_handler, 0);
	raise(SIGUSR1);
}

static void kernel_flags(int sig, siginfo_t *info, void *context)
{
	greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)sig;
	(void)info;
	g[REG_EFL] = -1L & ~0x100; /* IOPL, NT, and IF clear or not */
}

static void flags_stay(void)
{
	unsigned long flags;

	handle(SIGUSR1, kernel_flags, 0);
	syscall(SYS_kill, getpid(), SIGUSR1);
	asm volatile("pushfq\n\tpopq %0\n\tpushq $2\n\tpopfq\n\tcld"
		     : "=r"(flags));
	printf("IOPL and NT: %lx, IF: %lx\n", flags & 0x7000, flags & 0x200);
}

static void wild_handler_address(void)
{
	signal(SIGUSR1, (void (*)(int))(1L << 62));
	raise(SIGUSR1);
}

static void ends(void)
{
	static const int signals[] = { 1,  2,  3,  4,  5,  6,  7,  8,  9,  10,
				       11, 12, 13, 14, 15, 16, 17, 18, 23, 24,
				       25, 26, 27, 28, 29, 30, 31, 33, 34, 64 };

	for (unsigned i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
		int status;
		pid_t pid = fork();

		if (pid == 0) {
			struct sigaction none = { .sa_handler = SIG_DFL };

			syscall(SYS_rt_sigaction, signals[i], &none, NULL, 8);
			kill(getpid(), signals[i]);
			_exit(77);
		}
		waitpid(pid, &status, 0);
		printf("default of %d: %04x\n", signals[i], status & ~0x80);
	}
	printf("pipe: %04x\n", status_of_child(die_by_pipe));
	printf("blocked fault: %04x\n", status_of_child(blocked_fault));
	printf("ignored fault: %04x\n", status_of_child(ignored_fault));
	printf("bad sigreturn: %04x\n", status_of_child(bad_sigreturn));
	printf("wild return: %04x\n", status_of_child(wild_return));
	printf("wild handler: %04x\n", status_of_child(wild_handler_address));
	signal(SIGPIPE, SIG_IGN);
	die_by_pipe();
	say("ignored pipe: error", errno);
	signal(SIGPIPE, SIG_DFL);
	status_of_child(flags_stay);
}

/* ---- children ---- */

static volatile int child_pid, child_status, child_code;

static void child_news(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	count++;
	child_pid = info->si_pid;
	child_status = info->si_status;
	child_code = info->si_code;
}

static void run_for_ever(void)
{
	for (;;)
		pause();
}

/* And waits until the handler has run, which may be later. */
static void wait_for(pid_t pid, int options, const char *what, int code)
{
	int status = -1;
	pid_t found = waitpid(pid, &status, options);

	while (code && child_code != code)
		usleep(1000);
	printf("%-20s %s status %04x code %d value %d\n", what,
	       found == pid ? "the child"
	       : found == 0 ? "nothing"
			    : "error",
	       status & 0xffff, child_code, child_status);
}

static void children(void)
{
	sigset_t chld, old;
	pid_t pid;

	count = 0;
	sigemptyset(&chld);
	handle(SIGCHLD, child_news, SA_RESTART);
	pid = fork();
	if (pid == 0)
		_exit(3);
	wait_for(pid, 0, "exit 3", CLD_EXITED);
	say("  the child's pid", child_pid == pid);
	pid = fork();
	if (pid == 0)
		run_for_ever();
	kill(pid, SIGSTOP);
	wait_for(pid, WUNTRACED, "stopped", CLD_STOPPED);
	wait_for(pid, WNOHANG | WUNTRACED, "not twice", 0);
	kill(pid, SIGCONT);
	wait_for(pid, WCONTINUED, "went on", CLD_CONTINUED);
	kill(pid, SIGSTOP);
	wait_for(pid, WUNTRACED, "stopped again", CLD_STOPPED);
	kill(pid, SIGTERM);
	wait_for(pid, WNOHANG | WCONTINUED, "TERM waits", 0);
	kill(pid, SIGKILL);
	wait_for(pid, 0, "KILL does not", CLD_KILLED);
	handle(SIGCHLD, child_news, SA_RESTART | SA_NOCLDSTOP);
	count = 0;
	pid = fork();
	if (pid == 0)
		run_for_ever();
	kill(pid, SIGSTOP);
	wait_for(pid, WUNTRACED, "nocldstop", 0);
	say("no news", count);
	kill(pid, SIGKILL);
	wait_for(pid, 0, "killed", 0);
	signal(SIGCHLD, SIG_IGN);
	pid = fork();
	if (pid == 0)
		_exit(3);
	say("nobody to wait for", waitpid(pid, NULL, 0));
	say("  error", errno);
	signal(SIGCHLD, SIG_DFL);
	sigprocmask(SIG_SETMASK, NULL, &old);
}

/* ---- groups ---- */

static void groups(void)
{
	pid_t pid;
	int status;

	say("setpgid of nobody", setpgid(99999, 0));
	say("  error", errno);
	say("setpgid negative", setpgid(0, -1));
	say("  error", errno);
	pid = fork();
	if (pid == 0) {
		say("the parent's group", getpgrp() == getpgid(getppid()));
		say("its own", setpgid(0, 0));
		say("  is the pid", getpgrp() == getpid());
		say("no leader's session", setsid());
		say("  error", errno);
		if (fork() == 0) {
			say("a session", setsid() == getpid());
			say("  its group", getpgrp() == getpid());
			say("  its session", getsid(0) == getpid());
			say("  no other group", setpgid(0, getppid()));
			say("  error", errno);
			_exit(0);
		}
		wait(NULL);
		signal(SIGUSR2, SIG_IGN);
		kill(0, SIGUSR2);
		kill(-getpgrp(), SIGUSR1);
		_exit(9);
	}
	waitpid(pid, &status, 0);
	printf("ended by its own group's signal: %04x\n", status);
	say("a group that is gone", kill(-pid, 0));
	say("  error", errno);
	pid = fork();
	if (pid == 0)
		run_for_ever();
	setpgid(pid, pid);
	kill(pid, SIGTERM);
	say("wait for the other group", waitpid(-pid, &status, 0) == pid);
	say("wait for no such group", waitpid(-pid, &status, 0));
}

/* ---- exec and fork ---- */

static void second_life(void)
{
	struct sigaction a;
	sigset_t set;

	sigaction(SIGUSR1, NULL, &a);
	say("exec: a handler is gone", a.sa_handler == SIG_DFL);
	sigaction(SIGUSR2, NULL, &a);
	say("exec: ignored stays", a.sa_handler == SIG_IGN);
	sigprocmask(SIG_SETMASK, NULL, &set);
	say("exec: the mask stays", sigismember(&set, SIGHUP));
	sigpending(&set);
	say("exec: pending stays", sigismember(&set, SIGHUP));
	say("exec: the alarm stays", alarm(0) > 0);
}

static void lives(char *name)
{
	sigset_t set;

	handle(SIGUSR1, note, 0);
	signal(SIGUSR2, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGHUP);
	alarm(100);
	if (fork() == 0) {
		struct sigaction a;

		sigaction(SIGUSR1, NULL, &a);
		say("fork: the handler stays", a.sa_sigaction == note);
		sigpending(&set);
		say("fork: nothing is pending", sigismember(&set, SIGHUP));
		sigprocmask(SIG_SETMASK, NULL, &set);
		say("fork: the mask stays", sigismember(&set, SIGHUP));
		say("fork: no alarm", alarm(0));
		_exit(0);
	}
	wait(NULL);
	execl(name, name, "again", NULL);
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		second_life();
		return 0;
	}
	setvbuf(stdout, NULL, _IOLBF, 0); /* a child inherits no text */
	actions();
	kills();
	blocking();
	nesting();
	interrupted();
	faults();
	registers();
	stacks();
	ends();
	children();
	groups();
	lives(argv[0]);
	return 1;
}
