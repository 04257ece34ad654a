/*
 * termios: as Linux sets up a serial line of 115200 baud.
 */
#include "termios.h"

#define CREAD   0x80
#define HUPCL   0x400
#define CLOCAL  0x800
#define CS8     0x30
#define B115200 0x1002

struct termios termios = {
	.input = ICRNL,
	.output = OPOST | ONLCR,
	.control = B115200 | CS8 | CREAD | HUPCL | CLOCAL,
	.local = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE |
		 IEXTEN,
	.characters = {
		[VINTR] = CTRL('C'),
		[VQUIT] = CTRL('\\'),
		[VERASE] = DELETE,
		[VKILL] = CTRL('U'),
		[VEOF] = CTRL('D'),
		[VMIN] = 1,
		[VSUSP] = CTRL('Z'),
		[VWERASE] = CTRL('W'),
	},
	.input_speed = 115200,
	.output_speed = 115200,
};
