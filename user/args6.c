/*
 * All six arguments of a call arrive. mmap takes six; here each is varied
 * while the others stay, and each has an effect of its own that can be seen.
 * The sixth is the one that a C handler gets on its stack.
 *
 * Whether memory can be read or written is asked of the kernel: a write to a
 * pipe from it, or a read from the pipe into it, gives -EFAULT where not.
 */
#include <user.h>

/* Four pages of address space that are ours to map over. */
static char *area;
static int to_us, from_us; /* the pipe's ends */

static const int rw = PROT_READ | PROT_WRITE;
static const int anywhere = MAP_PRIVATE | MAP_ANONYMOUS;
static const int right_there = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;

static bool readable(const char *byte)
{
	char c;

	return write(from_us, byte, 1) == 1 && read(to_us, &c, 1) == 1;
}

static bool writable(char *byte)
{
	char c;

	write(from_us, "w", 1);
	if (read(to_us, byte, 1) == 1)
		return true;
	read(to_us, &c, 1); /* it is still in the pipe */
	return false;
}

static void vary_address_and_length(void)
{
	char *second = area + PAGE_SIZE;

	munmap(area, 4 * PAGE_SIZE);
	check_equal("argument 1: mapped at one address",
		    mmap(area, PAGE_SIZE, rw, right_there, -1, 0), (long)area);
	check_equal("argument 1: mapped at another",
		    mmap(second, PAGE_SIZE, rw, right_there, -1, 0),
		    (long)second);
	munmap(area, 4 * PAGE_SIZE);
	mmap(area, PAGE_SIZE, rw, right_there, -1, 0);
	check(readable(area) && !readable(area + PAGE_SIZE),
	      "argument 2: one page is one page");
	mmap(area, 3 * PAGE_SIZE, rw, right_there, -1, 0);
	check(readable(area + 2 * PAGE_SIZE) && !readable(area + 3 * PAGE_SIZE),
	      "argument 2: three pages are three");
}

static void vary_protection_and_flags(void)
{
	long elsewhere;

	mmap(area, PAGE_SIZE, rw, right_there, -1, 0);
	check(readable(area) && writable(area),
	      "argument 3: to read and write");
	mmap(area, PAGE_SIZE, PROT_READ, right_there, -1, 0);
	check(readable(area) && !writable(area), "argument 3: only to read");
	elsewhere = mmap(area, PAGE_SIZE, rw, anywhere, -1, 0);
	check(elsewhere > 0 && elsewhere != (long)area,
	      "argument 4: the address is a wish");
	check_equal("argument 4: the address is an order",
		    mmap(area, PAGE_SIZE, rw, right_there, -1, 0), (long)area);
	check_equal("argument 4: neither private nor shared",
		    mmap(area, PAGE_SIZE, rw, MAP_ANONYMOUS, -1, 0), -EINVAL);
}

static void vary_file_and_offset(void)
{
	const long no_device = -19; /* ENODEV: a pipe cannot be mapped */

	check_equal("argument 5: no such file",
		    mmap(NULL, PAGE_SIZE, PROT_READ, MAP_PRIVATE, 99, 0),
		    -EBADF);
	check_equal("argument 5: a file that cannot be mapped",
		    mmap(NULL, PAGE_SIZE, PROT_READ, MAP_PRIVATE, to_us, 0),
		    no_device);
	check_equal("argument 6: an offset of a page",
		    mmap(area, PAGE_SIZE, rw, right_there, -1, PAGE_SIZE),
		    (long)area);
	check_equal("argument 6: an offset of one byte",
		    mmap(area, PAGE_SIZE, rw, right_there, -1, 1), -EINVAL);
	check_equal("argument 6: all bits set",
		    mmap(area, PAGE_SIZE, rw, right_there, -1, -1), -EINVAL);
}

int main(void)
{
	int fds[2];

	area = map_pages(4);
	if (!area || pipe(fds) < 0)
		return 1;
	to_us = fds[0];
	from_us = fds[1];
	vary_address_and_length();
	vary_protection_and_flags();
	vary_file_and_offset();
	return check_done();
}
