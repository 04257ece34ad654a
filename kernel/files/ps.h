/* ps: /proc/ps, the list of processes. */
#ifndef PS_H
#define PS_H

#include "files/file.h"

extern const struct file_ops ps_ops;

#endif
