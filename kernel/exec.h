/*
 * exec: a program from its file: ELF64, for x86-64, static, at fixed addresses or
 * at any; or a script, which names the program that reads it.
 * Source: System V gABI, chapters 4 and 5; psABI for AMD64, section 3.4.
 */
#ifndef EXEC_H
#define EXEC_H

#include "proc.h"

#define ARGS_SIZE 0x20000 /* bytes, with eight for each address */

/* Arguments, and the environment after them, as strings one after the other. */
struct exec_args {
	int argc, envc;
	size_t size; /* bytes of text in use */
	char text[ARGS_SIZE];
};

/* The one that there is, made empty: nobody else runs until it is used. */
struct exec_args *exec_args(void);

/* Add a string: first all arguments, then the environment. Return 0 or -E2BIG. */
int exec_add_argument(struct exec_args *args, const char *string);
int exec_add_environment(struct exec_args *args, const char *string);

/* Replaces the program of p, which is the current process or a new one, by the
 * file, and calls it by the last part of name; p->start_rip and p->start_rsp say
 * where to begin. Returns 0, or a negative error and has changed nothing: -EACCES
 * (no regular, executable file), -ENOEXEC, -ENOMEM. */
int exec_load(struct proc *p, struct inode *file, const char *name,
	      const struct exec_args *args);

/* The call. Does not return when it succeeds. */
long sys_execve(uint64_t path, uint64_t argv, uint64_t envp);

#endif
