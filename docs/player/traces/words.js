/* What a step did, in words: true of what was recorded, never of what the
 * instruction does as a rule. */
"use strict";

/* How much of a step is told one by one: a sentence is to be read at a glance. Of many
 * instructions, or of a whole call, less is; the panels mark all of it. */
const MANY_WORDS = 2, FEW_REGISTERS = 2, MANY_REGISTERS = 4;

/* What a step did, as a sentence. */
function explain(section, k) {
  const step = section.steps[k];
  const asm = step.code.asm.split(" ")[0];
  if (step.exception) return `${step.code.asm} raised ${step.exception.text}.`;
  if (!step.over && step.n === 1) {
    if (asm === "syscall") return explainSyscall(section, step);
    if (asm === "swapgs") return explainSwapgs(section, step);
    if (/^(sysret|iret)/.test(asm)) return explainReturn(section, step, asm);
  }
  const told = step.events.map((event) => toldText(section, event, k));
  const parts = [...told, ...popText(section, step), ...writeTexts(section, step),
    ...registerTexts(section, step, told.length > 0)];
  if (step.raw.never) parts.push("it does not return");
  return `${whatRan(step)}: ${parts.filter(Boolean).join("; ")
    || nothingText(section, step)}.`;
}

/* What is said of a step that changed nothing but RIP. */
function nothingText(section, { code, k, n, over }) {
  const asm = code.asm.split(" ")[0];
  if (over || n > 1) return "only RIP moves";
  const now = section.registersAt(k);
  if (asm === "cli" || asm === "sti") return `IF was ${now.rflags >> 9n & 1n} already`;
  const target = /^(mov|lea)/.test(asm) && targetOf(code.asm);
  return target && target !== "rip" ? `${title(target)} was ${hex(now[target])} already`
    : "only RIP moves";
}

function explainSyscall(section, { set, old }) {
  const kept = [];
  if (set.rcx !== undefined) kept.push("RCX keeps the user's RIP");
  if (set.r11 !== undefined) kept.push("R11 the user's RFLAGS");
  const mask = BigInt((section.trace.json.msrs || {}).SFMASK || 0);
  const cleared = flagNames(old.rflags & mask & ~(set.rflags ?? old.rflags));
  const flags = cleared ? ` SFMASK clears ${cleared}.` : "";
  return `syscall: CPL ${old.cpl} → ${set.cpl ?? 0n}. ${kept.join(", ")}; RIP is now ${
    section.nameOf(set.rip) || hex(set.rip)}, from LSTAR.${
    flags} RSP and GS are still the user's.`;
}

function explainSwapgs(section, { k, set }) {
  const now = section.registersAt(k + 1);
  const says = (value) => (value === 0n ? "0x0"
    : `${hex(value)}${section.nameOf(value) ? `, ${section.nameOf(value)}` : ""}`);
  if (set.gs_base === undefined) {
    return `swapgs exchanges GS base and KERNEL_GS_BASE: both are ${
      says(now.gs_base)}, so nothing changes.`;
  }
  return `swapgs exchanges GS base and KERNEL_GS_BASE: GS base is now ${
    says(now.gs_base)}; KERNEL_GS_BASE keeps ${says(now.kernel_gs_base)}.`;
}

function explainReturn(section, step, asm) {
  const { set, old, k } = step;
  const now = section.registersAt(k + 1);
  const from = asm.startsWith("sysret") ? "RIP comes from RCX, RFLAGS from R11"
    : "RIP, CS, RFLAGS, RSP and SS come from five words of the stack";
  const ring = set.cpl === undefined ? `CPL stays ${now.cpl}`
    : `CPL ${old.cpl} → ${set.cpl}`;
  const flags = set.rflags === undefined ? ""
    : ` Flags: ${flagsChanged(old.rflags, set.rflags)}.`;
  return `${asm}: ${ring}. ${from}: RIP is now ${
    section.nameOf(now.rip) || hex(now.rip)}.${flags}`;
}

/* What ran: an instruction, a line, or a whole call. */
function whatRan({ code, n, over, raw }) {
  if (over) {
    return `${over} ran whole${n > 1 ? `, ${n} instructions` : ""}${
      raw.slept ? "; the process slept, and others ran" : ""}`;
  }
  return n > 1 ? `${n} instructions of line ${code.line}` : code.asm;
}

/* The register that a POP fills. */
function poppedBy({ code, raw }) {
  const popped = /^popq? %(r\w+)$/.exec(code.asm);
  return popped && raw.reads && raw.reads.length ? popped[1] : undefined;
}

function popText(section, step) {
  const name = poppedBy(step);
  if (!name) return [];
  const value = section.registersAt(step.k + 1)[name];
  const from = section.nameOf(BigInt(step.raw.reads[0].at)) || "the stack";
  return [`${title(name)} is ${hex(value)}${
    section.start[name] === value ? " again" : ""}, from ${from}`];
}

/* What the value of a word says, as far as its place tells. */
function wordNote(section, at, value, k) {
  const field = section.fieldAt(at);
  if (field) return fieldNote(field.name);
  const kin = section.kin();
  const theirs = kin && kin.section.fieldAt(at);
  if (theirs) {
    return theirs.name === "rax" && kin.name === "child"
      ? "what the call returns in the child" : "";
  }
  const entry = section.trace.entryAt(at);
  if (!entry || value === 0n) return "";
  const low = section.wordAt(at - WORD, k);
  return low !== undefined && isTss(low) ? "the TSS's base, bits 63 to 32"
    : descriptorText(value);
}

/* The words that were written: each, or, where there are many, which they are. */
function writeTexts(section, step) {
  const { writes } = step, name = ({ at }) => section.nameOf(at) || hex(at);
  if (writes.length > MANY_WORDS) {
    const places = [...new Set(writes.map(({ at }) => at & ~7n))]
      .sort((a, b) => (a < b ? -1 : 1));
    const low = places[0], high = places[places.length - 1];
    return [`${places.length} words are written, ${
      high - low === WORD * BigInt(places.length - 1) ? `${name({ at: low })} to ${
        name({ at: high })}` : `among them ${name(writes[0])}`}`];
  }
  return writes.map((write) => {
    const note = wordNote(section, write.at, write.new, step.k);
    return `${name(write)} is now ${hex(write.new)}${note ? ` (${note})` : ""}`;
  });
}

/* The registers that changed. What the events have told is not said again. */
function registerTexts(section, step, told) {
  const { set, old } = step;
  const parts = [];
  const cross = set.rsp !== undefined && section.stack
    && section.onStack(set.rsp) !== section.onStack(old.rsp);
  if (cross) {
    parts.push(section.onStack(set.rsp)
      ? "RSP is now on the kernel stack" : "RSP is now on the user's stack");
  }
  const quiet = new Set(["rip", "cpl", "rsp", poppedBy(step),
    ...told ? [...SEGMENTS, "cs", "ss", "gs_base", "kernel_gs_base", "fs_base"] : []]);
  const names = Object.keys(set).filter((name) => !quiet.has(name));
  const most = step.n > 1 || step.over ? FEW_REGISTERS : MANY_REGISTERS;
  for (const name of names.slice(0, most)) {
    if (name === "rflags") parts.push(flagsChanged(old.rflags, set.rflags));
    else {
      const place = section.nameOf(set[name]);
      parts.push(`${title(name)} is now ${hex(set[name])}${place ? `, ${place}` : ""}`);
    }
  }
  const more = names.length - most;
  if (more > 0) parts.push(`${more} more register${more > 1 ? "s" : ""} changed`);
  if (set.rsp !== undefined && !cross) {
    const down = set.rsp < old.rsp;
    parts.push(`RSP went ${down ? "down" : "up"} ${
      down ? old.rsp - set.rsp : set.rsp - old.rsp}`);
  }
  if (set.cpl !== undefined) parts.push(`CPL ${old.cpl} → ${set.cpl}`);
  return parts;
}

function flagsChanged(old, now) {
  const changed = FLAGS.filter(({ bit, mask }) => (old ^ now) >> bit & mask);
  return changed.map(({ name, bit, mask }) => `${name} ${now >> bit & mask}`).join(", ");
}
