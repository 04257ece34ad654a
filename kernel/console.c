/*
 * console: COM1, a 16550 UART.
 * Source: National Semiconductor PC16550D data sheet, section 8.
 */
#include "console.h"

#define COM1                 0x3f8
#define UART_DATA            (COM1 + 0)
#define UART_IER             (COM1 + 1) /* interrupt enable */
#define UART_FCR             (COM1 + 2) /* FIFO control */
#define UART_LCR             (COM1 + 3) /* line control */
#define UART_MCR             (COM1 + 4) /* modem control */
#define UART_LSR             (COM1 + 5) /* line status */

#define LCR_DLAB             0x80
#define LCR_8N1              0x03
#define FCR_ENABLE_AND_CLEAR 0x07
#define MCR_DTR_RTS_OUT2     0x0b /* OUT2 lets the interrupt through */
#define IER_RECEIVED         0x01
#define LSR_RECEIVED         0x01
#define LSR_SEND_EMPTY       0x20

#define FIFO_SIZE            16

void console_init(void)
{
	outb(UART_IER, 0);
	outb(UART_LCR, LCR_DLAB);
	outb(UART_DATA, 1); /* divisor 1: 115200 baud */
	outb(UART_IER, 0);
	outb(UART_LCR, LCR_8N1);
	outb(UART_FCR, FCR_ENABLE_AND_CLEAR);
	outb(UART_MCR, MCR_DTR_RTS_OUT2);
}

/* An empty FIFO takes 16 bytes, so its state is asked once in 16. */
void console_put(char c)
{
	static int room;

	if (room == 0) {
		while (!(inb(UART_LSR) & LSR_SEND_EMPTY))
			;
		room = FIFO_SIZE;
	}
	outb(UART_DATA, c);
	room--;
}

void console_write(const char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (bytes[i] == '\n')
			console_put('\r');
		console_put(bytes[i]);
	}
}

void console_enable_input(void)
{
	outb(UART_IER, IER_RECEIVED);
}

int console_getc(void)
{
	if (!(inb(UART_LSR) & LSR_RECEIVED))
		return -1;
	return inb(UART_DATA);
}
