/*
 * futex: the word's place in physical memory is the channel, so that all who
 * share its page mean the same, wherever each has it mapped.
 */
#include "futex.h"

#include "errno.h"
#include "user_copy.h"
#include "page_table.h"
#include "sched.h"
#include "timer.h"

#define SECONDS_MAX (INT64_MAX / NANOSECONDS / 2)

/* The word, and its place, which is there once it has been read. */
static int look_at(uint64_t word, uint32_t *value, const void **place)
{
	int error;

	if (word % sizeof(*value))
		return -EINVAL;
	error = copyin(value, word, sizeof(*value));
	if (error < 0)
		return -EFAULT;
	*place = pa_to_va(
		(*table_entry(proc_current()->vm.pml4, word) & PTE_ADDR) +
		word % PAGE_SIZE);
	return 0;
}

/* When a wait of this length is over; without one, never. */
static int end_of(uint64_t timeout, uint64_t *end)
{
	int64_t words[2]; /* seconds, nanoseconds */

	*end = UINT64_MAX;
	if (!timeout)
		return 0;
	if (copyin(words, timeout, sizeof(words)) < 0)
		return -EFAULT;
	if (words[0] < 0 || words[1] < 0 || words[1] >= NANOSECONDS)
		return -EINVAL;
	if (words[0] < SECONDS_MAX)
		*end = timer_now() + words[0] * NANOSECONDS + words[1];
	return 0;
}

static long wait(uint64_t word, uint32_t expected, uint64_t timeout)
{
	uint32_t value;
	uint64_t end;
	const void *place;
	int error = end_of(timeout, &end);

	if (error == 0)
		error = look_at(word, &value, &place);
	if (error < 0)
		return error;
	if (value != expected)
		return -EAGAIN;
	error = timer_sleep_on(place, end);
	return error == -ERESTART ? -ERESTART_UNLESS_HANDLED : error;
}

static long wake(uint64_t word, int count)
{
	uint32_t value;
	const void *place;
	int error = look_at(word, &value, &place);

	return error < 0 ? error : wakeup_some(place, count);
}

long sys_futex(uint64_t word, int operation, uint32_t value, uint64_t timeout)
{
	switch (operation & ~FUTEX_PRIVATE) {
	case FUTEX_WAIT:
		return wait(word, value, timeout);
	case FUTEX_WAKE:
		return wake(word, value);
	}
	return -ENOSYS;
}
