/*
 * words: from left to right, a character at a time.
 */
#include "shell/words.h"

bool complain(const char *what)
{
	dprintf(2, "sh: %s\n", what);
	last_status = 2;
	return false;
}

static bool put_char(struct pipeline *p, char c)
{
	if (p->bytes_used == sizeof(p->bytes))
		return complain("the words are too long");
	p->bytes[p->bytes_used++] = c;
	return true;
}

static bool put_status(struct pipeline *p)
{
	char digits[16];
	bool fits = true;

	snprintf(digits, sizeof(digits), "%d", last_status);
	for (const char *d = digits; *d; d++)
		fits = fits && put_char(p, *d);
	return fits;
}

static const char *skip_blanks(const char *s)
{
	while (*s == ' ' || *s == '\t')
		s++;
	if (*s == '#')
		s = strchr(s, '\n') ? strchr(s, '\n') : s + strlen(s);
	return s;
}

static bool ends_word(char c)
{
	return !c || strchr(" \t\n;&|<>", c);
}

/* The operator at s, or NULL. A newline is as good as a semicolon. */
static const char *operator_at(const char *s)
{
	static const char *const all[] = { "&&", "||", ";", "&", "|", "\n" };

	for (size_t i = 0; i < COUNT(all); i++)
		if (strncmp(s, all[i], strlen(all[i])) == 0)
			return all[i];
	return NULL;
}

/* Copies one word without its quotes; NULL after a complaint. */
static char *parse_word(struct pipeline *p, const char **cursor)
{
	char *word = p->bytes + p->bytes_used;
	const char *s = *cursor;
	char quote = 0;
	bool fits = true;

	for (; fits && (quote ? *s : !ends_word(*s)); s++) {
		if (*s == quote)
			quote = 0;
		else if (!quote && (*s == '\'' || *s == '"'))
			quote = *s;
		else if (quote != '\'' && s[0] == '$' && s[1] == '?')
			fits = put_status(p), s++;
		else if (quote != '\'' && s[0] == '\\' && s[1])
			fits = put_char(p, *++s);
		else
			fits = put_char(p, *s);
	}
	if (quote && fits)
		fits = complain("a quote is not closed");
	*cursor = s;
	return fits && put_char(p, '\0') ? word : NULL;
}

static bool add_word(struct pipeline *p, char *word)
{
	if (p->word_count == MAX_WORDS)
		return complain("too many words");
	p->words[p->word_count++] = word;
	return true;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* < > >> with a digit before it or none, and & after it or none. False, and
 * takes nothing, if it is none of these. */
static bool take_arrow(const char **cursor, struct redirection *r, bool *same)
{
	const char *s = *cursor;
	bool numbered = is_digit(s[0]) && (s[1] == '<' || s[1] == '>');
	char arrow = s[numbered];

	if (arrow != '<' && arrow != '>')
		return false;
	r->fd = numbered ? s[0] - '0' : arrow == '>';
	s += numbered + 1;
	r->flags = arrow == '<' ? O_RDONLY : O_WRONLY | O_CREAT | O_TRUNC;
	if (arrow == '>' && *s == '>') {
		r->flags = O_WRONLY | O_CREAT | O_APPEND;
		s++;
	}
	*same = *s == '&';
	*cursor = skip_blanks(s + *same);
	return true;
}

/* What follows the arrow. False after a complaint. */
static bool parse_target(struct pipeline *p, const char **cursor,
			 struct redirection *r, bool same)
{
	unsigned long number = 0;
	const char *word;

	if (ends_word(**cursor))
		return complain(same ? "a file number must follow >&"
				     : "a file name must follow < or >");
	word = parse_word(p, cursor);
	if (!word)
		return false;
	r->path = same ? NULL : word;
	if (same && !parse_number(word, &number))
		return complain("a file number must follow >&");
	r->same_as = (int)number;
	return true;
}

/* The words and redirections of one stage. False after a complaint. */
static bool parse_stage(struct pipeline *p, const char **cursor)
{
	struct stage *stage = &p->stages[p->count];

	stage->argv = p->words + p->word_count;
	stage->redirections = p->redirections + p->redirection_count;
	stage->redirection_count = 0;
	for (;;) {
		struct redirection r;
		bool same;
		char *word;

		*cursor = skip_blanks(*cursor);
		if (take_arrow(cursor, &r, &same)) {
			if (!parse_target(p, cursor, &r, same))
				return false;
			if (p->redirection_count == MAX_REDIRECTIONS)
				return complain("too many files");
			p->redirections[p->redirection_count++] = r;
			stage->redirection_count++;
			continue;
		}
		if (ends_word(**cursor))
			return add_word(p, NULL);
		word = parse_word(p, cursor);
		if (!word || !add_word(p, word))
			return false;
	}
}

/* An empty line is right, an empty command is not. */
static bool is_empty_line(const struct pipeline *p)
{
	return p->count == 0 && p->redirection_count == 0 &&
	       strchr("\n", *p->end);
}

bool parse_pipeline(struct pipeline *p, const char **cursor)
{
	p->count = p->word_count = p->redirection_count = p->bytes_used = 0;
	p->text = skip_blanks(*cursor);
	do {
		if (p->count == MAX_STAGES)
			return complain("the pipeline is too long");
		if (!parse_stage(p, cursor))
			return false;
		p->end = operator_at(*cursor);
		if (!p->end)
			p->end = "";
		p->text_length = (size_t)(*cursor - p->text);
		*cursor += strlen(p->end);
		if (!p->stages[p->count].argv[0]) {
			if (is_empty_line(p))
				return true;
			dprintf(2, "sh: a command is missing%s%s\n",
				*p->end > ' ' ? " before " : "",
				*p->end > ' ' ? p->end : "");
			last_status = 2;
			return false;
		}
		p->count++;
	} while (strcmp(p->end, "|") == 0);
	return true;
}
