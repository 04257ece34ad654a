# Threshold: `make help` lists what a person types. Products lie under build/.

# What may be chosen on the command line, as in `make qemu FIRMWARE=seabios`.
PROG     ?=# first program and its arguments: "/bin/regs 42", forktree
ADD      ?=# more files for the archive, each one as /bin/NAME
APPEND   ?=# kernel options: hz=1000
FIRMWARE ?= qboot
CPU      ?=
MEM      ?=
ICOUNT   ?=# shift=0,sleep=off counts instructions instead of time
ONE_BY_ONE ?=# 1 takes interrupts between any two instructions
GDB      ?=# 1 waits for a debugger on build/gdb.sock
TIMEOUT  ?= 600
QEMUFLAGS ?=
JOBS     ?= 2
WERROR   ?=# 1 makes a warning in our own files an error, as CI does
PYTHON   ?= /usr/bin/python3
V        ?=# 1 shows every command whole
export PYTHONDONTWRITEBYTECODE := 1
export PROG APPEND FIRMWARE CPU MEM ICOUNT ONE_BY_ONE GDB TIMEOUT QEMUFLAGS PYTHON

# Names that others chose are text, for no make and no shell to read: the programs
# take them from the environment.
override SUBMISSION := $(value SUBMISSION)
override IN := $(value IN)
override OUT := $(value OUT)
export SUBMISSION IN OUT

# The compiler for x86-64 is looked for at its first use, not here: the set-up
# check may only just have installed it.
TOOLPREFIX = $(eval TOOLPREFIX := $(shell sh kernel/host/doctor.sh toolprefix))$(TOOLPREFIX)
CC      = $(or $(KERNEL_CC),$(TOOLPREFIX)gcc)
LD      = $(TOOLPREFIX)ld
NM      = $(TOOLPREFIX)nm
AR      = $(TOOLPREFIX)ar
OBJCOPY = $(TOOLPREFIX)objcopy

# CC=clang-16, or another from 16 on, compiles the kernel and the programs instead.
# What make starts finds the choice in KERNEL_CC: a CC of the person's environment is
# none. Another compiler makes every object anew.
ifeq ($(origin CC),command line)
export KERNEL_CC := $(CC)
endif
MADE_BY := build/made-by-$(or $(notdir $(firstword $(KERNEL_CC))),gcc)
ANEW := $(if $(wildcard $(MADE_BY)),,FORCE)
# --target: the same ELF whatever machine clang runs on.
# -finline-hint-functions, -fno-optimize-sibling-calls: inlined is what says inline,
# and whoever calls stays on the stack, as by GCC's -Og.
# -gdwarf-4, -gdwarf-aranges: what reads symbols for the graders takes no checksums
# of files, and wants to know which file an address is from.
# -fno-addrsig: no section for a linker that folds functions.
# -Wno-unused-function: a lab that is not begun calls no helper yet, and GCC is silent.
CLANG := $(if $(findstring clang,$(KERNEL_CC)),--target=x86_64-elf \
	-finline-hint-functions -fno-optimize-sibling-calls -gdwarf-4 \
	-gdwarf-aranges -fno-addrsig -Wno-unused-function)

Q := $(if $(V),,@)

# -MMD -MP: each object notes the headers it was made from.
# -fno-asynchronous-unwind-tables: no .eh_frame in memory; GDB has .debug_frame.
# -fcf-protection=none: no endbr64 in front of what students step through.
CFLAGS := -std=gnu11 -g -Wall -Wextra $(if $(WERROR),-Werror) -MMD -MP \
	-ffreestanding -fno-stack-protector -fno-pic -fno-pie \
	-fcf-protection=none -fno-asynchronous-unwind-tables $(CLANG)

# -mcmodel=kernel: the kernel is linked in the top 2 GB, above 32-bit reach.
# -mno-red-zone: an interrupt in ring 0 pushes at RSP, where the zone would be.
# -mgeneral-regs-only: XMM and x87 hold the user's values; a switch saves them.
# -fno-omit-frame-pointer: panic() and GDB walk the stack by RBP.
KERNEL_CFLAGS := $(CFLAGS) -Og -mcmodel=kernel -mno-red-zone \
	-mgeneral-regs-only -fno-omit-frame-pointer -Ikernel
USER_CFLAGS := $(CFLAGS) -O2 -Iuser/lib -Iuser

# -z max-page-size: sections are aligned to 4 KB pages, not to 2 MB.
# -z norelro, --build-id=none: no segment and no note that nothing here reads.
LDFLAGS := -m elf_x86_64 -nostdlib -static -z max-page-size=4096 \
	-z noexecstack -z norelro --build-id=none --fatal-warnings

KERNEL_OBJS := $(patsubst %,build/%.o,$(sort $(wildcard kernel/*.[cS] kernel/*/*.c)))
LIB_OBJS := $(patsubst %,build/%.o,$(sort $(wildcard user/lib/*.c user/lib/*.S)))
SH_OBJS := $(patsubst %,build/%.o,$(sort $(wildcard user/shell/*.c)))
STRESS_OBJS := $(patsubst %,build/%.o,$(sort $(wildcard user/fuzz/*.c)))
PROGRAMS := $(patsubst user/%.c,build/user/%,$(sort $(wildcard user/*.c)))
INITRD := build/initrd$(if $(ADD),-add).cpio
C_FILES = $(wildcard $(foreach d,kernel kernel/* user user/* grade/* grade/*/*,$d/*.[ch]))
export INITRD

.PHONY: all qemu run gdb rewind trace try book check grade result handin challenge bench doctor format format-check clean help FORCE
.DELETE_ON_ERROR:
.SECONDARY:

all: build/kernel.elf build/initrd.cpio build/compile_commands.json

# In a student's tree the graders are all the tests there are. The others, and
# every target that needs the solved tree, are the teacher's.
CHECK = $(PYTHON) grade/grade.py
-include labs/teacher.mk

# ---- what a person types ---------------------------------------------------

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' \
		$(filter Makefile %.mk,$(MAKEFILE_LIST))
	@echo 'Choices: PROG="/bin/regs 42" ADD=path FIRMWARE=seabios|qboot MEM=128 CPU='
	@echo '         APPEND=hz=1000 ICOUNT=shift=0,sleep=off QEMUFLAGS= GDB=1 V=1'
	@echo '         ONE_BY_ONE=1 CC=clang-16 WERROR=1'

qemu: all $(INITRD) ## boot to the shell, or into PROG; Ctrl-A X leaves
	@$(if $(GDB),echo 'QEMU waits: type make gdb in another terminal.')
	@sh kernel/host/run.sh terminal

run: all $(INITRD) ## run PROG without a terminal and report its status
	@sh kernel/host/run.sh batch

gdb: all $(INITRD) build/tools-gdb ## boot under GDB, in two panes where tmux is
	@sh kernel/host/debug.sh

rewind: all $(INITRD) build/tools-grade ## record PROG, then step it backwards in GDB
	@PYTHONPATH=grade $(PYTHON) -m replay.rewind

# COMPARE=other.json: the page compares the two traces. NOTES=file: sentences that
# it shows at its steps (docs/player/notes.py).
trace: TRACE = $(or $(OUT),build/trace.json)
trace: all build/tools-grade ## record one call of PROG (NR=write COUNT=2 BODY=all)
	@PYTHONPATH=grade $(PYTHON) -m replay.trace '$(PROG)' --number '$(NR)' $(if $(COUNT),--count $(COUNT)) \
		$(if $(BODY),--body $(BODY)) $(if $(DEPTH),--depth $(DEPTH)) $(if $(LIMIT),--limit $(LIMIT)) \
		--output '$(TRACE)'
	@$(PYTHON) docs/player/page.py '$(basename $(TRACE)).html' '$(TRACE)' $(COMPARE) \
		$(if $(NOTES),--notes '$(NOTES)')

try: ## a page in which syscall_entry can be changed and tried
	@$(PYTHON) docs/player/stub.py '$(or $(OUT),build/try.html)'

book: all build/tools-book ## make the book: build/book/html (LAB=2: its students')
	@$(PYTHON) docs/book.py $(if $(LAB),--lab '$(LAB)')

check: all build/tools-check ## run every test
	@$(CHECK)

grade: build/tools-grade ## the labs' verdict: LAB=3 TEST=word SEED=n
	@$(PYTHON) grade/grade.py $(if $(LAB),--lab $(LAB)) \
		$(if $(TEST),--test '$(TEST)') $(if $(SEED),--seed $(SEED))

result: build/tools-grade ## the last verdict in another form: FORMAT=csv
	@$(PYTHON) grade/grade.py --format $(or $(FORMAT),terminal)

handin: build/tools-grade ## grade, and pack what is handed in: LAB=3
	@$(PYTHON) grade/handin.py $(if $(LAB),--lab $(LAB))

challenge: all build/tools-grade ## look at a challenge's solution: LAB=3
	@$(PYTHON) -m pytest -qq -s --tb=no -rN -o addopts= \
		grade/challenges/test_challenge_$(or $(LAB),*).py

bench: all build/tools-check ## count instructions and time the boot
	@$(PYTHON) grade/bench.py

doctor: ## say what is installed and what is missing
	@sh kernel/host/doctor.sh report

format: build/tools-check ## lay out the C files by .clang-format
	clang-format -i $(C_FILES)

format-check: build/tools-check ## say which C files are not laid out so
	clang-format --dry-run --Werror $(C_FILES)

clean: ## remove build/
	rm -rf build

# ---- set-up ----------------------------------------------------------------

# Installs what is missing, or says how to; the stamp makes it cost nothing
# when all was there.
build/tools-%: kernel/host/doctor.sh
	@mkdir -p build
	@sh kernel/host/doctor.sh install $*
	@touch $@

# ---- kernel ----------------------------------------------------------------

# Each object leaves its own command beside it, for compile_commands.json.
define compile
	@mkdir -p $(@D)
	@echo 'CC $<'
	$(Q)$(CC) $1 -c -o $@ $<
	@printf '{"directory": "%s", "file": "%s", "command": "%s"},\n' \
		'$(CURDIR)' '$<' '$(CC) $1 -c -o $@ $<' > $@.json
endef

$(MADE_BY):
	@mkdir -p build
	@rm -f build/made-by-*
	@touch $@

build/kernel/%.o: kernel/% Makefile $(ANEW) | build/tools-build $(MADE_BY)
	$(call compile,$(KERNEL_CFLAGS))

# The kernel is linked twice: the first ELF tells the addresses of its
# functions, the second carries them in .ksyms for panic's backtrace. The
# section lies after the code, so no function moves; the comparison proves it.
build/kernel.elf: build/ksyms.o $(KERNEL_OBJS) kernel/kernel.ld
	@echo 'LD $@'
	$(Q)$(LD) $(LDFLAGS) -T kernel/kernel.ld -o $@ $(KERNEL_OBJS) build/ksyms.o
	@sh kernel/host/ksyms.sh $(NM) $@ | cmp - build/ksyms.S

build/kernel-first.elf: build/ksyms-first.o $(KERNEL_OBJS) kernel/kernel.ld
	$(Q)$(LD) $(LDFLAGS) -T kernel/kernel.ld -o $@ $(KERNEL_OBJS) $<

build/ksyms.S: build/kernel-first.elf kernel/host/ksyms.sh
	$(Q)sh kernel/host/ksyms.sh $(NM) $< > $@

build/ksyms-first.S: kernel/host/ksyms.sh | build/tools-build
	$(Q)sh kernel/host/ksyms.sh > $@

build/%.o: build/%.S
	$(Q)$(CC) $(CLANG) -c -o $@ $<

# ---- user programs and their archive ---------------------------------------

build/user/%.o: user/% Makefile $(ANEW) | build/tools-build $(MADE_BY)
	$(call compile,$(USER_CFLAGS))

build/user/lib.a: $(LIB_OBJS)
	@rm -f $@
	$(Q)$(AR) rcD $@ $^

# Two programs have rooms of their own.
build/user/sh: $(SH_OBJS)
build/user/stress: $(STRESS_OBJS)

build/user/%: build/user/%.c.o build/user/lib.a
	@echo 'LD $@'
	$(Q)$(LD) $(LDFLAGS) -e _start -o $@ $(filter %.o,$^) build/user/lib.a

# A newc archive that depends on nothing but its files: fixed owner, mode,
# time and order. Programs go in without their debug sections, which GDB reads
# from build/user.
$(INITRD): $(PROGRAMS) $(wildcard user/etc/*) $(if $(ADD),FORCE) Makefile
	@rm -rf build/root && mkdir -p build/root/bin build/root/etc
	@for program in $(PROGRAMS); do \
		$(OBJCOPY) --strip-debug $$program build/root/bin/$${program##*/}; \
	done
	@$(if $(ADD),cp -f $(ADD) build/root/bin/)
	@cp user/etc/* build/root/etc/
	@chmod 755 build/root/bin/* && chmod 644 build/root/etc/*
	@find build/root -exec touch -h -d @0 {} +
	@echo 'CPIO $@'
	$(Q)cd build/root && find bin etc | LC_ALL=C sort | \
		cpio --quiet -o -H newc -R 0:0 --reproducible > ../$(@F)

# Of the objects that there are: a file that has moved leaves its old note behind.
build/compile_commands.json: $(KERNEL_OBJS) $(LIB_OBJS) $(SH_OBJS) $(STRESS_OBJS) $(PROGRAMS)
	@(echo '['; cat $(addsuffix .json,$(filter %.o,$^) $(PROGRAMS:=.c.o)) | \
		sed '$$s/,$$//'; echo ']') > $@

-include $(wildcard build/kernel/*.d build/kernel/*/*.d build/user/*.d build/user/*/*.d)
