/*
 * poll: look, and if there is nothing, sleep for a tick.
 */
#include "files/poll.h"

#include "errno.h"
#include "user_copy.h"
#include "signal.h"
#include "timer.h"

#define NS_A_MS 1000000

struct pollfd {
	int fd;
	int16_t wanted, found;
};

struct request {
	uint64_t files; /* of the user's struct pollfd */
	uint64_t count;
};

int poll_ready(int fd)
{
	const struct file *file = fd_file(fd);

	if (!file)
		return POLLNVAL;
	return file->node.ops->ready ? file->node.ops->ready(file)
				     : READY_TO_READ | READY_TO_WRITE;
}

/* By when it has passed: the tick that has begun does not count. */
static uint64_t after(uint64_t ns)
{
	return ns ? timer_now() + timer_period() + ns : 0;
}

int limit_take(struct limit *limit, uint64_t user, uint64_t unit)
{
	int64_t time[2]; /* seconds, and units */

	*limit = (struct limit){ UINT64_MAX, user, unit };
	if (!user)
		return 0;
	if (copyin(time, user, sizeof(time)) < 0)
		return -EFAULT;
	if (time[0] < 0 || time[1] < 0 ||
	    (uint64_t)time[1] >= NANOSECONDS / unit)
		return -EINVAL;
	if (time[0] < INT32_MAX)
		limit->until = after(time[0] * NANOSECONDS + time[1] * unit);
	return 0;
}

long limit_give(const struct limit *limit, long result)
{
	uint64_t now = timer_now();
	uint64_t left = limit->until > now ? limit->until - now : 0;
	uint64_t time[] = { left / NANOSECONDS,
			    left % NANOSECONDS / limit->unit };

	if (limit->user && limit->until && limit->until != UINT64_MAX &&
	    copyout(limit->user, time, sizeof(time)) < 0)
		return result == -ERESTART_UNLESS_HANDLED ? -EINTR : result;
	return result;
}

long poll_wait(long (*look)(void *what), void *what, uint64_t until)
{
	for (;;) {
		long result = look(what);

		if (result != 0 || timer_now() >= until)
			return result;
		if (timer_sleep_until(timer_now() + 1) < 0)
			return -ERESTART_UNLESS_HANDLED;
	}
}

/* How many of them have something to tell. */
static long look(void *what)
{
	const struct request *request = what;
	struct pollfd file;
	long count = 0;

	for (uint64_t i = 0; i < request->count; i++) {
		uint64_t place = request->files + i * sizeof(file);

		if (copyin(&file, place, sizeof(file)) < 0)
			return -EFAULT;
		file.found = file.fd < 0 ? 0
					 : poll_ready(file.fd) &
						   (file.wanted | POLL_ALWAYS);
		if (copyout(place, &file, sizeof(file)) < 0)
			return -EFAULT;
		count += file.found != 0;
	}
	return count;
}

static long poll_files(uint64_t files, uint64_t count, uint64_t until)
{
	struct request request = { files, count };

	if (count > NFILE_PER_PROC)
		return -EINVAL;
	return poll_wait(look, &request, until);
}

/* A call that is made again, because it was stopped, has less time left. */
long sys_poll(uint64_t files, uint64_t count, int milliseconds)
{
	uint64_t *again = &proc_current()->sleep_end;
	uint64_t until = *again ?: after((uint64_t)milliseconds * NS_A_MS);
	long result;

	if (milliseconds < 0)
		until = UINT64_MAX;
	*again = 0;
	result = poll_files(files, count, until);
	if (result == -ERESTART_UNLESS_HANDLED)
		*again = until;
	return result;
}

long sys_ppoll(uint64_t files, uint64_t count, uint64_t limit_at, uint64_t mask,
	       size_t mask_size)
{
	struct limit limit;
	int error = limit_take(&limit, limit_at, 1);
	long result;

	if (error == 0)
		error = signal_borrow_mask(mask, mask_size);
	if (error < 0)
		return error;
	result = poll_files(files, count, limit.until);
	if (result != -ERESTART_UNLESS_HANDLED)
		signal_return_mask();
	return limit_give(&limit, result);
}
