/*
 * select: a bit a descriptor, in words of 64.
 */
#include "files/select.h"

#include "errno.h"
#include "user_copy.h"
#include "signal.h"
#include "files/poll.h"

#define SETS    3
#define WORDS   (NFILE_PER_PROC / WORD_BITS)
#define NS_A_US 1000

/* What a descriptor in each set waits for. */
static const int interest[SETS] = {
	READY_TO_READ | POLLHUP | POLLERR,
	READY_TO_WRITE | POLLERR,
	POLLPRI,
};

struct request {
	int count; /* of descriptors looked at */
	uint64_t wanted[SETS][WORDS], found[SETS][WORDS];
};

static bool has(const uint64_t *set, int fd)
{
	return set[fd / WORD_BITS] >> fd % WORD_BITS & 1;
}

static void put(uint64_t *set, int fd)
{
	set[fd / WORD_BITS] |= 1ul << fd % WORD_BITS;
}

/* In how many sets the descriptor is ready. */
static long look_at(struct request *request, int fd)
{
	int ready = poll_ready(fd);
	long count = 0;

	for (int i = 0; i < SETS; i++) {
		if (!has(request->wanted[i], fd) || !(ready & interest[i]))
			continue;
		put(request->found[i], fd);
		count++;
	}
	return count;
}

static bool is_wanted(const struct request *request, int fd)
{
	return has(request->wanted[0], fd) || has(request->wanted[1], fd) ||
	       has(request->wanted[2], fd);
}

static long look(void *what)
{
	struct request *request = what;
	long count = 0;

	for (int fd = 0; fd < request->count; fd++) {
		if (!is_wanted(request, fd))
			continue;
		if (!fd_file(fd))
			return -EBADF;
		count += look_at(request, fd);
	}
	return count;
}

static size_t bytes_of(const struct request *request)
{
	return (request->count + WORD_BITS - 1) / WORD_BITS * sizeof(uint64_t);
}

static int take_sets(struct request *request, const uint64_t users[SETS])
{
	for (int i = 0; i < SETS; i++)
		if (users[i] &&
		    copyin(request->wanted[i], users[i], bytes_of(request)) < 0)
			return -EFAULT;
	return 0;
}

static int give_sets(const struct request *request, const uint64_t users[SETS])
{
	for (int i = 0; i < SETS; i++)
		if (users[i] &&
		    copyout(users[i], request->found[i], bytes_of(request)) < 0)
			return -EFAULT;
	return 0;
}

static long select_files(int count, const uint64_t users[SETS], uint64_t until)
{
	struct request request = { .count = count };
	long result;

	if (count < 0)
		return -EINVAL;
	if (count > NFILE_PER_PROC)
		request.count = NFILE_PER_PROC;
	if (take_sets(&request, users) < 0)
		return -EFAULT;
	result = poll_wait(look, &request, until);
	if (result >= 0 && give_sets(&request, users) < 0)
		return -EFAULT;
	return result;
}

long sys_select(int count, uint64_t readers, uint64_t writers,
		uint64_t exceptions, uint64_t limit_at)
{
	const uint64_t users[] = { readers, writers, exceptions };
	struct limit limit;
	int error = limit_take(&limit, limit_at, NS_A_US);

	if (error < 0)
		return error;
	return limit_give(&limit, select_files(count, users, limit.until));
}

/* The last argument is two, for there is no seventh. */
long sys_pselect6(int count, uint64_t readers, uint64_t writers,
		  uint64_t exceptions, uint64_t limit_at, uint64_t mask_at)
{
	const uint64_t users[] = { readers, writers, exceptions };
	uint64_t mask[2] = { 0 }; /* address, size */
	struct limit limit;
	int error = limit_take(&limit, limit_at, 1);
	long result;

	if (error == 0 && mask_at)
		error = copyin(mask, mask_at, sizeof(mask));
	if (error == 0)
		error = signal_borrow_mask(mask[0], mask[1]);
	if (error < 0)
		return error;
	result = select_files(count, users, limit.until);
	if (result != -ERESTART_UNLESS_HANDLED)
		signal_return_mask();
	return limit_give(&limit, result);
}
