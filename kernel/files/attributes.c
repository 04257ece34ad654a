/*
 * attributes: the calls about what an inode says of itself.
 */
#include "files/attributes.h"

#include "errno.h"
#include "user_copy.h"
#include "timer.h"
#include "identity.h"
#include "page.h"
#include "files/path.h"

#define X_OK        1
#define ACCESS_ALL  7
#define AT_EACCESS  0x200 /* by the effective IDs: they are no others */
#define TMPFS_MAGIC 0x01021994

/* What flags say of a link at the path's end. */
static enum follow follow_by(int flags)
{
	return flags & AT_SYMLINK_NOFOLLOW ? FOLLOW_BEFORE_SLASH : FOLLOW;
}

/* Who may do everything may execute what anybody may. */
long sys_faccessat2(int directory, uint64_t user_path, int mode, int flags)
{
	static struct path path;
	int error;

	if (mode & ~ACCESS_ALL || flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW))
		return -EINVAL;
	error = path_find(&path, directory, user_path, follow_by(flags));
	if (error == 0 && mode & X_OK && !inode_is(path.inode, S_IFDIR) &&
	    !(path.inode->mode & S_IXALL))
		error = -EACCES;
	return error;
}

long sys_faccessat(int directory, uint64_t user_path, int mode)
{
	return sys_faccessat2(directory, user_path, mode, 0);
}

static long set_mode(struct inode *inode, uint32_t mode)
{
	inode->mode = (inode->mode & S_IFMT) | (mode & PERMISSIONS);
	inode->changed = timer_unix_time();
	return 0;
}

long sys_fchmodat(int directory, uint64_t user_path, uint32_t mode)
{
	static struct path path;
	int error = path_find(&path, directory, user_path, FOLLOW);

	return error < 0 ? error : set_mode(path.inode, mode);
}

long sys_fchmod(int fd, uint32_t mode)
{
	struct file *file = fd_file(fd);

	if (!file)
		return -EBADF;
	return file->node.inode ? set_mode(file->node.inode, mode) : -EINVAL;
}

static long set_owner(struct inode *inode, uint32_t user, uint32_t group)
{
	inode->changed = timer_unix_time();
	return identity_check(user, group);
}

long sys_fchownat(int directory, uint64_t user_path, uint32_t user,
		  uint32_t group, int flags)
{
	static struct path path;
	int error;

	if (flags & ~AT_SYMLINK_NOFOLLOW)
		return -EINVAL;
	error = path_find(&path, directory, user_path, follow_by(flags));
	return error < 0 ? error : set_owner(path.inode, user, group);
}

long sys_fchown(int fd, uint32_t user, uint32_t group)
{
	struct file *file = fd_file(fd);

	if (!file)
		return -EBADF;
	return file->node.inode ? set_owner(file->node.inode, user, group)
				: identity_check(user, group);
}

/* One of the two times of utimensat. */
static int set_time(uint64_t *time, const int64_t given[2])
{
	if (given[1] == UTIME_OMIT)
		return 0;
	if (given[1] == UTIME_NOW) {
		*time = timer_unix_time();
		return 0;
	}
	if (given[1] < 0 || given[1] >= NANOSECONDS)
		return -EINVAL;
	*time = given[0] * NANOSECONDS + given[1];
	return 0;
}

long sys_utimensat(int directory, uint64_t user_path, uint64_t user_times,
		   int flags)
{
	static struct path path;
	int64_t times[2][2] = { { 0, UTIME_NOW }, { 0, UTIME_NOW } };
	struct file *file = fd_file(directory);
	struct inode *inode;
	int error = 0;

	if (flags & ~AT_SYMLINK_NOFOLLOW)
		return -EINVAL;
	if (user_times && copyin(times, user_times, sizeof(times)) < 0)
		return -EFAULT;
	if (user_path)
		error = path_find(&path, directory, user_path,
				  follow_by(flags));
	else if (!file || !file->node.inode)
		error = -EBADF;
	if (error < 0)
		return error;
	inode = user_path ? path.inode : file->node.inode;
	error = set_time(&inode->accessed, times[0]);
	if (error == 0)
		error = set_time(&inode->modified, times[1]);
	inode->changed = timer_unix_time();
	return error;
}

static long give_stat(const struct node *node, uint64_t buffer)
{
	struct stat stat = { .links = 1, .block_size = PAGE_SIZE };

	node_stat(node, &stat);
	return copyout(buffer, &stat, sizeof(stat));
}

long sys_fstat(int fd, uint64_t buffer)
{
	struct file *file = fd_any(fd);

	return file ? give_stat(&file->node, buffer) : -EBADF;
}

static long stat_inode(struct inode *inode, uint64_t buffer)
{
	struct node node = { .ops = inode->ops, .inode = inode };

	return give_stat(&node, buffer);
}

long sys_newfstatat(int directory, uint64_t user_path, uint64_t buffer,
		    int flags)
{
	static struct path path;
	char first;
	int error;

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH))
		return -EINVAL;
	if (flags & AT_EMPTY_PATH && copyin(&first, user_path, 1) == 0 &&
	    !first)
		return directory == AT_FDCWD ? stat_inode(path_cwd(), buffer)
					     : sys_fstat(directory, buffer);
	error = path_find(&path, directory, user_path, follow_by(flags));
	return error < 0 ? error : stat_inode(path.inode, buffer);
}

/* All files are in memory. Programs keep a part of it: what is left for files is
 * less than what is free. */
static long give_statfs(uint64_t buffer)
{
	uint64_t kept = page_total() - files_pages_max();
	uint64_t free = page_free_count();
	struct {
		uint64_t type, block_size, blocks, free, available;
		uint64_t files, files_free;
		int32_t id[2];
		uint64_t name_length, fragment_size, flags, spare[4];
	} statfs = {
		.type = TMPFS_MAGIC,
		.block_size = PAGE_SIZE,
		.blocks = files_pages_max(),
		.free = free > kept ? free - kept : 0,
		.available = free > kept ? free - kept : 0,
		.name_length = NAME_MAX,
		.fragment_size = PAGE_SIZE,
	};

	return copyout(buffer, &statfs, sizeof(statfs));
}

long sys_statfs(uint64_t user_path, uint64_t buffer)
{
	static struct path path;
	int error = path_find(&path, AT_FDCWD, user_path, FOLLOW);

	return error < 0 ? error : give_statfs(buffer);
}

long sys_fstatfs(int fd, uint64_t buffer)
{
	return fd_any(fd) ? give_statfs(buffer) : -EBADF;
}
