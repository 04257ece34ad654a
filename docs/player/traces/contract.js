/* What a system call may not change, and what became of it: the rules, and the
 * words, of the program `regs` (user/lib/registers.c). */
"use strict";

/* In the order in which `regs` asks whose pattern a value is. */
const PATTERNS = ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9",
  "r10", "r11", "r12", "r13", "r14", "r15", "rflags"];

/* What must be as before, besides RCX and R11, which SYSCALL itself uses. */
const KEPT = ["rbx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r12", "r13",
  "r14", "r15", "rflags", "gs_base", "kernel_gs_base", "fs_base", "cs", "ss"];

const SYSCALL_BYTES = 2n;

/* The register whose value before the call this is; undefined for nobody's. */
function ownerOf(before, value) {
  return PATTERNS.find((name) => before[name] === value);
}

/* What is checked of a call: {name, found, expected, right, owner} for each. `before`
 * is the state at the SYSCALL, `after` the one in ring 3, where `next` is to run. RCX
 * and R11 may hold what SYSCALL left in them or what they had before it. */
function checkKept(before, after, next = before.rip + SYSCALL_BYTES) {
  const checks = KEPT.filter((name) => before[name] !== undefined)
    .map((name) => [name, before[name], [before[name]]]);
  checks.push(["rcx", next, [next, before.rcx]],
    ["r11", before.rflags, [before.rflags, before.r11]], ["rip", next, [next]]);
  return checks.map(([name, expected, allowed]) => {
    const found = after[name], right = allowed.includes(found);
    const owner = right ? undefined : ownerOf(before, found);
    return { name, found, expected, right, owner: owner === name ? undefined : owner };
  });
}

/* The checks at the end of a section: of a call that came back, and of a forked
 * child, which must find what its parent had, and 0 in RAX; and when a signal's handler
 * is over, as if there had been none. A call that is to be made again finds all as it
 * was, its number in RAX as well. Undefined elsewhere. */
function checkSection(section) {
  const again = section.end.kind === "again";
  if (!again && !["returned", "elsewhere", "resumed"].includes(section.end.kind)) {
    return undefined;
  }
  const call = section.trace.section("call");
  if (!call || !["call", "child", "resume"].includes(section.id)) return undefined;
  const after = section.registersAt(section.length);
  const checks = again ? checkKept(call.start, after, call.start.rip)
    : checkKept(call.start, after);
  if (again || section.id === "child") {
    const expected = again ? call.start.rax : 0n, right = after.rax === expected;
    checks.push({ name: "rax", found: after.rax, expected, right,
      owner: right ? undefined : ownerOf(call.start, after.rax) });
  }
  return checks;
}

/* The outcome as a sentence. */
function checkedText(checks) {
  const wrong = checks.filter((check) => !check.right);
  if (!wrong.length) {
    return `✓ Checked: all ${checks.length} that a call may not change are right.`;
  }
  return `✗ ${wrong.map(({ name, found, owner }) => `${title(name)} came back ${
    owner ? `with ${title(owner)}'s pattern` : `as ${hex(found)}`}`).join("; ")}.`;
}
