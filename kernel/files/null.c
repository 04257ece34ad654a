/*
 * null: takes everything and holds nothing.
 */
#include "files/null.h"

#include "initrd.h"

#define MODE          (S_IFCHR | 0620)
#define DEVICE_NUMBER 0x103 /* major 1, minor 3 */

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

static void null_stat(const struct node *node, struct stat *stat)
{
	(void)node;
	stat->mode = MODE;
	stat->special_device = DEVICE_NUMBER;
}

const struct file_ops null_ops = {
	.read = null_read,
	.write = null_write,
	.stat = null_stat,
	.seekable = true,
};
