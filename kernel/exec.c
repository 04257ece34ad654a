/*
 * exec: read the ELF header, make an area of each segment, lay out the stack.
 *
 * Nothing of the file is copied here: a segment's pages come when they are
 * touched. All is built in a new address space, which takes the old one's place
 * only when nothing can fail any more.
 */
#include "exec.h"

#include "errno.h"
#include "hooks.h"
#include "string.h"
#include "per_cpu.h"
#include "user_copy.h"
#include "random.h"
#include "files/regular.h"
#include "files/path.h"

#define SEGMENTS_MAX      32

#define ELF_MAGIC         0x464c457f /* 7f 'E' 'L' 'F' */
#define ELF_CLASS_64      2
#define ELF_LITTLE_ENDIAN 1
#define ELF_PAD           9
#define ELF_EXECUTABLE    2
#define ELF_ANYWHERE      3 /* no shared library, where it names no linker */
#define ELF_X86_64        62
#define ELF_LOAD          1
#define ELF_INTERPRETER   3
#define ELF_GNU_STACK     0x6474e551
#define SEGMENT_X         1
#define SEGMENT_W         2
#define SEGMENT_R         4

#define PIE_BASE          0x555555400000 /* where a program for any address goes */

#define SCRIPT_LINE       256 /* bytes that are read of a script */
#define SCRIPTS_MAX       5   /* whose interpreters are scripts */

struct elf_header {
	uint32_t magic;
	uint8_t class, data, version, pad[ELF_PAD];
	uint16_t type, machine;
	uint32_t version2;
	uint64_t entry, segments, sections;
	uint32_t flags;
	uint16_t size, segment_size, segment_count;
	uint16_t section_size, section_count, section_names;
};

struct elf_segment {
	uint32_t type, flags;
	uint64_t offset, va, pa, file_size, memory_size, align;
};

_Static_assert(sizeof(struct elf_header) == 64, "ELF64");
_Static_assert(sizeof(struct elf_segment) == 56, "ELF64");

/* The auxiliary vector's keys: psABI section 3.4.3. */
#define AT_NULL   0
#define AT_PHDR   3
#define AT_PHENT  4
#define AT_PHNUM  5
#define AT_PAGESZ 6
#define AT_ENTRY  9
#define AT_UID    11
#define AT_EUID   12
#define AT_GID    13
#define AT_EGID   14
#define AT_SECURE 23
#define AT_RANDOM 25

struct exec_args *exec_args(void)
{
	static struct exec_args args;

	args.argc = args.envc = args.size = 0;
	return &args;
}

/* Each string costs its bytes and its address: how long a call works on them has
 * an end, too. */
static bool fits(const struct exec_args *args, size_t length)
{
	size_t words = (args->argc + args->envc + 1) * sizeof(uint64_t);

	return args->size + length + words <= sizeof(args->text);
}

/* Adds a string at the end, which its place may already be. */
static int add_string(struct exec_args *args, const char *string, int *count)
{
	size_t length = strlen(string) + 1;

	if (!fits(args, length))
		return -E2BIG;
	memmove(args->text + args->size, string, length);
	args->size += length;
	(*count)++;
	return 0;
}

int exec_add_argument(struct exec_args *args, const char *string)
{
	return add_string(args, string, &args->argc);
}

int exec_add_environment(struct exec_args *args, const char *string)
{
	return add_string(args, string, &args->envc);
}

static void drop_first(struct exec_args *args)
{
	size_t length = strlen(args->text) + 1;

	args->size -= length;
	memmove(args->text, args->text + length, args->size);
	args->argc--;
}

static int put_first(struct exec_args *args, const char *string)
{
	size_t length = strlen(string) + 1;

	if (!fits(args, length))
		return -E2BIG;
	memmove(args->text + length, args->text, args->size);
	memcpy(args->text, string, length);
	args->size += length;
	args->argc++;
	return 0;
}

/* A program's headers, and its file. */
struct image {
	struct inode *file;
	struct elf_header elf;
	struct elf_segment segments[SEGMENTS_MAX];
};

static void move_to(struct image *image, uint64_t base)
{
	image->elf.entry += base;
	for (int i = 0; i < image->elf.segment_count; i++)
		image->segments[i].va += base;
}

/* Reads them. Returns 0, or -ENOEXEC if it is no program that can be run. */
static int read_headers(struct image *image, struct inode *file)
{
	const struct elf_header *elf = &image->elf;
	size_t size;

	image->file = file;
	if (regular_copy(file, 0, &image->elf, sizeof(*elf)) < sizeof(*elf) ||
	    elf->magic != ELF_MAGIC || elf->class != ELF_CLASS_64 ||
	    elf->data != ELF_LITTLE_ENDIAN ||
	    (elf->type != ELF_EXECUTABLE && elf->type != ELF_ANYWHERE) ||
	    elf->machine != ELF_X86_64 ||
	    elf->segment_size != sizeof(struct elf_segment) ||
	    elf->segment_count == 0 || elf->segment_count > SEGMENTS_MAX)
		return -ENOEXEC;
	size = elf->segment_count * sizeof(struct elf_segment);
	if (regular_copy(file, elf->segments, image->segments, size) < size)
		return -ENOEXEC;
	if (elf->type == ELF_ANYWHERE)
		move_to(image, PIE_BASE);
	return 0;
}

/* The bytes of a file that was written are no archive's that stays: they are
 * copied now. */
static int copy_segment(struct vm *vm, const struct inode *file,
			const struct elf_segment *segment)
{
	for (uint64_t done = 0, piece; done < segment->file_size;
	     done += piece) {
		uint64_t va = segment->va + done;
		void *to = vm_page_for_write(vm, va);

		if (!to)
			return -ENOMEM;
		piece = PAGE_SIZE - va % PAGE_SIZE;
		if (piece > segment->file_size - done)
			piece = segment->file_size - done;
		regular_copy(file, segment->offset + done, to, piece);
	}
	return 0;
}

/* Makes an area of a segment that is to be loaded. */
static int add_segment(struct vm *vm, const struct inode *file,
		       const struct elf_segment *segment)
{
	uint64_t end = segment->va + segment->memory_size;
	int prot = (segment->flags & SEGMENT_R ? PROT_READ : 0) |
		   (segment->flags & SEGMENT_W ? PROT_WRITE : 0) |
		   (segment->flags & SEGMENT_X ? PROT_EXEC : 0);
	struct area area = {
		.start = page_down(segment->va),
		.end = page_up(end),
		.prot = prot,
	};
	int error;

	if (segment->memory_size == 0)
		return 0;
	if (segment->file_size > segment->memory_size ||
	    segment->offset > file->size ||
	    segment->file_size > file->size - segment->offset)
		return -ENOEXEC;
	/* Page 0 stays unmapped, and so does the stack's place. No program is
	 * larger than the machine's memory. */
	if (segment->va < PAGE_SIZE || segment->va >= USER_END ||
	    segment->memory_size > page_total() * PAGE_SIZE ||
	    area.end > USER_END - USER_STACK_SIZE)
		return -ENOEXEC;
	if (!area_is_free(&vm->areas, area.start, area.end))
		return -ENOEXEC;
	if (area.end > vm->brk)
		vm->brk_start = vm->brk = area.end;
	if (file->archived) {
		area.data = file->archived + segment->offset;
		area.data_start = segment->va;
		area.data_end = segment->va + segment->file_size;
		return area_add(&vm->areas, &area);
	}
	area.prot |= PROT_WRITE;
	error = area_add(&vm->areas, &area);
	if (error == 0)
		error = copy_segment(vm, file, segment);
	return error < 0 ? error : vm_protect(vm, area.start, area.end, prot);
}

static bool is_code(struct vm *vm, uint64_t va)
{
	const struct area *area = area_find(&vm->areas, va);

	return area && area->prot & PROT_EXEC;
}

static int load_segments(struct vm *vm, const struct image *image)
{
	const struct elf_segment *segment = image->segments;

	for (int i = 0; i < image->elf.segment_count; i++) {
		int error = 0;

		if (segment[i].type == ELF_INTERPRETER)
			return -ENOEXEC; /* it wants a dynamic linker */
		if (segment[i].type == ELF_LOAD)
			error = add_segment(vm, image->file, &segment[i]);
		if (error < 0)
			return error;
	}
	return is_code(vm, image->elf.entry) ? 0 : -ENOEXEC;
}

/* Where a program finds its own program headers, if a segment holds them. */
static uint64_t headers_va(const struct image *image)
{
	const struct elf_segment *segment = image->segments;
	uint64_t at = image->elf.segments;

	for (int i = 0; i < image->elf.segment_count; i++)
		if (segment[i].type == ELF_LOAD && at >= segment[i].offset &&
		    at - segment[i].offset < segment[i].file_size)
			return segment[i].va + at - segment[i].offset;
	return 0;
}

/* May the stack's bytes be executed? A program says so that builds code there. */
static int stack_prot(const struct image *image)
{
	int prot = PROT_READ | PROT_WRITE;

	for (int i = 0; i < image->elf.segment_count; i++)
		if (image->segments[i].type == ELF_GNU_STACK &&
		    image->segments[i].flags & SEGMENT_X)
			prot |= PROT_EXEC;
	return prot;
}

#define STACK_ALIGN 16
#define RANDOM_SIZE 16

static uint64_t stack_down(uint64_t address)
{
	return address & -(uint64_t)STACK_ALIGN;
}

/* A place in an address space that is not active yet, which goes up as it is
 * written to. */
struct cursor {
	struct vm *vm;
	uint64_t va;
	bool is_full; /* there was no page for a byte: nothing counts any more */
};

static void put(struct cursor *at, const void *from, size_t size)
{
	for (size_t done = 0, piece; done < size && !at->is_full;
	     done += piece) {
		void *to = vm_page_for_write(at->vm, at->va);

		piece = PAGE_SIZE - at->va % PAGE_SIZE;
		if (piece > size - done)
			piece = size - done;
		at->is_full = !to;
		if (to)
			memcpy(to, (const char *)from + done, piece);
		at->va += piece;
	}
}

#define WORDS 64 /* put together on the way to their place */

/* The addresses of count strings, which begin at va; and a zero. Returns where
 * the string after them begins. */
static const char *put_addresses(struct cursor *at, const char *string,
				 int count, uint64_t *va)
{
	uint64_t words[WORDS];
	int n = 0;

	for (int i = 0; i < count; i++) {
		size_t length = strlen(string) + 1;

		words[n++] = *va;
		*va += length;
		string += length;
		if (n == WORDS) {
			put(at, words, sizeof(words));
			n = 0;
		}
	}
	words[n++] = 0;
	put(at, words, n * sizeof(*words));
	return string;
}

/* Writes the start-up stack: from low to high argc, argv, 0, envp, 0, the
 * auxiliary vector, random bytes, the strings. Returns RSP, which must be a
 * multiple of 16, or 0 without memory. */
static uint64_t build_stack(struct vm *vm, const struct image *image,
			    const struct exec_args *args)
{
	uint64_t strings = stack_down(USER_END - args->size);
	uint64_t random = strings - RANDOM_SIZE;
	uint64_t argc = args->argc,
		 random_bytes[] = { random_next(), random_next() };
	uint64_t auxv[][2] = {
		{ AT_PHDR, headers_va(image) },
		{ AT_PHENT, sizeof(struct elf_segment) },
		{ AT_PHNUM, image->elf.segment_count },
		{ AT_PAGESZ, PAGE_SIZE },
		{ AT_ENTRY, image->elf.entry },
		{ AT_UID, 0 },
		{ AT_EUID, 0 },
		{ AT_GID, 0 },
		{ AT_EGID, 0 },
		{ AT_SECURE, 0 },
		{ AT_RANDOM, random },
		{ AT_NULL, 0 },
	};
	uint64_t words = 1 + args->argc + 1 + args->envc + 1;
	uint64_t rsp =
		stack_down(random - words * sizeof(uint64_t) - sizeof(auxv));
	struct cursor at = { .vm = vm, .va = rsp };
	const char *environment;

	put(&at, &argc, sizeof(argc));
	environment = put_addresses(&at, args->text, args->argc, &strings);
	put_addresses(&at, environment, args->envc, &strings);
	put(&at, auxv, sizeof(auxv));
	at.va = random;
	put(&at, random_bytes, sizeof(random_bytes));
	put(&at, args->text, args->size);
	return at.is_full ? 0 : rsp;
}

static void copy_base_name(char name[NAME_SIZE], const char *path)
{
	const char *slash;

	while ((slash = strchr(path, '/')))
		path = slash + 1;
	strlcpy(name, path, NAME_SIZE);
}

static bool is_program(const struct inode *file)
{
	return file->ops == &regular_ops && file->mode & S_IXALL;
}

int exec_load(struct proc *p, struct inode *file, const char *name,
	      const struct exec_args *args)
{
	struct area stack = {
		.start = USER_END - USER_STACK_SIZE,
		.end = USER_END,
	};
	static struct vm vm; /* these are too large for a kernel stack */
	static struct image image;
	uint64_t rsp = 0;
	int error;

	if (!is_program(file))
		return -EACCES;
	error = read_headers(&image, file);
	if (error == 0)
		error = vm_create(&vm);
	if (error < 0)
		return error;
	error = load_segments(&vm, &image);
	stack.prot = stack_prot(&image);
	if (error == 0)
		error = area_add(&vm.areas, &stack);
	if (error == 0) {
		rsp = build_stack(&vm, &image, args);
		error = rsp ? 0 : -ENOMEM;
	}
	if (error < 0) {
		vm_destroy(&vm);
		return error;
	}

	if (p == proc_current() && decode_call)
		decode_call(0); /* the arguments are in the old memory */
	if (p == proc_current())
		vm_activate(NULL);
	if (p->vm.pml4)
		proc_leave_vm(p);
	p->vm = vm;
	if (p == proc_current())
		vm_activate(&p->vm);
	p->start_rip = image.elf.entry;
	p->start_rsp = rsp;
	copy_base_name(p->name, name);
	return 0;
}

/* Adds the strings of a NULL-terminated array in the user's memory. */
static int copy_strings(struct exec_args *args, uint64_t array, int *count)
{
	for (;; array += sizeof(uint64_t)) {
		uint64_t string;
		size_t room = sizeof(args->text) - args->size;
		long length;
		int error = copyin(&string, array, sizeof(string));

		if (error < 0)
			return error;
		if (!string)
			return 0;
		length = copyinstr(args->text + args->size, string, room);
		if (length == -ENAMETOOLONG)
			return -E2BIG;
		if (length < 0)
			return length;
		error = add_string(args, args->text + args->size, count);
		if (error < 0)
			return error;
	}
}

/* Cuts what stands between blanks out of a line, and goes on after it. */
static char *next_blank(char *at)
{
	while (*at && *at != ' ' && *at != '\t')
		at++;
	return at;
}

static char *skip_blanks(char *at)
{
	while (*at == ' ' || *at == '\t')
		at++;
	return at;
}

/* A script's first line, without its "#!", blanks at its ends and the newline;
 * NULL: it is none, or the line is too long. */
static char *script_line(const struct inode *file, char line[SCRIPT_LINE])
{
	size_t size = regular_copy(file, 0, line, SCRIPT_LINE - 1);
	char *end;

	line[size] = 0;
	end = strchr(line, '\n');
	if (!end && size == SCRIPT_LINE - 1)
		return NULL;
	if (!end)
		end = line + strlen(line);
	while (end > line + 2 && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	*end = 0;
	return line[0] == '#' && line[1] == '!' ? skip_blanks(line + 2) : NULL;
}

/* The script's path takes the place of its first argument; before it come the
 * interpreter and the rest of the line, as one argument. */
static int call_interpreter(struct exec_args *args, char *interpreter,
			    const char *script)
{
	char *end = next_blank(interpreter), *rest = skip_blanks(end);
	int error;

	*end = 0;
	if (!*interpreter)
		return -ENOEXEC;
	drop_first(args);
	error = put_first(args, script);
	if (error == 0 && *rest)
		error = put_first(args, rest);
	return error < 0 ? error : put_first(args, interpreter);
}

/* Finds the file at a path, whose text goes to text: links change path's own. */
static int find_program(struct path *path, char text[PATH_MAX])
{
	int error;

	strlcpy(text, path->text, PATH_MAX);
	error = path_walk(path, FOLLOW);
	if (error == 0 && !path->inode)
		error = path_missing(path);
	if (error == 0 && !is_program(path->inode))
		error = -EACCES;
	return error;
}

/* From a script to what reads it, which may be a script. */
static int follow_scripts(struct path *path, char text[PATH_MAX],
			  struct exec_args *args)
{
	static char line[SCRIPT_LINE];
	char *interpreter;
	int error = 0, scripts = 0;

	while (error == 0 && (interpreter = script_line(path->inode, line))) {
		if (scripts++ == SCRIPTS_MAX)
			return -ELOOP;
		error = call_interpreter(args, interpreter, text);
		if (error < 0)
			return error;
		strlcpy(path->text, interpreter, sizeof(path->text));
		error = find_program(path, text);
	}
	return error;
}

long sys_execve(uint64_t user_path, uint64_t argv, uint64_t envp)
{
	static struct path path;
	static char text[PATH_MAX];
	struct exec_args *args = exec_args();
	char name[NAME_SIZE];
	int error = path_from_user(&path, AT_FDCWD, user_path);

	if (error < 0)
		return error;
	copy_base_name(name, path.text); /* a link's, not its target's */
	error = find_program(&path, text);
	if (error == 0 && argv)
		error = copy_strings(args, argv, &args->argc);
	if (error == 0 && args->argc == 0)
		error = exec_add_argument(args, "");
	if (error == 0 && envp)
		error = copy_strings(args, envp, &args->envc);
	if (error == 0)
		error = follow_scripts(&path, text, args);
	if (error == 0)
		error = exec_load(proc_current(), path.inode, name, args);
	if (error < 0)
		return error;
	signal_exec();
	fd_close_on_exec();
	proc_enter_user();
}
