/* The places on the way that have a name. */
"use strict";

/* The ends of a section that are in ring 3, by what its last place is called. */
const RING_3 = { returned: "ring 3", handler: "in the handler", resumed: "ring 3" };

/* The places of a section that have a name: {position, kind, name}. At such a
 * position the instruction that the name is about is the next to run. */
function findMarks(section) {
  const marks = [];
  const { steps, trace } = section;
  const own = [`sys_${trace.call.name}`, trace.call.name];
  const seen = new Set();
  const add = (position, kind, name) => marks.push({ position, kind, name });
  const once = (what) => !seen.has(what) && Boolean(seen.add(what));
  let wasInStub = false;
  for (const step of steps) {
    const { k, code, set, old } = step;
    const asm = code.asm.split(" ")[0];
    const inStub = code.function === "syscall_entry" || code.function === "syscall_exit";
    if (asm === "syscall") add(k, "cpl", "syscall");
    if (code.function === "syscall_handler" && once("handler")) {
      add(k, "handler", "handler");
    }
    if (seen.has("handler") && own.includes(code.function) && once("own")) {
      add(k, "handler", code.function);
    }
    if (inStub && !wasInStub && seen.has("handler") && once("back")) {
      add(k, "handler", "back in the stub");
    }
    if (asm === "swapgs") add(k, "gs", "swapgs");
    if (set.rsp !== undefined && section.stack
        && section.onStack(set.rsp) !== section.onStack(old.rsp)) {
      add(k, "stack", section.onStack(set.rsp) ? "kernel stack" : "user stack");
    }
    if (set.rsp !== undefined && set.rsp === section.frame
        && section.onStack(old.rsp) && once("frame")) {
      add(k + 1, "frame", "frame complete");
    }
    if (/^(sysret|iret)/.test(asm)) add(k, "cpl", asm);
    for (const event of step.events) {
      const name = { wrmsr: event.name || event.number, lgdt: "lgdt", lidt: "lidt",
        ltr: "ltr", segment: event.register }[event.kind];
      if (name) add(k, event.kind === "wrmsr" ? "gs" : "stack", name);
    }
    if (step.exception) add(k, "fault", step.exception.name);
    wasInStub = inStub;
  }
  [...section.notes.keys()].forEach((at, i) => add(at, "note", `note ${i + 1}`));
  const last = RING_3[section.end.kind];
  add(section.length, last ? "cpl" : "end", last || "end");
  return marks.sort((a, b) => a.position - b.position);
}
