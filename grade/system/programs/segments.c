/*
 * Segment registers and their bases are a process's own: the parent loads none
 * while its child has loaded all, and each finds what it loaded.
 */
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARCH_SET_GS 0x1001
#define ARCH_GET_GS 0x1004
#define USER_DATA   0x2b

#define SELECTOR(name)                                                \
	({                                                            \
		unsigned selector;                                    \
		asm volatile("movl %%" name ", %0" : "=r"(selector)); \
		selector;                                             \
	})

#define LOAD(name, selector) asm volatile("movl %0, %%" name : : "r"(selector))

static void tell(const char *who)
{
	unsigned long base = 1;

	syscall(SYS_arch_prctl, ARCH_GET_GS, &base);
	printf("%s: ds %x es %x gs %x, base %lx\n", who, SELECTOR("ds"),
	       SELECTOR("es"), SELECTOR("gs"), base);
	fflush(stdout);
}

int main(void)
{
	int there[2], back[2];
	char byte;

	pipe(there);
	pipe(back);
	tell("at the start");
	syscall(SYS_arch_prctl, ARCH_SET_GS, 0x12345);
	if (fork() == 0) {
		tell("child, as its parent");
		LOAD("ds", USER_DATA);
		LOAD("es", USER_DATA);
		LOAD("gs", USER_DATA);
		write(there[1], "x", 1);
		read(back[0], &byte, 1);
		tell("child, after loading");
		return 0;
	}
	read(there[0], &byte, 1);
	tell("parent, which loaded none");
	LOAD("ds", 0);
	LOAD("gs", 0);
	write(back[1], "x", 1);
	wait(NULL);
	tell("parent, after loading");
	return 0;
}
