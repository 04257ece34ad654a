/*
 * paths: names that are there, names in the playground, and none.
 */
#include "fuzz/fuzz.h"

/* Not the console: a read from it would wait for a person. */
static const char *const paths[] = {
	"/bin/true", "/",          "/etc/motd", "/no",  "/dev/null",
	"/proc/ps",  "/bin/true/", ".",         "..",   "bin/../bin/ls",
	"",          "/dev",       "//bin//ls", "/bin", "/dev/zero",
};

/* Paths in the playground, as the worker has made them up for one call. */
static char made_up[2][PATH_ROOM];

static bool is_made_up(long path)
{
	return path == (long)made_up[0] || path == (long)made_up[1];
}

char *append(char *end, const char *text)
{
	size_t length = strlen(text);

	memcpy(end, text, length + 1);
	return end + length;
}

/* No way leads out of the playground: ".." stands at the end only. */
static char *append_name(char *end, uint64_t *state)
{
	static const char *const odd[] = { ".", "", "...", " ", "\377\n" };
	uint64_t r = random_next(state);

	end = append(end, "/");
	if (r % 64 == 0) { /* as long as it may be, or one more */
		memset(end, 'n', NAME_ROOM);
		end[NAME_ROOM - 1 + r / 64 % 2] = '\0';
		return end + strlen(end);
	}
	if (r % 16 == 1)
		return append(end, odd[r / 16 % COUNT(odd)]);
	*end++ = (char)('a' + r / 16 % 4);
	*end = '\0';
	return end;
}

const char *draw_playground_path(uint64_t *state)
{
	static const char *const roots[] = { PLAYGROUND, "//tmp/./stress/",
					     PLAYGROUND "/../stress" };
	static const char *const ends[] = { "/", "/.", "/..", "//./" };
	static unsigned next;
	uint64_t r = random_next(state);
	char *path = made_up[next++ % COUNT(made_up)];
	char *end = append(path, roots[r % 8 < 2 ? r % 8 + 1 : 0]);

	r /= 8;
	if (r % 32 == 0) /* some are longer than any path may be */
		for (uint64_t i = r / 32 % 2100; i > 0; i--)
			end = append(end, "/.");
	r /= 32;
	for (uint64_t i = 0; i <= r % 3; i++)
		end = append_name(end, state);
	r /= 3;
	if (r % 8 == 0)
		append(end, ends[r / 8 % COUNT(ends)]);
	return path;
}

/* They lead nowhere, in circles, or to what is in the playground, too. */
const char *draw_link_target(uint64_t *state)
{
	static const char *const targets[] = {
		"a",     "b/c",      "../stress/c",     "./././d", PLAYGROUND,
		"a/b/c", "/no/such", PLAYGROUND "/b/d", "",
	};

	return targets[random_next(state) % COUNT(targets)];
}

const char *draw_path(uint64_t *state)
{
	uint64_t r = random_next(state);

	return r % 3 ? paths[r / 3 % COUNT(paths)]
		     : draw_playground_path(state);
}

/* One in four is of those that open has no name for. */
long draw_open_flags(uint64_t r)
{
	static const int flags[] = { O_CREAT,     O_CREAT,    O_EXCL,
				     O_TRUNC,     O_APPEND,   O_NONBLOCK,
				     O_DIRECTORY, O_NOFOLLOW, O_CLOEXEC };
	long result = (long)(r % 4);

	for (size_t i = 0; i < COUNT(flags); i++)
		if (r >> (4 + 2 * i) & 1 && r >> (5 + 2 * i) & 1)
			result |= flags[i];
	return r >> 32 & 3 ? result : result | 1L << (r >> 34) % 32;
}

void keep_files(struct call *call)
{
	long *a = call->arguments;
	size_t path = call->number == SYS_openat ? 1 : 0;

	if (call->number != SYS_open && call->number != SYS_openat)
		return;
	if (!is_made_up(a[path]))
		a[path + 1] &= ~(O_ACCMODE | O_CREAT | O_TRUNC);
}
