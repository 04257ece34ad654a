/*
 * termios: what programs have asked of the terminal, in Linux's words:
 * man 3 termios says what each flag does. Kept, and without effect, are the flags
 * that have no name here.
 */
#ifndef TERMIOS_H
#define TERMIOS_H

#include "x86.h"

struct termios {
	uint32_t input, output, control, local; /* flags */
	uint8_t line, characters[19];
	uint32_t input_speed, output_speed; /* bits a second; nothing obeys */
};

/* Linux's struct termios2. Its first structure ended before the speeds. */
#define WITHOUT_SPEEDS offsetof(struct termios, input_speed)

_Static_assert(WITHOUT_SPEEDS == 36, "Linux's termios");
_Static_assert(sizeof(struct termios) == 44, "Linux's termios2");

/* Flags of what comes in, */
#define INLCR 0x40
#define IGNCR 0x80
#define ICRNL 0x100
/* of what goes out, */
#define OPOST 0x1
#define ONLCR 0x4
/* and of what happens here. */
#define ISIG    0x1
#define ICANON  0x2
#define ECHO    0x8
#define ECHOE   0x10
#define ECHOK   0x20
#define ECHONL  0x40
#define NOFLSH  0x80
#define TOSTOP  0x100
#define ECHOCTL 0x200
#define ECHOKE  0x800
#define IEXTEN  0x8000

/* Of the characters: which key does it. 0 there: none. */
#define VINTR        0
#define VQUIT        1
#define VERASE       2
#define VKILL        3
#define VEOF         4
#define VTIME        5 /* no key: tenths of a second, */
#define VMIN         6 /* and a number of bytes, that a read waits for */
#define VSUSP        10
#define VEOL         11
#define VWERASE      14
#define VEOL2        16

#define CTRL(letter) ((letter) - '@')
#define DELETE       0x7f

/* The one terminal's. tty_set changes it, all read it. */
extern struct termios termios;

static inline bool termios_local(uint32_t flag)
{
	return termios.local & flag;
}

/* Is c the key for what the index says? */
static inline bool termios_is_key(uint8_t c, int index)
{
	return c && termios.characters[index] == c;
}

#endif
