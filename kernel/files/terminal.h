/* terminal: /dev/console and /dev/tty. */
#ifndef TERMINAL_H
#define TERMINAL_H

#include "files/file.h"

extern const struct file_ops terminal_ops; /* of the console */
extern const struct file_ops tty_ops;      /* of the caller's terminal */

#endif
