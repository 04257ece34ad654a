/*
 * The program behind the questions in labs/answers.toml that are answered in
 * the debugger. Each shows one number that comes from the student's id, in a
 * place where only that lab's subject leads to it: an error code, a register
 * on the way into the kernel, a word of the frame, a word of a parent's
 * memory. It prints nothing, and does nothing else.
 *
 * usage: puzzle ID LAB
 */
#include <registers.h>

/* No call has this number, so the kernel does nothing but refuse it. */
#define PUZZLE_CALL 500

/* A number for each id and lab. grade/intake/answers.py knows it too. */
static uint64_t number_of(const char *id, uint64_t lab)
{
	uint64_t state = lab;

	while (*id) {
		state ^= (uint8_t)*id++;
		state = random_next(&state);
	}
	return random_next(&state);
}

/* A breakpoint stands well here: the word is in RDI. */
__attribute__((noinline)) static void parent_looks(uint64_t word)
{
	asm volatile("" : : "r"(word));
}

/* The child's word is not the parent's, though both call it by one name. */
static void fork_and_look(uint64_t number)
{
	static volatile uint64_t word;
	long child;

	word = number;
	child = fork_or_exit();
	if (child == 0) {
		word = ~number;
		exit(0);
	}
	wait_for(child);
	parent_looks(word);
}

int main(int argc, char **argv)
{
	unsigned long lab;
	uint64_t number;

	if (argc != 3 || !parse_number(argv[2], &lab)) {
		printf("usage: puzzle ID LAB\n");
		return 2;
	}
	number = number_of(argv[1], lab);
	registers_fill_call(number, PUZZLE_CALL, NULL, 0);
	switch (lab) {
	case 1: /* past the end of the GDT: #GP, and this program ends */
		number = (number & 0x7ff8) | 0x8003;
		asm volatile("movw %w0, %%gs" : : "r"(number));
		break;
	case 2:
		registers_before.rflags = FLAGS_BASE | (number & FLAGS_FREE);
		break;
	case 3:
		registers_before.r9 = number;
		break;
	case 4: /* the kernel never touches the memory there */
		registers_before.rsp = number % (1UL << 47);
		break;
	case 5:
		fork_and_look(number);
		break;
	}
	registers_call();
	return 0;
}
