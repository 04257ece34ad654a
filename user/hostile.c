/*
 * A program that does everything wrong: stack pointers that point nowhere, bad
 * addresses to every call that takes one, numbers of calls that do not exist,
 * foreign segment selectors, and instructions that ring 3 may not use. The
 * kernel answers with an error or kills the process, and lives on. Each child
 * that is killed here has its line of reason on the console.
 */
#include <registers.h>

typedef uint64_t address;

#define KERNEL_IMAGE 0xffffffff80100000
#define DIRECT_MAP   0xffff800000000000
#define NON_CANON    0x0000800000000000
#define USER_END     0x00007ffffffff000 /* the page there is never mapped */

/* ---- RSP ---- */

static const struct {
	const char *name;
	uint64_t rsp;
} stacks[] = {
	{ "0", 0 },
	{ "-1", UINT64_MAX },
	{ "8, in the page never mapped", 8 },
	{ "unmapped", 0x10000000 },
	{ "not canonical", NON_CANON + 0x123 },
	{ "the kernel's image", KERNEL_IMAGE },
	{ "the kernel's map of memory", DIRECT_MAP + 0x1000 },
	{ "misaligned", (uint64_t)registers_stack + 1003 },
};

/* The call succeeds on that stack and gives it back; the child of fork too. */
static bool survives(uint64_t rsp, long number, const long *arguments,
		     size_t count, const char *what)
{
	bool right;

	registers_fill_call(rsp, number, arguments, count);
	registers_before.rsp = rsp;
	registers_call();
	right = (long)registers_after.rax >= 0 &&
		registers_report_call(what) == 0;
	if (number == SYS_fork && registers_after.rax == 0)
		exit(!right);
	if (number == SYS_fork)
		right &= wait_for((long)registers_after.rax) == 0;
	return right;
}

static void try_stacks(void)
{
	static struct timespec time = { 0, 1000000 };
	const long sleep[] = { (long)&time, 0 };

	for (size_t i = 0; i < COUNT(stacks); i++) {
		uint64_t rsp = stacks[i].rsp;
		bool right = true;

		right &= survives(rsp, SYS_getpid, NULL, 0, "getpid");
		right &= survives(rsp, SYS_sched_yield, NULL, 0, "sched_yield");
		right &= survives(rsp, SYS_nanosleep, sleep, 2, "nanosleep");
		right &= survives(rsp, SYS_fork, NULL, 0, "fork");
		registers_fill(rsp);
		registers_before.rsp = rsp;
		registers_before.rcx = 3000000;
		registers_spin();
		right &= registers_report_spin("the timer") == 0;
		check(right, "RSP: %s", stacks[i].name);
	}
}

/* ---- pointers ---- */

static address bad[12];
static size_t bad_count;
static char *edge;   /* the end of memory that is there */
static int pipe_end; /* where a write would succeed */
static long directory;

static void make_bad_addresses(void)
{
	const address fixed[] = { 8,
				  0x10000000,
				  USER_END,
				  NON_CANON,
				  NON_CANON - 4,
				  DIRECT_MAP,
				  DIRECT_MAP - 4,
				  KERNEL_IMAGE,
				  0xffffc00000000000,
				  UINT64_MAX - 3 };

	edge = (char *)map_pages(2) + PAGE_SIZE;
	mprotect(edge, PAGE_SIZE, PROT_NONE);
	for (; bad_count < COUNT(fixed); bad_count++)
		bad[bad_count] = fixed[bad_count];
	bad[bad_count++] = (address)edge;
	bad[bad_count++] = (address)edge - 4; /* half of it is good */
}

/* A call of which one argument, the one given as BAD, is a bad address. */
#define BAD INT64_MIN

static long call_with_bad(long number, const long *a, address address)
{
	long v[4];

	for (size_t i = 0; i < 4; i++)
		v[i] = a[i] == BAD ? (long)address : a[i];
	return syscall4(number, v[0], v[1], v[2], v[3]);
}

/* -EFAULT is right. Where the first half of what is asked for can be had,
 * having had that half is right, too. */
static bool right_answer(const char *name, address address, long result,
			 long half)
{
	if (result == -EFAULT)
		return true;
	if (half && result == half && address % PAGE_SIZE == PAGE_SIZE - 4)
		return true;
	printf("hostile: %s at %016lx: %ld\n", name, address, result);
	return false;
}

static void try_pointer(const char *name, long number, const long *arguments,
			long half)
{
	bool right = true;

	for (size_t i = 0; i < bad_count; i++) {
		memset(edge - 4, 'x', 4); /* or a name would end there */
		right &= right_answer(name, bad[i],
				      call_with_bad(number, arguments, bad[i]),
				      half);
	}
	check(right, "-EFAULT: %s", name);
}

#define POINTER(name, number, half, ...) \
	try_pointer(name, number, (long[4]){ __VA_ARGS__ }, half)

static void try_pointers(void)
{
	static char *none[] = { NULL };
	static struct iovec piece;
	const long self = (long)"/bin/true";
	bool right = true;

	POINTER("write", SYS_write, 4, pipe_end, BAD, 8);
	POINTER("writev, the table", SYS_writev, 0, pipe_end, BAD, 1);
	POINTER("open", SYS_open, 0, BAD, O_RDONLY);
	POINTER("openat", SYS_openat, 0, AT_FDCWD, BAD, O_RDONLY);
	POINTER("chdir", SYS_chdir, 0, BAD);
	POINTER("newfstatat, the name", SYS_newfstatat, 0, AT_FDCWD, BAD,
		(long)registers_stack);
	POINTER("newfstatat, the result", SYS_newfstatat, 0, AT_FDCWD,
		(long)"/", BAD);
	POINTER("fstat", SYS_fstat, 0, directory, BAD);
	POINTER("getdents64", SYS_getdents64, 0, directory, BAD, 4096);
	POINTER("pipe", SYS_pipe, 0, BAD);
	POINTER("pipe2", SYS_pipe2, 0, BAD, 0);
	POINTER("nanosleep", SYS_nanosleep, 0, BAD, 0);
	POINTER("clock_gettime", SYS_clock_gettime, 0, CLOCK_MONOTONIC, BAD);
	POINTER("uname", SYS_uname, 0, BAD);
	POINTER("sysinfo", SYS_sysinfo, 0, BAD);
	POINTER("arch_prctl", SYS_arch_prctl, 0, ARCH_GET_FS, BAD);
	POINTER("execve, the name", SYS_execve, 0, BAD, (long)none, (long)none);
	POINTER("execve, argv", SYS_execve, 0, self, BAD, (long)none);
	POINTER("execve, envp", SYS_execve, 0, self, (long)none, BAD);
	for (size_t i = 0; i < bad_count; i++) {
		piece = (struct iovec){ (void *)bad[i], 8 };
		right &= right_answer(
			"writev, a piece", bad[i],
			syscall3(SYS_writev, pipe_end, (long)&piece, 1), 4);
	}
	check(right, "-EFAULT: writev, a piece");
}

/* A pipe of its own for each read, so that none waits for what another took. */
static long read_into(address address, size_t size)
{
	int fds[2];
	long result;

	pipe(fds);
	write(fds[1], "12345678", 8);
	result = read(fds[0], (void *)address, size);
	close(fds[0]);
	close(fds[1]);
	return result;
}

static void try_reads(void)
{
	static const char constant[] = "constant";
	char *read_only = map_pages(1);
	bool right = true;

	for (size_t i = 0; i < bad_count; i++)
		right &= right_answer("read", bad[i], read_into(bad[i], 8), 4);
	check(right, "-EFAULT: read");
	mprotect(read_only, PAGE_SIZE, PROT_READ);
	check_equal("read into a page that is read-only",
		    read_into((address)read_only, 8), -EFAULT);
	check_equal("read into a constant", read_into((address)constant, 8),
		    -EFAULT);
	check_equal("read into the program's code",
		    read_into((address)try_reads, 8), -EFAULT);
	check_equal("a length that wraps around",
		    write(pipe_end, (void *)"x", SIZE_MAX - 8), -EFAULT);
	check_equal("a length of 2^63", write(pipe_end, "x", 1UL << 63),
		    -EFAULT);
}

/* The status goes out after the child has been waited for. */
static void try_wait(void)
{
	bool right = true;

	for (size_t i = 0; i < bad_count; i++) {
		if (fork() == 0)
			exit(0);
		right &= wait4(-1, (int *)(bad[i] | 3), 0, NULL) == -EFAULT;
		while (wait4(-1, NULL, 0, NULL) > 0)
			;
	}
	check(right, "-EFAULT: wait4");
}

static void try_ranges(void)
{
	char *end = (char *)brk(NULL);
	const int fixed = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;

	check(mmap((void *)USER_END, PAGE_SIZE, PROT_READ, fixed, -1, 0) < 0,
	      "mmap of the last page below 2^47 is refused");
	check(mmap((void *)DIRECT_MAP, PAGE_SIZE, PROT_READ, fixed, -1, 0) < 0,
	      "mmap of a kernel address is refused");
	check(mmap(NULL, SIZE_MAX - 1, PROT_READ, fixed & ~MAP_FIXED, -1, 0) <
		      0,
	      "mmap of 2^64 bytes is refused");
	check(munmap((void *)KERNEL_IMAGE, PAGE_SIZE) < 0,
	      "munmap of the kernel is refused");
	check(mprotect((void *)KERNEL_IMAGE, PAGE_SIZE, PROT_WRITE) < 0,
	      "mprotect of the kernel is refused");
	check(brk((void *)KERNEL_IMAGE) == (long)end,
	      "brk into the kernel changes nothing");
	check(arch_prctl(ARCH_SET_FS, KERNEL_IMAGE) < 0,
	      "an FS base in the kernel is refused");
}

/* ---- numbers ---- */

/* No call has these numbers or, up to 4095, a higher one. */
#define AFTER_OURS  440 /* kernel/syscall.h */
#define AFTER_LINUX 548

static void try_numbers(void)
{
	bool here = on_threshold();
	bool right = true;

	for (long number = here ? AFTER_OURS : AFTER_LINUX; number < 4096;
	     number++)
		right &= syscall0(number) == -ENOSYS;
	check(right, "-ENOSYS: everything after the table");
	check_equal("-ENOSYS: -1", syscall0(-1), -ENOSYS);
	check_equal("-ENOSYS: 2^31", syscall0(1L << 31), -ENOSYS);
	/* The low half is the number: these are getpid and read. */
	check_equal("getpid: 2^32 + getpid", syscall0((1L << 32) + SYS_getpid),
		    getpid());
	check_equal("-EBADF: 2^63", syscall1(INT64_MIN, 999), -EBADF);
}

/* ---- segments ---- */

#define LOAD_SELECTOR(segment, selector) \
	asm volatile("movw %w0, %%" segment : : "r"(selector) : "memory")

static void try_segments(void)
{
	static const short harmless[] = { 0, 1, 3, 0x2b };

	for (size_t i = 0; i < COUNT(harmless); i++) {
		LOAD_SELECTOR("ds", harmless[i]);
		LOAD_SELECTOR("es", harmless[i]);
		LOAD_SELECTOR("fs", harmless[i]);
		LOAD_SELECTOR("gs", harmless[i]);
		sched_yield();
		sleep_ms(1);
		check(getpid() > 0, "DS, ES, FS, GS = 0x%x, then calls",
		      harmless[i]);
	}
}

/* ---- what ring 3 may not do: each in a child of its own ---- */

static uint64_t zeros[4];

static int not_allowed(long which)
{
	address nowhere = 0;

	switch (which) {
	case 0:
		asm volatile("cli");
		break;
	case 1:
		asm volatile("sti");
		break;
	case 2:
		asm volatile("hlt");
		break;
	case 3:
		asm volatile("inb $0x60, %%al" : : : "rax");
		break;
	case 4:
		asm volatile("outb %%al, $0xf4" : : "a"(0));
		break;
	case 5:
		asm volatile("lgdt %0" : : "m"(zeros));
		break;
	case 6:
		asm volatile("lidt %0" : : "m"(zeros));
		break;
	case 7:
		asm volatile("ltr %w0" : : "r"(0x18));
		break;
	case 8:
		asm volatile("rdmsr" : : "c"(0xc0000080) : "rax", "rdx");
		break;
	case 9:
		asm volatile("wrmsr" : : "c"(0xc0000080), "a"(0), "d"(0));
		break;
	case 10:
		asm volatile("movq %%cr3, %0" : "=r"(nowhere));
		break;
	case 11:
		asm volatile("movq %0, %%cr0" : : "r"(nowhere));
		break;
	case 12:
		asm volatile("movq %0, %%dr7" : : "r"(nowhere));
		break;
	case 13:
		asm volatile("invlpg (%0)" : : "r"(nowhere) : "memory");
		break;
	case 14:
		asm volatile("swapgs");
		break;
	case 15:
		asm volatile("sysretq" : : "c"(not_allowed));
		break;
	case 16: /* back from an interrupt that never was, into ring 0 */
		asm volatile("movq %rsp, %rax; pushq $0x10; pushq %rax;"
			     "pushfq; pushq $0x8; pushq $1f; iretq; 1:");
		break;
	case 17:
		LOAD_SELECTOR("gs", 0x10);
		break;
	case 18:
		LOAD_SELECTOR("ss", 0x10);
		break;
	case 19:
		asm volatile("int $0x20");
		break;
	case 20:
		asm volatile("int $0x8");
		break;
	}
	return 0;
}

static const char *const not_allowed_names[] = {
	"cli",
	"sti",
	"hlt",
	"in",
	"out",
	"lgdt",
	"lidt",
	"ltr",
	"rdmsr",
	"wrmsr",
	"read CR3",
	"write CR0",
	"write DR7",
	"invlpg",
	"swapgs",
	"sysret",
	"iretq to ring 0",
	"GS = the kernel's data",
	"SS = the kernel's data",
	"int 0x20, the timer's",
	"int 8, #DF",
};

int main(void)
{
	int fds[2];

	if (pipe(fds) < 0)
		return 1;
	pipe_end = fds[1];
	directory = open("/", O_RDONLY);
	make_bad_addresses();
	try_stacks();
	try_pointers();
	try_reads();
	try_wait();
	try_ranges();
	try_numbers();
	try_segments();
	for (size_t i = 0; i < COUNT(not_allowed_names); i++)
		check(WTERMSIG(run_child(not_allowed, (long)i)) == SIGSEGV,
		      "killed: %s", not_allowed_names[i]);
	return check_done();
}
