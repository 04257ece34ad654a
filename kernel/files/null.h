/* null: /dev/null. */
#ifndef NULL_H
#define NULL_H

#include "files/file.h"

extern const struct file_ops null_ops;

#endif
