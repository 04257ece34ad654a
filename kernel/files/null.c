/*
 * null: takes everything and holds nothing; zero: the same, and gives zeros.
 */
#include "files/null.h"

#include "errno.h"
#include "user_copy.h"

static long null_read(struct file *file, uint64_t buffer, size_t size)
{
	(void)file, (void)buffer, (void)size;
	return 0;
}

static long null_write(struct file *file, uint64_t buffer, size_t size)
{
	(void)file, (void)buffer;
	return size;
}

const struct file_ops null_ops = {
	.read = null_read,
	.write = null_write,
	.seekable = true,
};

static long zero_read(struct file *file, uint64_t buffer, size_t size)
{
	static const uint8_t zeros[PAGE_SIZE];
	size_t done = 0, piece;

	(void)file;
	for (; done < size; done += piece) {
		piece = PAGE_SIZE - (buffer + done) % PAGE_SIZE;
		if (piece > size - done)
			piece = size - done;
		if (copyout(buffer + done, zeros, piece) < 0)
			return done ? (long)done : -EFAULT;
	}
	return done;
}

const struct file_ops zero_ops = {
	.read = zero_read,
	.write = null_write,
	.seekable = true,
};
