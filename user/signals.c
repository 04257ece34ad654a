/*
 * Signals: the kernel puts the registers of a program on the program's own stack and
 * lets it run somewhere else. What the handler finds there it may change: when it
 * returns, rt_sigreturn loads all registers from these words.
 *
 * usage: signals [keys]	with keys: waits for Ctrl-C
 */
#include <user.h>

#define RED_ZONE   128
#define CLD_EXITED 1

/* What a handler with SA_SIGINFO is given: Linux's siginfo_t and ucontext_t, as far
 * as they are read here. */
struct info {
	int signal, error, code, pad;
	int pid, uid, status;
};

struct context {
	uint64_t flags, link, stack[3];
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip;
};

/* A handler writes, and the program that it has interrupted reads. */
static volatile struct info heard;
static volatile struct context found;
static volatile uintptr_t frame_at;
static int pipe_ends[2];

static void on(int signal, void *handler, uint64_t flags)
{
	check_equal("rt_sigaction",
		    on_signal(signal, (uintptr_t)handler, flags), 0);
}

/* ---- the frame ---- */

extern char spin_here[], spin_end[];

/* Goes round for ever, with a pattern in two registers that SYSCALL would lose. */
__attribute__((naked)) static void spin(void)
{
	asm("movq $0x1111, %rcx");
	asm("movq $0x2222, %r11");
	asm("spin_here: jmp spin_here");
	asm("spin_end: leaq (%r11, %rcx), %rax");
	asm("ret");
}

/* Nothing calls this: the kernel makes RIP point here, and RSP to the frame. */
static void leave_the_loop(int signal, const struct info *info,
			   struct context *context)
{
	(void)info;
	heard.signal = signal;
	found = *context;
	frame_at = (uintptr_t)context;
	context->rip = (uintptr_t)spin_end;
}

static void check_the_frame(void)
{
	long sum;

	on(SIGALRM, leave_the_loop, SA_SIGINFO);
	alarm(1);
	asm volatile("call *%1"
		     : "=a"(sum)
		     : "r"(spin)
		     : "rcx", "r11", "memory", "cc");
	check_equal("an alarm reaches its handler", heard.signal, SIGALRM);
	check(found.rip == (uintptr_t)spin_here,
	      "its frame has the RIP of the endless loop");
	check(found.rsp - frame_at > RED_ZONE,
	      "it lies below the program's RSP and its red zone");
	check_equal("the handler has changed RIP, and no register else", sum,
		    0x3333);
	printf("%s: RSP was 0x%lx, the frame is at 0x%lx\n", program_name,
	       found.rsp, frame_at);
}

/* ---- a child's end ---- */

static void note(int signal, const struct info *info, struct context *context)
{
	(void)signal, (void)context;
	heard = *info;
}

static void check_a_childs_end(void)
{
	long pid;

	on(SIGCHLD, note, SA_SIGINFO);
	heard.signal = 0;
	pid = fork_or_exit();
	if (pid == 0)
		exit(3);
	while (heard.signal != SIGCHLD)
		sched_yield();
	check_equal("SIGCHLD has the child's pid", heard.pid, pid);
	check_equal("and says that it has ended", heard.code, CLD_EXITED);
	check_equal("and its status", heard.status, 3);
	check_equal("which wait4 has, too", wait_for(pid), 3 << 8);
}

/* ---- a call that sleeps ---- */

static void write_a_byte(int signal)
{
	(void)signal;
	write(pipe_ends[1], "!", 1);
}

static void check_a_read(void)
{
	char byte = 0;

	pipe(pipe_ends);
	on(SIGALRM, note, SA_SIGINFO);
	alarm(1);
	check_equal("an alarm ends a read that sleeps",
		    read(pipe_ends[0], &byte, 1), -EINTR);
	on(SIGALRM, write_a_byte, SA_RESTART);
	alarm(1);
	check_equal("with SA_RESTART it is made again",
		    read(pipe_ends[0], &byte, 1), 1);
	check_equal("and reads what the handler has written", byte, '!');
}

/* ---- a key ---- */

static void check_a_key(void)
{
	char byte;

	on(SIGINT, note, SA_SIGINFO);
	printf("%s: press Ctrl-C\n", program_name);
	check_equal("Ctrl-C ends the read of a line", read(0, &byte, 1),
		    -EINTR);
	check_equal("it is SIGINT", heard.signal, SIGINT);
}

int main(int argc, char **argv)
{
	if (argc > 2 || (argc == 2 && strcmp(argv[1], "keys") != 0)) {
		printf("usage: signals [keys]\n");
		return 2;
	}
	check_the_frame();
	check_a_childs_end();
	check_a_read();
	if (argc == 2)
		check_a_key();
	return check_done();
}
