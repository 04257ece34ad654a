/*
 * tree: all files, from the root down: those of the archive and the kernel's own
 * at the start, and what programs make.
 */
#ifndef TREE_H
#define TREE_H

#include "files/inode.h"

/* Makes the tree. Panics if there is no memory for it. */
void tree_init(void);

struct inode *tree_root(void);

#endif
