/* What a step did, in words. */
"use strict";

/* What a step did, as a sentence. */
function explain(section, k) {
  const step = section.steps[k];
  const { set, old, code } = step;
  const asm = code.asm.split(" ")[0];
  const cross = set.rsp !== undefined && section.stack
    && section.onStack(set.rsp) !== section.onStack(old.rsp);
  if (step.exception) return `${code.asm} raised ${step.exception.text}.`;
  if (asm === "syscall") {
    return `syscall: CPL ${old.cpl} → ${set.cpl ?? 0n}. RCX keeps the user's RIP, R11 `
      + "the user's RFLAGS; RIP comes from LSTAR. RSP and GS are still the user's.";
  }
  if (asm === "swapgs") {
    return "swapgs exchanges GS base and KERNEL_GS_BASE: GS is now "
      + `${set.gs_base === undefined ? "as before"
        : section.nameOf(set.gs_base) || `the user's, ${hex(set.gs_base)}`}.`;
  }
  if (/^sysret/.test(asm)) {
    return `${asm}: back in ring 3. RIP comes from RCX, RFLAGS from R11.`;
  }
  const parts = [];
  const popped = /^popq? %(r\w+)$/.exec(code.asm);
  if (popped && step.raw.reads && step.raw.reads.length) {
    const value = section.registersAt(k + 1)[popped[1]];
    parts.push(`${title(popped[1])} is ${hex(value)} again, from ${
      section.nameOf(BigInt(step.raw.reads[0].at)) || "the stack"}`);
  }
  for (const write of step.writes.slice(0, 3)) {
    const field = section.fieldAt(write.at);
    const place = section.nameOf(write.at) || hex(write.at);
    const note = field && FRAME_NOTES[field.name];
    parts.push(`${place} is now ${hex(write.new)}${note ? ` (${note})` : ""}`);
  }
  if (step.writes.length > 3) parts.push(`${step.writes.length - 3} more words`);
  if (cross) {
    parts.push(section.onStack(set.rsp)
      ? "RSP is now on the kernel stack" : "RSP is now on the user's stack");
  }
  const moved = set.rsp !== undefined && !cross;
  const quiet = new Set(["rip", "cpl", cross || moved ? "rsp" : "",
    popped && popped[1]]);
  const names = Object.keys(set).filter((name) => !quiet.has(name));
  for (const name of names.slice(0, 4)) {
    if (name === "rflags") parts.push(flagsChanged(old.rflags, set.rflags));
    else {
      const place = section.nameOf(set[name]);
      parts.push(`${title(name)} is now ${hex(set[name])}${place ? `, ${place}` : ""}`);
    }
  }
  if (names.length > 4) parts.push(`${names.length - 4} more registers changed`);
  if (moved) {
    parts.push(`RSP went ${set.rsp < old.rsp ? "down" : "up"} ${
      set.rsp < old.rsp ? old.rsp - set.rsp : set.rsp - old.rsp}`);
  }
  if (set.cpl !== undefined) parts.push(`CPL ${old.cpl} → ${set.cpl}`);
  let what = code.asm;
  if (step.over) {
    what = `${step.over} ran whole${step.n > 1 ? `, ${step.n} instructions` : ""}${
      step.raw.slept ? "; the process slept, and others ran" : ""}`;
  } else if (step.n > 1) {
    what = `${step.n} instructions of line ${code.line}`;
  }
  if (step.raw.never) parts.push("it does not return");
  return `${what}: ${parts.filter(Boolean).join("; ") || "only RIP moves"}.`;
}

function flagsChanged(old, now) {
  const changed = FLAGS.filter(({ bit, mask }) => (old ^ now) >> bit & mask);
  return changed.map(({ name, bit, mask }) => `${name} ${now >> bit & mask}`).join(", ");
}
