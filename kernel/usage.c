/*
 * usage: times, and limits that are the kernel's own and the same for all.
 */
#include "usage.h"

#include "layout.h"
#include "errno.h"
#include "user_copy.h"
#include "timer.h"

#define NS_A_US        1000
#define USER_HZ        100 /* what times counts in, whatever the timer does */
#define RUSAGE_SELF    0
#define RUSAGE_CHILD   (-1)
#define RUSAGE_THREAD  1
#define RUSAGE_UNKNOWN 14 /* words about faults, blocks and messages */

#define RLIMIT_STACK   3
#define RLIMIT_CORE    4
#define RLIMIT_NPROC   6
#define RLIMIT_NOFILE  7
#define RLIMITS        16
#define UNLIMITED      UINT64_MAX

struct rlimit {
	uint64_t now, most;
};

void usage_tick(bool from_user)
{
	struct usage *usage = &proc_current()->usage;

	if (from_user)
		usage->user += timer_period();
	else
		usage->system += timer_period();
}

int usage_give(uint64_t to, const struct usage *usage)
{
	struct {
		uint64_t user[2], system[2]; /* seconds, microseconds */
		uint64_t unknown[RUSAGE_UNKNOWN];
	} rusage = {
		.user = { usage->user / NANOSECONDS,
			  usage->user % NANOSECONDS / NS_A_US },
		.system = { usage->system / NANOSECONDS,
			    usage->system % NANOSECONDS / NS_A_US },
	};

	return copyout(to, &rusage, sizeof(rusage));
}

long sys_getrusage(int who, uint64_t result)
{
	const struct proc *p = proc_current();

	if (who != RUSAGE_SELF && who != RUSAGE_THREAD && who != RUSAGE_CHILD)
		return -EINVAL;
	return usage_give(result,
			  who == RUSAGE_CHILD ? &p->children_usage : &p->usage);
}

static uint64_t to_clock(uint64_t ns)
{
	return ns / (NANOSECONDS / USER_HZ);
}

long sys_times(uint64_t result)
{
	const struct proc *p = proc_current();
	const uint64_t times[] = {
		to_clock(p->usage.user),
		to_clock(p->usage.system),
		to_clock(p->children_usage.user),
		to_clock(p->children_usage.system),
	};

	if (result && copyout(result, times, sizeof(times)) < 0)
		return -EFAULT;
	return to_clock(timer_now());
}

static struct rlimit limit_of(uint32_t resource)
{
	uint64_t limit = resource == RLIMIT_STACK    ? USER_STACK_SIZE
			 : resource == RLIMIT_CORE   ? 0
			 : resource == RLIMIT_NPROC  ? NPROC
			 : resource == RLIMIT_NOFILE ? NFILE_PER_PROC
						     : UNLIMITED;

	return (struct rlimit){ limit, limit };
}

/* No limit can be changed: who asks for the one that there is has it. */
static long check_limit(uint32_t resource, uint64_t user_limit)
{
	struct rlimit limit, there = limit_of(resource);

	if (copyin(&limit, user_limit, sizeof(limit)) < 0)
		return -EFAULT;
	if (limit.now > limit.most)
		return -EINVAL;
	return limit.now == there.now && limit.most == there.most ? 0 : -EPERM;
}

long sys_prlimit64(int pid, uint32_t resource, uint64_t limit, uint64_t old)
{
	struct rlimit there = limit_of(resource);
	long error = 0;

	if (resource >= RLIMITS)
		return -EINVAL;
	if (pid && !proc_find(pid))
		return -ESRCH;
	if (limit)
		error = check_limit(resource, limit);
	if (error == 0 && old)
		error = copyout(old, &there, sizeof(there));
	return error;
}

long sys_getrlimit(uint32_t resource, uint64_t result)
{
	struct rlimit there = limit_of(resource);

	if (resource >= RLIMITS)
		return -EINVAL;
	return copyout(result, &there, sizeof(there));
}

long sys_setrlimit(uint32_t resource, uint64_t limit)
{
	return resource < RLIMITS ? check_limit(resource, limit) : -EINVAL;
}
