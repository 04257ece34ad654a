/*
 * boot_info: what the loader left us: the command line, the archive given
 * with -initrd, and where the memory is.
 */
#ifndef BOOT_INFO_H
#define BOOT_INFO_H

#include "layout.h"
#include "x86.h"

#define MEMORY_RANGES     8
#define COMMAND_LINE_SIZE 1024

struct memory_range {
	uint64_t start, end; /* physical, whole pages */
};

struct boot_info {
	char command_line[COMMAND_LINE_SIZE];
	const uint8_t *initrd; /* by the direct map; NULL if none was given */
	uint64_t initrd_size;  /* bytes */
	/* Free memory between 1 MB and 4 GB: not the kernel, not the archive. */
	struct memory_range memory[MEMORY_RANGES];
	int memory_ranges;
	bool strace; /* strace=1: tell of each call */
};

extern struct boot_info boot_info;

/* Where C sees a physical address below 4 GB, and back. */
static inline void *pa_to_va(uint64_t pa)
{
	return (void *)(DIRECT_MAP + pa);
}

static inline uint64_t va_to_pa(const void *va)
{
	return (uint64_t)va - DIRECT_MAP;
}

/* Reads struct hvm_start_info at this physical address into boot_info. Panics
 * if it is none. */
void boot_info_init(uint64_t start_info);

/* Returns the number after "name=" among the kernel's own options (those in
 * front of init=), or missing if it is not there. */
uint64_t boot_option(const char *name, uint64_t missing);

/* Returns what follows "init=" to the end of the line, or NULL. */
const char *boot_option_init(void);

#endif
