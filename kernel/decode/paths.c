/*
 * paths: the calls that take a path.
 */
#include "decode/decode.h"

#include "print.h"
#include "files/file.h"
#include "files/path.h"

#define O_TMPFILE_ALONE 020000000

FLAGS(rename, rename_flags)

void as_directory(const struct call *c, uint64_t value)
{
	if ((int)value == AT_FDCWD)
		kprintf("AT_FDCWD");
	else
		as_number(c, value);
}

void as_at_flags(const struct call *c, uint64_t flags)
{
	(void)c;
	put_flags(&at_flags, (uint32_t)flags);
}

/* Open's flags, and its mode where there is one. */
static void opening(const struct call *c, uint64_t flags)
{
	as_status_flags(c, flags);
	if (flags & (O_CREAT | O_TMPFILE_ALONE)) {
		kprintf(", ");
		as_mode(c, next_argument(c));
	}
}

const struct row path_rows[] = {
	CALL(open, as_number, as_path, opening),
	CALL(openat, as_number, as_directory, as_path, opening),
	CALL(creat, as_number, as_path, as_mode),
	CALL(mkdir, as_number, as_path, as_mode),
	CALL(mkdirat, as_number, as_directory, as_path, as_mode),
	CALL(rmdir, as_number, as_path),
	CALL(unlink, as_number, as_path),
	CALL(unlinkat, as_number, as_directory, as_path, as_at_flags),
	CALL(link, as_number, as_path, as_path),
	CALL(linkat, as_number, as_directory, as_path, as_directory, as_path,
	     as_at_flags),
	CALL(symlink, as_number, as_path, as_path),
	CALL(symlinkat, as_number, as_path, as_directory, as_path),
	CALL(readlink, as_number, as_path, when_done, as_received, as_size),
	CALL(readlinkat, as_number, as_directory, as_path, when_done,
	     as_received, as_size),
	CALL(rename, as_number, as_path, as_path),
	CALL(renameat, as_number, as_directory, as_path, as_directory, as_path),
	CALL(renameat2, as_number, as_directory, as_path, as_directory, as_path,
	     rename),
	CALL(truncate, as_number, as_path, as_size),
	CALL(chdir, as_number, as_path),
	CALL(getcwd, as_number, when_done, as_path, as_size),
	CALL(umask, as_mode, as_mode),
	{ .name = NULL },
};
