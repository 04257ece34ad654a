/*
 * hooks: what the challenges of labs 1 and 5 find ready. Without this file the
 * kernel works as well.
 */
#include "hooks.h"

#include "boot_info.h"
#include "sched.h"

#define WORDS_A_STEP      8
#define MORE_THAN_A_STACK (1 << 20)

struct vm_sharing vm_sharing;

/* Calls itself until the stack is used up. */
static uint64_t dig(uint64_t levels)
{
	volatile uint64_t words[WORDS_A_STEP] = { levels };

	return levels == 0 ? 0 : dig(levels - 1) + words[0];
}

void overflow(void)
{
	if (boot_option("overflow", 0) == (uint64_t)proc_current()->pid)
		dig(MORE_THAN_A_STACK);
}
