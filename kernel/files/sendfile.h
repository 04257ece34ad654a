/*
 * sendfile: a file's bytes to another file, in one call.
 */
#ifndef SENDFILE_H
#define SENDFILE_H

#include <stddef.h>
#include <stdint.h>

/* With Linux's arguments and results: man 2 sendfile. */
long sys_sendfile(int to, int from, uint64_t user_position, size_t size);

#endif
