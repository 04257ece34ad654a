/*
 * processes: /proc, where the kernel tells of itself and of each process, in the
 * words of Linux's that ps, free and top read: man 5 proc.
 */
#ifndef PROCESSES_H
#define PROCESSES_H

#include "files/directory.h"

/* Texts that are made when they are read. */
extern const struct file_ops meminfo_ops;
extern const struct file_ops uptime_ops;
extern const struct file_ops loadavg_ops;
extern const struct file_ops cpu_ops;
extern const struct file_ops mounts_ops;

/* The directory of them, and of a directory for each process, with "self". */
extern const struct file_ops processes_ops;

#endif
