/*
 * boot_info: the loader's structures.
 * Source: Xen's public header arch-x86/hvm/start_info.h, version 1.
 */
#include "boot_info.h"

#include "layout.h"
#include "string.h"
#include "panic.h"

/* EAX is no sign of PVH (qboot leaves Multiboot's there); this is. */
#define START_MAGIC 0x336ec578

struct start_info {
	uint32_t magic, version, flags, modules;
	uint64_t module_list, command_line, rsdp;
	uint64_t memory_map;
	uint32_t memory_entries, reserved;
};

struct module {
	uint64_t address, size, command_line, reserved;
};

#define MEMORY_RAM 1
#define DECIMAL    10
#define OPTION_MAX 1000000000

struct memory_entry {
	uint64_t address, size;
	uint32_t type, reserved;
};

extern const char kernel_end[];

struct boot_info boot_info;

/* Adds [start, end) less what is in use: the piece below a hole, the piece
 * above it. The holes lie in order of their addresses. */
static void add_memory(uint64_t start, uint64_t end,
		       const struct memory_range *holes, int count)
{
	for (int i = 0; i <= count; i++) {
		bool last = i == count;
		uint64_t stop =
			last || holes[i].start > end ? end : holes[i].start;

		if (start < stop && boot_info.memory_ranges < MEMORY_RANGES)
			boot_info.memory[boot_info.memory_ranges++] =
				(struct memory_range){
					page_up(start),
					stop & -(uint64_t)PAGE_SIZE
				};
		if (!last && holes[i].end > start)
			start = holes[i].end;
	}
}

static const char *skip_blanks(const char *at)
{
	while (*at == ' ')
		at++;
	return at;
}

static const char *skip_word(const char *at)
{
	while (*at && *at != ' ')
		at++;
	return skip_blanks(at);
}

/* Returns the value if at stands at name=, else NULL. */
static const char *option_value(const char *at, const char *name)
{
	size_t length = strlen(name);

	if (strncmp(at, name, length) != 0 || at[length] != '=')
		return NULL;
	return at + length + 1;
}

/* The value of name= when that begins a word of the kernel's, else NULL. */
static const char *find_option(const char *name)
{
	const char *at = skip_blanks(boot_info.command_line);

	for (; *at; at = skip_word(at)) {
		const char *value = option_value(at, name);

		if (value)
			return value;
		if (option_value(at, "init"))
			break; /* the rest is the program's */
	}
	return NULL;
}

/* A word that nobody asks for is a typing error: do not pass over it. */
static void check_options(void)
{
	const char *at = skip_blanks(boot_info.command_line);

	for (; *at && !option_value(at, "init"); at = skip_word(at))
		if (!option_value(at, "hz") && !option_value(at, "overflow") &&
		    !option_value(at, "strace"))
			panic("boot: the command line has an option that is "
			      "neither hz= nor init=: %s",
			      at);
}

void boot_info_init(uint64_t pa)
{
	const struct start_info *info = pa_to_va(pa);
	const struct memory_entry *entry;
	/* The first megabyte is the firmware's, then comes the kernel. */
	struct memory_range holes[2] = {
		{ 0, page_up((uint64_t)kernel_end - KERNEL_BASE) },
	};

	if (info->magic != START_MAGIC)
		panic("boot: this is no PVH start: %x instead of %x stands at "
		      "the address in EBX",
		      info->magic, START_MAGIC);
	if (info->version < 1)
		panic("boot: the loader gave no memory map (start_info "
		      "version %u)",
		      info->version);
	if (info->command_line)
		strlcpy(boot_info.command_line, pa_to_va(info->command_line),
			sizeof(boot_info.command_line));
	if (info->modules > 0) {
		const struct module *module = pa_to_va(info->module_list);

		boot_info.initrd = pa_to_va(module->address);
		boot_info.initrd_size = module->size;
		holes[1].start = module->address;
		holes[1].end = page_up(module->address + module->size);
	}

	check_options();
	boot_info.strace = boot_option("strace", 0);

	entry = pa_to_va(info->memory_map);
	for (uint32_t i = 0; i < info->memory_entries; i++) {
		uint64_t end = entry[i].address + entry[i].size;

		if (entry[i].type != MEMORY_RAM)
			continue;
		if (end > DIRECT_MAP_SIZE)
			end = DIRECT_MAP_SIZE;
		add_memory(entry[i].address, end, holes,
			   boot_info.initrd ? 2 : 1);
	}
}

uint64_t boot_option(const char *name, uint64_t missing)
{
	const char *at = find_option(name);
	uint64_t value = 0;

	if (!at)
		return missing;
	for (; *at && *at != ' '; at++) {
		if (*at < '0' || *at > '9' || value > OPTION_MAX)
			panic("boot: %s= on the command line wants a decimal "
			      "number",
			      name);
		value = value * DECIMAL + *at - '0';
	}
	return value;
}

const char *boot_option_init(void)
{
	return find_option("init");
}
