/*
 * identity: number 0, and the others that are refused.
 */
#include "identity.h"

#include "errno.h"
#include "user_copy.h"

#define AS_IT_IS   UINT32_MAX
#define GROUPS_MAX 65536

static int check(uint32_t id)
{
	return id == 0 || id == AS_IT_IS ? 0 : -EINVAL;
}

int identity_check(uint32_t user, uint32_t group)
{
	return check(user) < 0 ? -EINVAL : check(group);
}

long sys_getid(void)
{
	return 0;
}

long sys_setid(uint32_t id)
{
	return id == 0 ? 0 : -EINVAL;
}

long sys_setreid(uint32_t real, uint32_t effective)
{
	return identity_check(real, effective);
}

long sys_setresid(uint32_t real, uint32_t effective, uint32_t saved)
{
	return identity_check(real, effective) < 0 ? -EINVAL : check(saved);
}

long sys_getresid(uint64_t real, uint64_t effective, uint64_t saved)
{
	const uint64_t places[] = { real, effective, saved };
	const uint32_t id = 0;
	int error = 0;

	for (int i = 0; i < 3 && error == 0; i++)
		error = copyout(places[i], &id, sizeof(id));
	return error;
}

/* No groups besides the one. */
long sys_getgroups(int size, uint64_t list)
{
	(void)list;
	return size < 0 ? -EINVAL : 0;
}

long sys_setgroups(int size, uint64_t list)
{
	uint32_t id;

	if (size < 0 || size > GROUPS_MAX)
		return -EINVAL;
	for (int i = 0; i < size; i++) {
		if (copyin(&id, list + i * sizeof(id), sizeof(id)) < 0)
			return -EFAULT;
		if (id != 0)
			return -EINVAL;
	}
	return 0;
}
