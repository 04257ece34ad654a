/*
 * stat: the calls about a file's type, mode, owner and times.
 */
#include "decode/decode.h"

#include "initrd.h"
#include "print.h"
#include "files/attributes.h"

FLAGS(access_mode, access_modes)
FLAGS(at_access, eaccess_flags)

/* A file's two new times, where the nanoseconds may be a wish. */
static void file_times(const struct call *c, uint64_t from)
{
	uint64_t times[4];

	(void)c;
	if (!fetch(times, from, sizeof(times)))
		return;
	for (int i = 0; i < 2; i++) {
		const uint64_t *time = times + 2 * i;

		kprintf(i == 0 ? "[" : ", ");
		if (time[1] == UTIME_NOW || time[1] == UTIME_OMIT)
			kprintf(time[1] == UTIME_NOW ? "UTIME_NOW"
						     : "UTIME_OMIT");
		else
			put_timespec(time);
	}
	kprintf("]");
}

static void put_file_type(uint32_t type)
{
	put_constant(&file_types, type & S_IFMT);
	put_more_flags(&special_modes, type & PERMISSIONS & ~S_IRWXUGO);
	kprintf("|");
	as_mode(NULL, type & S_IRWXUGO);
}

static void attributes(const struct call *c, uint64_t from)
{
	struct {
		uint64_t device, inode, links;
		uint32_t mode, uid, gid, pad;
		uint64_t special, size;
	} s;

	(void)c;
	if (!fetch(&s, from, sizeof(s)))
		return;
	kprintf("{st_mode=");
	put_file_type(s.mode);
	if ((s.mode & S_IFMT) == S_IFCHR)
		kprintf(", st_rdev=makedev(0x%lx, 0x%lx), ...}",
			s.special >> 8 & 0xfff, s.special & 0xff);
	else
		kprintf(", st_size=%lu, ...}", s.size);
}

const struct row stat_rows[] = {
	CALL(stat, as_number, as_path, when_done, attributes),
	CALL(fstat, as_number, as_number, when_done, attributes),
	CALL(lstat, as_number, as_path, when_done, attributes),
	CALL(newfstatat, as_number, as_directory, as_path, when_done,
	     attributes, as_at_flags),
	CALL(access, as_number, as_path, access_mode),
	CALL(faccessat, as_number, as_directory, as_path, access_mode),
	CALL(faccessat2, as_number, as_directory, as_path, access_mode,
	     at_access),
	CALL(chmod, as_number, as_path, as_mode),
	CALL(fchmod, as_number, as_number, as_mode),
	CALL(fchmodat, as_number, as_directory, as_path, as_mode),
	CALL(chown, as_number, as_path, as_owner, as_owner),
	CALL(fchown, as_number, as_number, as_owner, as_owner),
	CALL(lchown, as_number, as_path, as_owner, as_owner),
	CALL(fchownat, as_number, as_directory, as_path, as_owner, as_owner,
	     as_at_flags),
	CALL(utimensat, as_number, as_directory, as_path, file_times,
	     as_at_flags),
	CALL(statfs, as_number, as_path, as_address),
	CALL(fstatfs, as_number, as_number, as_address),
	{ .name = NULL },
};
