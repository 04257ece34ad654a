/* null: /dev/null and /dev/zero. */
#ifndef NULL_H
#define NULL_H

#include "files/file.h"

extern const struct file_ops null_ops;
extern const struct file_ops zero_ops;

#endif
