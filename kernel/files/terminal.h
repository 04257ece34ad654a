/* terminal: /dev/console and /dev/tty. */
#ifndef TERMINAL_H
#define TERMINAL_H

#include "files/file.h"

/* What ioctl is asked for; the settings, in terminal.c, are too. */
#define TCSBRK     0x5409
#define TIOCSCTTY  0x540e
#define TIOCGPGRP  0x540f
#define TIOCSPGRP  0x5410
#define TIOCGWINSZ 0x5413
#define TIOCSWINSZ 0x5414
#define TIOCNOTTY  0x5422
#define TIOCGSID   0x5429

extern const struct file_ops terminal_ops; /* of the console */
extern const struct file_ops tty_ops;      /* of the caller's terminal */

#endif
