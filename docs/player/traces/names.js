/* What the registers and flags are called. */
"use strict";

const SCHEMA = "threshold-trace/1";

const GENERAL = ["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9",
  "r10", "r11", "r12", "r13", "r14", "r15"];
const SYSTEM = ["cpl", "cs", "ss", "gs_base", "kernel_gs_base", "fs_base", "cr3"];
const SEGMENTS = ["ds", "es", "fs", "gs"];

/* RFLAGS: the bits that have a name (AMD APM vol. 1 section 3.1.4). */
const FLAGS = [
  ["CF", 0, "carry"], ["PF", 2, "parity"], ["AF", 4, "auxiliary carry"],
  ["ZF", 6, "zero"], ["SF", 7, "sign"], ["TF", 8, "trap: single step"],
  ["IF", 9, "interrupts are let in"], ["DF", 10, "direction: downwards"],
  ["OF", 11, "overflow"], ["IOPL", 12, "I/O privilege level", 2],
  ["NT", 14, "nested task"], ["RF", 16, "resume"],
  ["AC", 18, "alignment check, SMAP off"], ["ID", 21, "CPUID can be asked"],
].map(([name, bit, title, width = 1]) => ({ name, bit: BigInt(bit), title,
  mask: (1n << BigInt(width)) - 1n }));

/* What the words of the frame are, besides a register's value. */
const FRAME_NOTES = { rsp: "RSP", rax: "number; result", rcx: "RIP", r11: "RFLAGS",
  rdi: "arg. 1", rsi: "arg. 2", rdx: "arg. 3", r10: "arg. 4", r8: "arg. 5",
  r9: "arg. 6" };

/* The same in a sentence, where no heading says whose stack it is. */
function fieldNote(name) {
  const note = FRAME_NOTES[name];
  return note && /^R/.test(note) ? `the user's ${note}` : note || "";
}

const WORD = 8n;
const USER_END = 1n << 47n;

function hex(value) {
  return "0x" + value.toString(16);
}

/* Names of registers as a sentence has them. */
function title(name) {
  return { gs_base: "GS base", kernel_gs_base: "KERNEL_GS_BASE",
    fs_base: "FS base" }[name] || name.toUpperCase();
}
