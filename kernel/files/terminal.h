/* terminal: /dev/console and /dev/tty. */
#ifndef TERMINAL_H
#define TERMINAL_H

#include "files/file.h"

extern const struct file_ops terminal_ops;

#endif
