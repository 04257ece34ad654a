/*
 * What a lesson prints: one line for each fact, "regs: getpid … ok" or
 * "regs: getpid … WRONG", then their number. A test reads the last line and
 * the exit status, a person the lines above.
 */
#include "user.h"

static unsigned checks, failures;

static bool report(bool held, const char *what, const char *why)
{
	checks++;
	if (!held)
		failures++;
	printf("%s: %-52s %s%s\n", program_name, what, held ? "ok" : "WRONG",
	       why);
	return held;
}

bool check(bool held, const char *format, ...)
{
	char what[128];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(what, sizeof(what), format, arguments);
	va_end(arguments);
	return report(held, what, "");
}

bool check_equal(const char *what, long found, long expected)
{
	char why[80] = "";

	if (found != expected)
		snprintf(why, sizeof(why),
			 ": %ld (0x%lx), expected %ld (0x%lx)", found, found,
			 expected, expected);
	return report(found == expected, what, why);
}

int check_done(void)
{
	if (failures == 0)
		printf("%s: %u checks, all held\n", program_name, checks);
	else
		printf("%s: %u of %u checks failed\n", program_name, failures,
		       checks);
	return failures == 0 ? 0 : 1;
}
