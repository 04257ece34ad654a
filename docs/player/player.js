/*
 * <trace-player>: replays a recorded system call, instruction by instruction,
 * forwards and backwards. `make trace` records one; docs/trace-format.md says
 * what a trace holds.
 *
 * One file without any dependency, in two parts. The first knows traces and no
 * page: the state after n steps, who wrote a value, where two traces part. The
 * second draws. A position is a number of steps taken: at position n the steps
 * 0 to n - 1 have run, and step n is the next to run, as `=>` in GDB.
 */
(function () {
"use strict";

// ==== Part 1: traces ==========================================================

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
const FRAME_NOTES = { rsp: "user's RSP", rax: "number; result",
  rcx: "user's RIP", r11: "user's RFLAGS", rdi: "arg. 1",
  rsi: "arg. 2", rdx: "arg. 3", r10: "arg. 4", r8: "arg. 5", r9: "arg. 6" };

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

/* The bytes of memory that are known, in words: address -> {value, mask}, where
 * bit i of the mask says that byte i is known. */
class Memory {
  constructor() {
    this.words = new Map();
  }

  write(at, size, value, onlyUnknown) {
    for (let i = 0; i < size; i++) {
      const address = at + BigInt(i);
      const place = address & ~7n, byte = address & 7n, shift = byte * 8n;
      const word = this.words.get(place) || { value: 0n, mask: 0 };
      if (onlyUnknown && word.mask >> Number(byte) & 1) continue;
      this.words.set(place, {
        value: word.value & ~(0xffn << shift)
          | (value >> BigInt(8 * i) & 0xffn) << shift,
        mask: word.mask | 1 << Number(byte),
      });
    }
  }

  /* So many bytes at an address, a word if not said; undefined where one of
   * them is not known. */
  read(at, size = 8) {
    let value = 0n;
    for (let i = size - 1; i >= 0; i--) {
      const address = at + BigInt(i), byte = Number(address & 7n);
      const word = this.words.get(address & ~7n);
      if (!word || !(word.mask >> byte & 1)) return undefined;
      value = value << 8n | word.value >> BigInt(8 * byte) & 0xffn;
    }
    return value;
  }
}

/* A trace as it was recorded: one or more sections. */
class Trace {
  constructor(json) {
    if (!json || json.schema !== SCHEMA) {
      throw new Error(`This is not a trace that the player knows: its schema is ${
        JSON.stringify(json && json.schema)}, not "${SCHEMA}".`);
    }
    this.json = json;
    this.program = json.program || "";
    this.call = json.call || {};
    this.files = json.files || {};
    this.code = json.code || {};
    this.functions = new Set(
      Object.values(this.code).map((code) => code.function).filter(Boolean));
    this.symbols = (json.symbols || []).map((symbol) => (
      { name: symbol.name, at: BigInt(symbol.at), size: BigInt(symbol.size) }));
    this.perCpu = json.per_cpu && {
      at: BigInt(json.per_cpu.at),
      slots: (json.per_cpu.slots || []).map((slot) => (
        { name: slot.name, offset: BigInt(slot.offset) })),
    };
    const fields = json.frame ? json.frame.fields : [];
    this.frameSize = BigInt(json.frame ? json.frame.size : 0);
    this.fields = fields.map((field) => (
      { name: field.name, offset: BigInt(field.offset) }));
    this.sections = (json.sections || []).map((raw) => new Section(raw, this));
    if (!this.sections.length) throw new Error("This trace has no section.");
  }

  section(id) {
    return this.sections.find((section) => section.id === id);
  }
}

/* A part of a trace: a state, and the steps that lead on from it. */
class Section {
  constructor(raw, trace) {
    this.trace = trace;
    this.raw = raw;
    this.id = raw.id;
    this.title = raw.title;
    this.end = raw.end || {};
    this.stack = raw.stack && {
      low: BigInt(raw.stack.low), top: BigInt(raw.stack.top) };
    this.frame = raw.frame === undefined || raw.frame === null
      ? undefined : BigInt(raw.frame);
    this.start = {};
    for (const [name, value] of Object.entries(raw.start)) {
      this.start[name] = BigInt(value);
    }
    this.steps = [];
    this.writers = new Map(); // what is written -> the steps that write it
    this._load(raw.steps);
    this.marks = findMarks(this);
  }

  get length() {
    return this.steps.length;
  }

  /* Reads the steps once: what each replaces, so that it can be taken back,
   * and what memory was before the first write to it. */
  _load(steps) {
    const registers = { ...this.start };
    const memory = new Memory(), later = new Memory();
    for (const [at, value] of Object.entries(this.raw.memory || {})) {
      memory.write(BigInt(at), 8, BigInt(value));
      later.write(BigInt(at), 8, BigInt(value));
    }
    steps.forEach((raw, k) => {
      const step = { raw, k, rip: registers.rip, code: this.codeAt(registers.rip),
        set: {}, old: {}, n: raw.n || 1, writes: [], events: raw.events || [],
        over: raw.over, exception: raw.exception };
      for (const [name, value] of Object.entries(raw.set || {})) {
        step.old[name] = registers[name];
        step.set[name] = registers[name] = BigInt(value);
        this._wrote(name, k);
      }
      if (step.set.rflags !== undefined) {
        for (const { name, bit, mask } of FLAGS) {
          if ((step.set.rflags ^ step.old.rflags) >> bit & mask) {
            this._wrote(`flag ${name}`, k);
          }
        }
      }
      for (const write of raw.writes || []) {
        const w = { at: BigInt(write.at), size: write.size,
          old: BigInt(write.old), new: BigInt(write.new) };
        // What a step over a call wrote may not be in the trace: taking a step
        // back gives what was here before, not what the machine had.
        w.before = later.read(w.at, w.size) ?? w.old;
        step.writes.push(w);
        memory.write(w.at, w.size, w.old, true);
        later.write(w.at, w.size, w.new);
        for (let at = w.at & ~7n; at < w.at + BigInt(w.size); at += WORD) {
          this._wrote(at, k);
        }
      }
      this.steps.push(step);
    });
    this.now = { position: 0, registers: { ...this.start }, memory };
  }

  _wrote(what, k) {
    const list = this.writers.get(what);
    if (!list) this.writers.set(what, [k]);
    else if (list[list.length - 1] !== k) list.push(k);
  }

  codeAt(rip) {
    return this.trace.code[hex(rip)] || { asm: "(unknown)" };
  }

  /* Takes steps forwards, or takes them back, until n have been taken. */
  _seek(n) {
    const { now } = this;
    while (now.position < n) {
      const step = this.steps[now.position++];
      Object.assign(now.registers, step.set);
      for (const write of step.writes) {
        now.memory.write(write.at, write.size, write.new);
      }
    }
    while (now.position > n) {
      const step = this.steps[--now.position];
      Object.assign(now.registers, step.old);
      for (const write of [...step.writes].reverse()) {
        now.memory.write(write.at, write.size, write.before);
      }
    }
    return now;
  }

  /* The registers after n steps. */
  registersAt(n) {
    return { ...this._seek(n).registers };
  }

  /* The word at an address after n steps; undefined where it is not known. */
  wordAt(at, n) {
    return this._seek(n).memory.read(at);
  }

  /* The step that wrote what is there after n steps: a register by its name, a
   * word by its address (a BigInt), a flag as "flag IF". -1: it is older. */
  writerOf(what, n) {
    const list = this.writers.get(what) || [];
    let low = 0, high = list.length;
    while (low < high) {
      const middle = low + high >> 1;
      if (list[middle] < n) low = middle + 1;
      else high = middle;
    }
    return low ? list[low - 1] : -1;
  }

  onStack(value) {
    return Boolean(this.stack) && value >= this.stack.low && value <= this.stack.top;
  }

  /* What stands at an address, in the words of the kernel; "" for a number. */
  nameOf(value) {
    const { trace } = this;
    if (trace.perCpu && value >= trace.perCpu.at) {
      const offset = value - trace.perCpu.at;
      const slot = trace.perCpu.slots.find((s) => s.offset === offset);
      if (offset === 0n) return "per_cpu";
      if (slot) return `per_cpu.${slot.name}`;
    }
    if (this.onStack(value)) {
      if (value === this.stack.top) return "stack top";
      const field = this.fieldAt(value);
      if (field) return `frame.${field.name}`;
      return `stack − ${this.stack.top - value}`;
    }
    const symbol = symbolAt(trace.symbols, value);
    if (symbol) {
      const offset = value - symbol.at;
      return offset ? `${symbol.name}+${hex(offset)}` : symbol.name;
    }
    const rsp = this.start.rsp;
    if (value < USER_END && rsp < USER_END && value > rsp - 0x2000n
        && value < rsp + 0x2000n) {
      return "user stack";
    }
    return "";
  }

  fieldAt(at) {
    if (this.frame === undefined) return undefined;
    return this.trace.fields.find((field) => this.frame + field.offset === at);
  }

  /* A value by what it means, so that two kernels that are not laid out alike
   * can be compared: a place in a function is the function. */
  meaning(value) {
    if (this.onStack(value)) return `stack - ${this.stack.top - value}`;
    const symbol = symbolAt(this.trace.symbols, value);
    if (!symbol) return hex(value);
    if (this.trace.functions.has(symbol.name)) return symbol.name;
    return `${symbol.name}+${value - symbol.at}`;
  }
}

function symbolAt(symbols, value) {
  let low = 0, high = symbols.length;
  while (low < high) {
    const middle = low + high >> 1;
    if (symbols[middle].at <= value) low = middle + 1;
    else high = middle;
  }
  const symbol = symbols[low - 1];
  const size = symbol && (symbol.size > 0n ? symbol.size : 1n);
  return symbol && value < symbol.at + size ? symbol : undefined;
}

// ---- places on the way -------------------------------------------------------

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
    const inStub = code.function === "syscall_entry";
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
  const last = section.end.kind === "returned" ? "ring 3" : "end";
  add(section.length, section.end.kind === "returned" ? "cpl" : "end", last);
  return marks.sort((a, b) => a.position - b.position);
}

// ---- in words ----------------------------------------------------------------

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

// ---- prediction --------------------------------------------------------------

/* What may be ticked before a step is shown, and what is right. The choices
 * depend on the instruction's text only, so they do not tell. */
function question(section, k) {
  const step = section.steps[k];
  const named = [...step.code.asm.matchAll(/%([a-z0-9]+)/g)]
    .map((match) => wholeRegister(match[1])).filter(Boolean);
  const choices = new Set(["rsp", "rflags", "memory", "cpl", "gs_base", "rax", "rcx",
    "r11", ...named]);
  const right = new Set(Object.keys(step.set).map((name) => (
    name === "kernel_gs_base" ? "gs_base" : ["cs", "ss"].includes(name) ? "cpl" : name
  )).filter((name) => name !== "rip" && name !== "cr3"));
  if (step.writes.length) right.add("memory");
  right.forEach((name) => choices.add(name));
  const order = [...GENERAL, "rflags", "memory", "gs_base", "cpl"];
  const rank = (name) => (order.indexOf(name) + order.length) % order.length;
  return { k, choices: [...choices].sort((a, b) => rank(a) - rank(b)), right,
    target: targetOf(step.code.asm) };
}

/* The register whose new value is asked for. */
function targetOf(asm) {
  const [name, ...rest] = asm.split(" ");
  if (/^(push|pop|call|ret|leave)/.test(name)) return "rsp";
  if (name === "syscall") return "rcx";
  if (name === "swapgs") return "gs_base";
  if (/^(sysret|iret|j)/.test(name)) return "rip";
  if (/^(cmp|test)/.test(name)) return "rflags";
  const last = /%([a-z0-9]+)$/.exec(rest.join(" "));
  return (last && wholeRegister(last[1])) || "rip";
}

function wholeRegister(name) {
  if (GENERAL.includes(name)) return name;
  const numbered = /^(r\d+)[dwb]$/.exec(name);
  if (numbered) return numbered[1];
  const letter = /^[re]?([abcd])[xlh]$/.exec(name);
  if (letter) return `r${letter[1]}x`;
  const pointer = /^e?(si|di|bp|sp)l?$/.exec(name);
  return pointer ? `r${pointer[1]}` : undefined;
}

// ---- comparison --------------------------------------------------------------

/* An instruction as it is compared: where it is and what it says, but for
 * distances and addresses in its text, which a longer kernel changes. */
function keyOf(step) {
  const asm = step.code.asm.replace(/-?0x[0-9a-f]+(?=\(%rip\))/g, "")
    .replace(/\b0xf{8}[0-9a-f]{8}\b|-0x7f[0-9a-f]{6}\b|\+0x[0-9a-f]+\b/g, "");
  return `${step.code.function || ""}|${step.over || ""}|${asm}`;
}

/* How the values of two steps that say the same differ. */
function stepDifferences(mine, theirs, a, b) {
  const found = [];
  const names = new Set([...Object.keys(a.set), ...Object.keys(b.set)]);
  names.delete("cr3");
  for (const name of names) {
    const x = a.set[name] ?? a.old[name] ?? theirs.none;
    const y = b.set[name] ?? b.old[name] ?? mine.none;
    if (x === undefined || y === undefined) {
      found.push({ name, mine: x, reference: y });
    } else if (mine.meaning(x) !== theirs.meaning(y)) {
      found.push({ name, mine: x, reference: y });
    }
  }
  if (!a.over) {
    const count = Math.max(a.writes.length, b.writes.length);
    for (let i = 0; i < count; i++) {
      const x = a.writes[i], y = b.writes[i];
      if (!x || !y || mine.meaning(x.at) !== theirs.meaning(y.at)
          || mine.meaning(x.new) !== theirs.meaning(y.new)) {
        found.push({ name: "memory", mine: x && x.new, reference: y && y.new,
          at: (x || y).at, place: x ? mine.nameOf(x.at) : theirs.nameOf(y.at) });
      }
    }
  }
  return found;
}

/* Pairs of steps, [mine or null, reference or null], in the order of both: the
 * longest common subsequence of what they say. */
function align(mine, theirs) {
  const a = mine.steps.map(keyOf), b = theirs.steps.map(keyOf);
  const pairs = [], tail = [];
  let start = 0, endA = a.length, endB = b.length;
  while (start < endA && start < endB && a[start] === b[start]) {
    pairs.push([start, start++]);
  }
  while (endA > start && endB > start && a[endA - 1] === b[endB - 1]) {
    tail.unshift([--endA, --endB]);
  }
  const rows = endA - start, columns = endB - start;
  if (rows * columns > 4e6) {
    for (let i = 0; i < Math.max(rows, columns); i++) {
      pairs.push([i < rows ? start + i : null, i < columns ? start + i : null]);
    }
    return [...pairs, ...tail];
  }
  const best = new Uint16Array((rows + 1) * (columns + 1));
  const at = (i, j) => i * (columns + 1) + j;
  for (let i = rows - 1; i >= 0; i--) {
    for (let j = columns - 1; j >= 0; j--) {
      best[at(i, j)] = a[start + i] === b[start + j] ? best[at(i + 1, j + 1)] + 1
        : Math.max(best[at(i + 1, j)], best[at(i, j + 1)]);
    }
  }
  let i = 0, j = 0;
  while (i < rows || j < columns) {
    if (i < rows && j < columns && a[start + i] === b[start + j]) {
      pairs.push([start + i++, start + j++]);
    } else if (j >= columns || (i < rows && best[at(i + 1, j)] >= best[at(i, j + 1)])) {
      pairs.push([start + i++, null]);
    } else {
      pairs.push([null, start + j++]);
    }
  }
  return [...pairs, ...tail];
}

/* Where two traces of one call part. The first divergence is the first step
 * that says something else, or says the same and does something else; then,
 * what differs at the places that every stub passes. */
function compare(mine, theirs) {
  const pairs = align(mine, theirs);
  const result = { pairs, first: null, places: [], start: [] };
  for (const name of [...GENERAL, "rip"]) {
    const x = mine.start[name], y = theirs.start[name];
    if (mine.meaning(x) !== theirs.meaning(y)) {
      result.start.push({ name, mine: x, reference: y });
    }
  }
  const unlike = new Set(result.start.map((difference) => difference.name));
  for (let i = 0; ; i++) {
    const a = mine.steps[i], b = theirs.steps[i];
    if (!a && !b) break;
    if (!a || !b || keyOf(a) !== keyOf(b)) {
      result.first = { kind: a && b ? "instruction" : "length", mine: i, reference: i,
        says: [a ? a.code.asm : mine.end.text, b ? b.code.asm : theirs.end.text],
        differences: [] };
      break;
    }
    const differences = stepDifferences(mine, theirs, a, b)
      .filter((difference) => !unlike.has(difference.name));
    if (differences.length) {
      result.first = { kind: "value", mine: i + 1, reference: i + 1,
        says: [a.code.asm, b.code.asm], differences };
      break;
    }
  }
  if (result.first) result.places = comparePlaces(mine, theirs);
  return result;
}

/* What differs where every stub passes: the handler's first instruction, the
 * way back, ring 3. */
function comparePlaces(mine, theirs) {
  const places = [];
  for (const name of ["handler", "back in the stub", "ring 3", "end"]) {
    const [a, b] = [mine, theirs].map((section) => section.marks.find(
      (mark) => mark.name === name));
    if (!a && !b) continue;
    if (!a || !b) {
      if (name !== "end") {
        places.push({ name, mine: a && a.position, reference: b && b.position,
          differences: [] });
      }
      continue;
    }
    const x = mine.registersAt(a.position), y = theirs.registersAt(b.position);
    const differences = [];
    for (const register of [...GENERAL, "rip", "rflags", "cpl", "gs_base"]) {
      if (mine.meaning(x[register]) !== theirs.meaning(y[register])) {
        differences.push({ name: register, mine: x[register], reference: y[register] });
      }
    }
    for (const field of name === "handler" || name === "back in the stub"
      ? mine.trace.fields : []) {
      const p = mine.wordAt(mine.frame + field.offset, a.position);
      const q = theirs.wordAt(theirs.frame + field.offset, b.position);
      if (p !== undefined && q !== undefined && mine.meaning(p) !== theirs.meaning(q)) {
        differences.push({ name: `frame.${field.name}`, mine: p, reference: q });
      }
    }
    places.push({ name, mine: a.position, reference: b.position, differences });
  }
  return places;
}

// ==== Part 2: drawing =========================================================

const STYLE = `
:host {
  --paper: #fbfaf6; --panel: #ffffff; --ink: #1c2330; --soft: #58606e;
  --line: #d9d8d0; --hover: #f0eee6;
  --user: #0b6a78; --user-soft: #e2f2f3; --kernel: #a8430c; --kernel-soft: #fcece0;
  --change: #fff1b8; --change-ink: #5a4300; --change-line: #b98900;
  --next: #e4ecfb; --next-line: #2456b8; --accent: #2456b8;
  --good: #1d6b35; --bad: #a8201a; --comment: #5f6b5d; --word: #7a3e9d;
  --shade: rgb(28 35 48 / 7%);
  color-scheme: light;
  display: block; block-size: 100dvh; min-block-size: 30rem;
  container-type: inline-size; color: var(--ink); background: var(--paper);
  font: 14px/1.45 system-ui, sans-serif;
}
:host([data-theme="dark"]) {
  --paper: #12151c; --panel: #191d26; --ink: #e7e9ee; --soft: #a3abb9;
  --line: #313846; --hover: #242a36;
  --user: #63cbd8; --user-soft: #12323a; --kernel: #ffa56b; --kernel-soft: #3d2415;
  --change: #453808; --change-ink: #ffe9a3; --change-line: #e0b73a;
  --next: #1c2c4f; --next-line: #8fb4ff; --accent: #8fb4ff;
  --good: #7fd69a; --bad: #ff9a92; --comment: #93a58f; --word: #d2a4f0;
  --shade: rgb(0 0 0 / 30%);
  color-scheme: dark;
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
.hush { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden;
  clip-path: inset(50%); white-space: nowrap; }
button, select, input, .file { font: inherit; color: inherit; }
button, .file { background: none; border: 1px solid transparent; border-radius: 5px;
  padding: 0; cursor: pointer; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
.app { display: grid; block-size: 100%;
  grid-template: auto auto minmax(0, 1fr) auto auto / minmax(0, 1fr); }

header { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 16px;
  padding: 8px 16px; border-block-end: 1px solid var(--line); }
h1 { margin: 0; font-size: 16px; font-weight: 650; white-space: nowrap; }
h1 small { font-weight: 400; color: var(--soft); font-size: 13px; }
.sections { display: flex; gap: 4px; }
.tool, .sections button, .file { border-color: var(--line); padding: 3px 10px;
  background: var(--panel); white-space: nowrap; font-size: 13px; line-height: 20px;
  display: inline-block; }
.tool:hover, .sections button:hover, .file:hover { background: var(--hover); }
[aria-current="true"], [aria-pressed="true"] { background: var(--ink) !important;
  color: var(--paper); border-color: var(--ink) !important; }
.tools { display: flex; gap: 4px; margin-inline-start: auto; }
.file:focus-within { outline: 2px solid var(--accent); outline-offset: 1px; }

.views { display: none; }
main { display: grid; gap: 12px; padding: 12px 16px; min-block-size: 0;
  grid-template: minmax(0, 1fr)
    / minmax(0, 1.5fr) minmax(20rem, 0.9fr) minmax(20rem, 0.9fr); }
.left, .aside { display: flex; flex-direction: column; gap: 12px; min-block-size: 0;
  min-inline-size: 0; }
.source { flex: 1.8; } .ran { flex: 1; } .machine { flex: none; } .stack { flex: 1; }
.comparing .source { flex: 1; } .comparing .ran { flex: 1.2; }
.panel { background: var(--panel); border: 1px solid var(--line); border-radius: 8px;
  display: flex; flex-direction: column; min-block-size: 0; min-inline-size: 0;
  box-shadow: 0 1px 2px var(--shade); overflow: hidden; }
.panel > h2 { margin: 0; white-space: nowrap; font-size: 12px; font-weight: 650; padding: 5px 12px;
  border-block-end: 1px solid var(--line); color: var(--soft); display: flex;
  gap: 8px; justify-content: space-between; align-items: baseline; }
.panel > h2 span { font-weight: 400; overflow: hidden; text-overflow: ellipsis;
  white-space: nowrap; }
.scroll { overflow: auto; flex: 1; min-block-size: 0; position: relative; contain: strict; }

code, .mono, td, .lines, .asm { font-family: ui-monospace, "SFMono-Regular", "DejaVu Sans Mono",
  Menlo, Consolas, monospace; font-size: 12.5px; }
.lines { margin: 0; padding: 6px 0; inline-size: max-content; min-inline-size: 100%;
  list-style: none; tab-size: 4; line-height: 1.55; font-size: 12px; }
.lines li { white-space: pre; padding-inline-end: 1em; border-inline-start: 4px solid transparent; }
.lines .number { display: inline-block; inline-size: 4.4em; color: var(--soft); text-align: end; padding-inline-end: 1.1em;
  user-select: none; }
.lines .next { background: var(--next); border-color: var(--next-line); }
.lines .next .number::before { content: "\\25B6\\00A0"; color: var(--next-line); }
.lines .done .number::before { content: "\\2713\\00A0"; color: var(--soft); }
.comment { color: var(--comment); font-style: italic; }
.string { color: var(--user); } .word { color: var(--word); }
.none { padding: 12px; color: var(--soft); }

table { border-collapse: collapse; inline-size: 100%; }
th { text-align: start; font-weight: 400; }
.registers tr, .stack tr { border-inline-start: 4px solid transparent; }
.registers th, .stack th { padding: 1px 4px 1px 8px; color: var(--soft); white-space: nowrap;
  font-size: 12.5px; font-family: ui-monospace, "DejaVu Sans Mono", Menlo, monospace; }
td { padding: 0 4px; line-height: 20px; white-space: nowrap; }
td.note { color: var(--soft); font-family: system-ui, sans-serif; font-size: 12px;
  overflow: hidden; text-overflow: ellipsis; }
button.value { border-radius: 3px; padding: 0 3px; text-align: start; line-height: 18px; }
button.value:hover { background: var(--hover); border-color: var(--line); }
tr.changed { background: var(--change); border-color: var(--change-line); color: var(--change-ink); }
tr.changed td, tr.changed th, tr.changed .note { color: var(--change-ink); }
tr.changed button.value { font-weight: 700; }
tr.changed th::after { content: " \\25CF"; }
tr.differs .note { color: var(--bad); font-weight: 600; }
.flags { display: flex; flex-wrap: wrap; gap: 3px; padding: 4px 12px 6px; margin: 0;
  list-style: none; border-block: 1px solid var(--line); }
.flags button { font: 11px/18px ui-monospace, "DejaVu Sans Mono", Menlo, monospace;
  padding: 0 3px; border-color: var(--line); color: var(--soft); }
.flags .set { color: var(--paper); background: var(--soft); border-color: var(--soft); }
.flags .changed { outline: 2px solid var(--change-line); outline-offset: 0;
  font-weight: 700; }
.flags .changed:focus-visible { outline: 3px solid var(--accent); }
.flags .changed::after { content: " \\25CF"; }

.drawing { min-block-size: 0; flex: 1; display: flex; }
.drawing svg { display: block; inline-size: 100%; block-size: auto; max-block-size: 300px;
  font-family: system-ui, sans-serif; }
svg text { fill: var(--ink); font-size: 11px; }
svg .small { font-size: 9.5px; fill: var(--soft); }
svg .head { font-size: 11px; font-weight: 700; letter-spacing: .02em; }
svg .user { fill: var(--user); } svg .kernel { fill: var(--kernel); }
svg .side-user { fill: var(--user-soft); } svg .side-kernel { fill: var(--kernel-soft); }
svg .box { fill: var(--panel); stroke: var(--line); stroke-width: 1; }
svg .box.on-user { stroke: var(--user); stroke-width: 2; }
svg .box.on-kernel { stroke: var(--kernel); stroke-width: 2; }
svg .cpu { fill: var(--panel); stroke: var(--ink); stroke-width: 1.5; }
svg .wire { fill: none; stroke-width: 2; stroke-linecap: round; transition: d .18s ease-out; }
svg .wire.to-user { stroke: var(--user); } svg .wire.to-kernel { stroke: var(--kernel); }
svg .tip.to-user { fill: var(--user); } svg .tip.to-kernel { fill: var(--kernel); }
svg .tip { transition: transform .18s ease-out; }
svg .slot { fill: none; stroke: var(--line); stroke-width: 1; }
svg .slot.held { fill: var(--kernel); stroke: var(--panel); }
svg .slot.below { fill: var(--soft); stroke: var(--panel); }
svg .slot.fresh { fill: var(--change-line); stroke: var(--panel); }
svg .slot.users { fill: var(--user); stroke: var(--panel); }
svg .threshold { stroke: var(--soft); stroke-width: 1.2; stroke-dasharray: 3 3; }
@media (prefers-reduced-motion: reduce) { svg * { transition: none !important; } }

.stack tr.free td, .stack tr.free th { color: var(--soft); opacity: 1; }
.stack tr.free td.note { font-style: italic; }
.stack tr.frame th { color: var(--kernel); font-weight: 600; }
.stack tr.changed th { color: var(--change-ink); }
.stack .rsp::before { content: "RSP \\25B6"; font: 700 9.5px/14px system-ui, sans-serif;
  color: var(--paper); background: var(--next-line); border-radius: 3px; padding: 1px 4px; }
.registers table, .stack table { table-layout: fixed; }
.c-name { inline-size: 4.2rem; } .flags ~ table .c-name { inline-size: 6.1rem; }
.c-value { inline-size: 9.4rem; } .c-at { inline-size: 3rem; }
.stack .c-name { inline-size: 3.9rem; }
.lines .number + span { display: inline-block; }
.stack th { padding-inline: 4px !important; }
.stack td.at { text-align: end; padding-inline: 2px; }
.told { margin: 0; padding: 6px 12px; list-style: none; }
.told li { padding: 3px 0 3px 8px; border-inline-start: 4px solid transparent; overflow-wrap: anywhere; }
.told li.changed { background: var(--change); border-color: var(--change-line);
  color: var(--change-ink); }

.ran table { table-layout: fixed; }
.ran td { padding: 0 8px; }
.ran td.at, .ran thead td { inline-size: 4.6em; }
.ran .row { border-inline-start: 4px solid transparent; }
.ran .row.next { background: var(--next); border-color: var(--next-line); }
.ran .row.parted td:not(.at), .ran .row.parted th:not(.at) { color: var(--bad); font-weight: 600; }
.ran .row .at { color: var(--soft); text-align: end; padding-inline: 0 2px; }
.ran .asm { overflow: hidden; text-overflow: ellipsis; }
.ran .asm button { inline-size: 100%; text-align: start; overflow: hidden;
  text-overflow: ellipsis; font: inherit; border-radius: 3px; padding-inline: 3px; }
.ran .asm button:hover { background: var(--hover); }
.ran .asm i { color: var(--soft); font-family: system-ui, sans-serif; font-size: 11.5px; }
.ran thead th, .ran thead td { position: sticky; inset-block-start: 0;
  background: var(--panel); }
.ran thead th { font-size: 12px; font-weight: 600; padding: 2px 11px; color: var(--soft); }
.ran thead th[data-shown="true"] { color: var(--ink); text-decoration: underline; }

.card { margin: 0 16px; padding: 8px 14px; border: 1px solid var(--line);
  border-inline-start: 4px solid var(--accent); border-radius: 8px;
  background: var(--panel); max-block-size: 42cqh; overflow: auto; }
.card p, .card h2 { margin: 0; font-size: 14px; }
.card h2 { font-weight: 650; }
.card fieldset { border: 0; margin: 4px 0; padding: 0; display: flex; flex-wrap: wrap;
  gap: 2px 14px; }
.card legend { padding: 0; margin-block-end: 2px; }
.card label { display: inline-flex; gap: 5px; align-items: center; white-space: nowrap; }
.card input[type="text"] { inline-size: 13em; padding: 2px 6px; border-radius: 4px;
  border: 1px solid var(--soft); background: var(--paper); font-family: ui-monospace, monospace;
  font-size: 12.5px; }
.card .row label { white-space: normal; flex-wrap: wrap; }
.card .go { background: var(--accent); color: var(--paper); padding: 3px 14px;
  border-radius: 5px; font-weight: 600; }
.card .row { display: flex; flex-wrap: wrap; gap: 6px 14px; align-items: center; }
.good { color: var(--good); font-weight: 600; } .bad { color: var(--bad); font-weight: 600; }
.parting { display: flex; flex-wrap: wrap; gap: 4px 16px; align-items: baseline; margin-block: 8px 0; }
.parting > * { margin: 0; }
.parting details { flex-basis: 100%; }
.parting summary { cursor: pointer; inline-size: max-content; }
.parting table { inline-size: auto; margin-block: 4px; }
.parting th, .parting td { padding: 1px 14px 1px 0; text-align: start; }
.parting th { font-size: 12px; color: var(--soft); }
.parting .link, .said .link { color: var(--accent); text-decoration: underline; }

footer { padding: 8px 16px 12px; border-block-start: 1px solid var(--line);
  margin-block-start: 8px; display: grid; grid-template-columns: minmax(0, 1fr); gap: 6px; }
.said { display: flex; gap: 12px; align-items: baseline; min-block-size: 2.9em; }
.said p { margin: 0; flex: 1; font-size: 15px; overflow-wrap: anywhere; max-block-size: 2.9em; overflow: auto; }
.said .then { color: var(--soft); }
.said .where { color: var(--soft); white-space: nowrap; font-variant-numeric: tabular-nums;
  font-size: 13px; }
.ring { font-weight: 650; font-size: 13px; border-radius: 4px; padding: 0 8px; line-height: 22px;
  white-space: nowrap; }
.ring.user { color: var(--user); background: var(--user-soft); }
.ring.kernel { color: var(--kernel); background: var(--kernel-soft); }
.track { position: relative; block-size: 26px; }
.track input { position: absolute; inset: 0; inline-size: 100%; margin: 0; appearance: none;
  background: none; cursor: pointer; block-size: 26px; }
.track input::-webkit-slider-runnable-track { block-size: 6px; border-radius: 3px; background: none; }
.track input::-moz-range-track { block-size: 6px; background: none; }
.track input::-webkit-slider-thumb { appearance: none; inline-size: 16px; block-size: 22px;
  margin-block-start: -8px; border-radius: 5px; background: var(--ink);
  border: 2px solid var(--paper); }
.track input::-moz-range-thumb { inline-size: 12px; block-size: 18px; border-radius: 5px;
  background: var(--ink); border: 2px solid var(--paper); }
.track .bar { position: absolute; inset: 10px 8px; block-size: 6px; border-radius: 3px;
  overflow: hidden; background: var(--line); }
.track .bar i { position: absolute; inset-block: 0; }
.track .bar .u { background: var(--user); } .track .bar .k { background: var(--kernel); }
.track .tick { position: absolute; inset-block: 5px; inline-size: 2px; background: var(--ink);
  margin-inline-start: -1px; pointer-events: none; }
.track .parts { position: absolute; inset-block: 0; inline-size: 4px; background: var(--bad);
  margin-inline-start: -2px; pointer-events: none; border-radius: 2px; }
.controls { display: flex; gap: 8px; align-items: center; }
.steps { display: flex; gap: 4px; }
.steps button { inline-size: 38px; block-size: 30px; border-color: var(--line);
  background: var(--panel); display: grid; place-content: center; }
.steps button:hover { background: var(--hover); }
.steps button[aria-disabled="true"] svg { opacity: .3; }
.steps svg { inline-size: 15px; block-size: 15px; }
.steps path { fill: currentColor; stroke: currentColor; stroke-width: 1.6; stroke-linejoin: round; }
.steps .bare { fill: none; }
.marks { display: flex; gap: 4px; overflow-x: auto; padding: 2px; flex: 1; scrollbar-width: thin; }
.marks button { border-color: var(--line); background: var(--panel); padding: 1px 9px;
  font-size: 12.5px; white-space: nowrap; flex: none; }
.marks button:hover { background: var(--hover); }
.marks button::before { content: ""; display: inline-block; inline-size: 8px; block-size: 8px;
  margin-inline-end: 6px; border-radius: 2px; background: var(--soft); }
.marks .cpl::before { background: linear-gradient(90deg, var(--user) 50%, var(--kernel) 50%); }
.marks .gs::before { border-radius: 50%; background: var(--word); }
.marks .stack::before { background: var(--kernel); }
.marks .fault::before { background: var(--bad); }

dialog { border: 1px solid var(--line); border-radius: 10px; background: var(--panel);
  color: var(--ink); max-inline-size: 34rem; padding: 18px 24px; }
dialog::backdrop { background: rgb(0 0 0 / 45%); }
dialog h2 { margin: 0 0 8px; font-size: 17px; }
dialog dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 16px; margin: 0 0 12px; }
dialog dd { margin: 0; }
kbd { font: 12px/1 ui-monospace, monospace; border: 1px solid var(--soft); border-radius: 4px;
  padding: 1px 5px; }
.empty { place-content: center; padding: 24px; text-align: center; gap: 12px; }
.empty p { margin: 0; max-inline-size: 36rem; }

@container (max-width: 1020px) {
  main { grid-template: minmax(0, 1.1fr) minmax(0, 1fr) / minmax(0, 1.1fr) minmax(17rem, 1fr); }
  .left, .aside { display: contents; }
  .source { grid-area: 1 / 1; } .registers { grid-area: 1 / 2; }
  .machine { grid-area: 2 / 1; } .stack { grid-area: 2 / 2; } .ran { display: none; }
  .flags { padding-inline: 8px; }
  .drawing svg { max-block-size: 100%; }
  .tool, .sections button, .file { padding-inline: 7px; }
  header { gap: 6px 10px; }
}
@container (min-width: 640.1px) and (max-width: 1020px) {
  .comparing .ran { display: flex; grid-area: 2 / 1; }
  .comparing .machine { display: none; }
}
@container (max-width: 640px) {
  header { padding: 6px 10px; gap: 6px 8px; }
  h1 { inline-size: 100%; overflow: hidden; text-overflow: ellipsis; }
  .sections { inline-size: 100%; overflow-x: auto; padding: 1px; }
  .sections button { flex: 1 0 auto; padding-inline: 8px; }
  .tools { margin: 0; inline-size: 100%; }
  .tools > * { flex: 1 0 auto; padding-inline: 6px; text-align: center; }
  .views { display: flex; gap: 0; padding: 6px 10px 0; }
  .views button { flex: 1; border: 1px solid var(--line); border-radius: 0; background: var(--panel);
    font-size: 13px; padding: 4px 2px; margin-inline-start: -1px; }
  .views button:first-child { border-radius: 6px 0 0 6px; margin: 0; }
  .views button:last-child { border-radius: 0 6px 6px 0; }
  main { display: block; padding: 8px 10px; }
  main .panel { display: none; block-size: 100%; }
  main[data-view="source"] .source, main[data-view="registers"] .registers,
  main[data-view="ran"] .ran { display: flex; }
  main[data-view="machine"] { display: flex; flex-direction: column; gap: 8px; }
  main[data-view="machine"] .machine, main[data-view="machine"] .stack { display: flex; }
  main[data-view="machine"] .panel { block-size: auto; }
  main[data-view="machine"] .machine { flex: none; }
  .card { margin-inline: 10px; }
  footer { padding: 6px 10px 8px; margin-block-start: 0; gap: 4px; }
  .said { flex-wrap: wrap; gap: 4px 10px; }
  .said p { order: 3; flex-basis: 100%; font-size: 14px; min-block-size: 4.35em; max-block-size: 4.35em; }
  .said .where { margin-inline-start: auto; }
  .controls { flex-direction: column-reverse; align-items: stretch; }
  .steps button { flex: 1; block-size: 40px; }
  .lines .number { inline-size: 3.6em; padding-inline-end: .6em; }
}
`;

const SHORT = { gdt: "GDT", msr: "MSRs", call: "The call", child: "The child",
  enter: "New program" };
const VIEWS = [["source", "Source"], ["registers", "Registers"],
  ["machine", "Stack"], ["ran", "Steps"]];

const PAGE = `
<div class="app">
  <header>
    <h1></h1>
    <nav class="sections" aria-label="Parts of the trace"></nav>
    <div class="tools" role="group" aria-label="Tools">
      <button class="tool" data-do="predict" aria-pressed="false">Predict</button>
      <label class="file">Compare<span class="hush"> with another trace</span>
        <input class="hush" type="file" accept=".json,application/json" data-open="other"></label>
      <label class="file">Open<span class="hush"> a trace</span>
        <input class="hush" type="file" accept=".json,application/json" data-open="mine"></label>
      <button class="tool" data-do="theme"></button>
      <button class="tool" data-do="help">Keys</button>
    </div>
  </header>
  <div><div class="card parting" role="region" aria-label="Comparison" hidden></div>
    <div class="views" role="group" aria-label="What is shown"></div></div>
  <main data-view="source">
    <div class="left">
      <section class="panel source" aria-labelledby="h-source">
        <h2 id="h-source">Source <span></span></h2>
        <div class="scroll" tabindex="0" role="region" aria-labelledby="h-source"></div>
      </section>
      <section class="panel ran" aria-labelledby="h-ran">
        <h2 id="h-ran">Instructions, as they run <span></span></h2>
        <div class="scroll"></div>
      </section>
    </div>
    <section class="panel registers" aria-labelledby="h-registers">
      <h2 id="h-registers">Registers <span>a value leads to its writer</span></h2>
      <div class="scroll"></div>
    </section>
    <div class="aside">
      <section class="panel machine" aria-labelledby="h-machine">
        <h2 id="h-machine">Where the CPU is <span></span></h2>
        <div class="drawing"></div>
      </section>
      <section class="panel stack" aria-labelledby="h-stack">
        <h2 id="h-stack">Kernel stack <span></span></h2>
        <div class="scroll" tabindex="0" role="region" aria-labelledby="h-stack"></div>
      </section>
    </div>
  </main>
  <form class="card ask" aria-label="Prediction" hidden></form>
  <footer>
    <div class="said"><span class="ring"></span>
      <p role="status" aria-live="polite"></p><span class="where"></span></div>
    <div class="track"><div class="bar"></div>
      <input type="range" min="0" step="1" aria-label="Position in the trace"></div>
    <div class="controls">
      <div class="steps" role="group" aria-label="Stepping">
        <button data-do="first" title="To the beginning (Home)"><svg viewBox="0 0 16 16" aria-hidden="true"><path d="M3 2v12M13 3 6 8l7 5z"/></svg><span class="hush">To the beginning</span></button>
        <button data-do="before" title="One step back (Left)"><svg viewBox="0 0 16 16" aria-hidden="true"><path d="M12 2 4 8l8 6z"/></svg><span class="hush">One step back</span></button>
        <button data-do="after" title="One step on (Right)"><svg viewBox="0 0 16 16" aria-hidden="true"><path d="M4 2l8 6-8 6z"/></svg><span class="hush">One step on</span></button>
        <button data-do="last" title="To the end (End)"><svg viewBox="0 0 16 16" aria-hidden="true"><path d="M13 2v12M3 3l7 5-7 5z"/></svg><span class="hush">To the end</span></button>
        <button data-do="back" title="Back to before the jump (B)"><svg viewBox="0 0 16 16" aria-hidden="true"><path class=bare d="M6 2 2 6l4 4M2 6h7a4 4 0 0 1 0 8H6"/></svg><span class="hush">Back to before the jump</span></button>
      </div>
      <nav class="marks" aria-label="Marks"></nav>
    </div>
  </footer>
</div>
<dialog aria-labelledby="h-keys"><h2 id="h-keys">Keys</h2><dl>
  <dt><kbd>→</kbd> <kbd>←</kbd></dt><dd>one step on, one step back</dd>
  <dt><kbd>Page Down</kbd> <kbd>Page Up</kbd></dt><dd>to the next mark, to the one before</dd>
  <dt><kbd>Home</kbd> <kbd>End</kbd></dt><dd>to the beginning, to the end</dd>
  <dt><kbd>Tab</kbd>, <kbd>Enter</kbd></dt><dd>on a value: to the instruction that wrote it</dd>
  <dt><kbd>B</kbd></dt><dd>back to before the jump</dd>
  <dt><kbd>P</kbd></dt><dd>predict, then reveal: on or off</dd>
  <dt><kbd>D</kbd></dt><dd>to the first divergence of two traces</dd>
  <dt><kbd>X</kbd></dt><dd>show the other of two traces</dd>
</dl><p>The line with <b>▶</b> is the next to run, as in GDB; the one with <b>✓</b> has
just run. What it changed has a <b>●</b>.</p>
<form method="dialog"><button class="tool">Close</button></form></dialog>
`;

/* An element: make("td", {class: "note"}, "text", child). */
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== undefined));
  return element;
}

/* The columns of a table, so that no row's text moves them. */
function columns(...names) {
  return make("colgroup", {}, ...names.map((name) => make("col", { class: `c-${name}` })));
}

const SVG = "http://www.w3.org/2000/svg";
function shape(name, attributes = {}, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

const KEYWORDS = new Set(("asm break case char const continue default do else enum "
  + "extern for if int long return short signed sizeof static struct switch typedef "
  + "union unsigned void volatile while bool true false NULL __attribute__ "
  + "uint8_t uint16_t uint32_t uint64_t int64_t size_t").split(" "));

/* The lines of a C file, each a list of [class, text]. */
function colour(text) {
  const lines = [[]];
  const pattern = /\/\*[^]*?(?:\*\/|$)|\/\/.*|"(?:[^"\\\n]|\\.)*"|[A-Za-z_]\w*|[^]/g;
  for (const [token] of text.matchAll(pattern)) {
    const kind = /^\/[*/]/.test(token) ? "comment" : token[0] === '"' ? "string"
      : KEYWORDS.has(token) ? "word" : "";
    token.split("\n").forEach((part, i) => {
      if (i) lines.push([]);
      const line = lines[lines.length - 1];
      const last = line[line.length - 1];
      if (last && last[0] === kind) last[1] += part;
      else if (part) line.push([kind, part]);
    });
  }
  return lines;
}

/* The stacks of the picture: where they begin, how high a word is, and how many
 * words of the user's are drawn. */
const STACK_Y = 131, BAR = 4.4, USER_BARS = 7;

class TracePlayer extends HTMLElement {
  constructor() {
    super();
    this.attachShadow({ mode: "open" });
    this.position = 0;
    this.jumps = [];
    this.views = new Map();
    this.predicting = false;
    this.score = [0, 0];
  }

  connectedCallback() {
    if (this.ready) return;
    this.ready = true;
    this.shadowRoot.append(make("style", {}, STYLE));
    const template = make("template");
    template.innerHTML = PAGE;
    this.shadowRoot.append(template.content);
    this.$ = (selector) => this.shadowRoot.querySelector(selector);
    this._theme();
    this._listen();
    if (document.readyState === "loading") {
      document.addEventListener("DOMContentLoaded", () => this._readChildren());
    } else {
      this._readChildren();
    }
  }

  /* The traces that the page carries: <script type="application/json">, the
   * first is played; one with data-role="reference" is compared with it. */
  _readChildren() {
    const scripts = [...this.querySelectorAll('script[type="application/json"]')];
    const [mine, other] = [scripts.find((s) => s.dataset.role !== "reference"),
      scripts.find((s) => s.dataset.role === "reference")];
    try {
      this.load(mine && JSON.parse(mine.textContent),
        other && JSON.parse(other.textContent));
    } catch (error) {
      this._fail(error);
    }
  }

  /* Plays a trace, compared with another one if that is given. */
  load(json, other) {
    this.mine = json ? new Trace(json) : undefined;
    this.other = other ? new Trace(other) : undefined;
    this.shown = this.mine;
    this.$(".app").hidden = false;
    if (!this.mine) {
      this._empty("Open a trace that make trace has recorded: build/trace.json.");
      return;
    }
    const first = this.mine.section("call") || this.mine.sections[0];
    this._enter(first.id, 0);
  }

  _fail(error) {
    this.mine = this.shown = undefined;
    this._empty(error instanceof SyntaxError
      ? `This file is not JSON: ${error.message}` : error.message);
  }

  _empty(sentence) {
    this.$("h1").textContent = "Trace player";
    for (const part of ["main", "footer", ".views"]) this.$(part).hidden = true;
    this.$(".parting").hidden = false;
    this.$(".parting").replaceChildren(make("p", { role: "alert" }, sentence));
    this.$(".sections").replaceChildren();
  }

  // ---- what happens --------------------------------------------------------

  _listen() {
    this.shadowRoot.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      const { dataset } = button;
      if (dataset.do) this._do(dataset.do);
      else if (dataset.section) this._enter(dataset.section, 0, true);
      else if (dataset.view) this._view(dataset.view);
      else if (dataset.to) this.go(Number(dataset.to), true);
      else if (dataset.writer) this.toWriter(dataset.writer);
    });
    this.$("input[type=range]").addEventListener("input", (event) => {
      this.go(Number(event.target.value));
    });
    for (const input of this.shadowRoot.querySelectorAll("[data-open]")) {
      input.addEventListener("change", () => this._open(input));
    }
    this.$(".ask").addEventListener("submit", (event) => {
      event.preventDefault();
      this._reveal();
    });
    // In the document, so that no click is needed before the first key; but
    // only where the focus is on nothing, or on something of the player's.
    document.addEventListener("keydown", (event) => this._key(event));
  }

  async _open(input) {
    const [file] = input.files;
    if (!file) return;
    try {
      const json = JSON.parse(await file.text());
      if (input.dataset.open === "mine" || !this.mine) this.load(json);
      else this.load(this.mine.json, json);
    } catch (error) {
      this._fail(error);
    }
    input.value = "";
  }

  _key(event) {
    const focus = document.activeElement;
    if (event.altKey || event.ctrlKey || event.metaKey || !this.mine) return;
    if (focus && focus !== document.body && focus !== this) return;
    const inside = this.shadowRoot.activeElement;
    if (this.$("dialog").open) return;
    const typing = inside && inside.matches("input[type=text]");
    if (typing && event.key !== "Escape") return;
    const does = { ArrowRight: "after", ArrowLeft: "before", Home: "first", End: "last",
      PageDown: "nextMark", PageUp: "previousMark", b: "back", p: "predict",
      d: "divergence", x: "exchange", "?": "help" }[
      event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!does) return;
    event.preventDefault();
    this._do(does);
  }

  _do(what) {
    const { section } = this;
    const marks = section ? section.marks.map((mark) => mark.position) : [];
    const does = {
      first: () => this.go(0),
      last: () => this.go(section.length),
      before: () => this.go(this.position - 1),
      after: () => this._after(),
      nextMark: () => this.go(marks.find((p) => p > this.position) ?? section.length),
      previousMark: () => this.go(marks.reverse().find((p) => p < this.position) ?? 0),
      back: () => this._back(),
      predict: () => this._predict(!this.predicting),
      divergence: () => this._toDivergence(),
      exchange: () => this._exchange(),
      uncompare: () => this.load(this.mine.json),
      theme: () => this._theme(true),
      help: () => this.$("dialog").showModal(),
    }[what];
    if (does && (section || what === "theme" || what === "help")) does();
  }

  /* Shows a section from a position on. */
  _enter(id, position, remember) {
    const section = this.shown.section(id);
    if (!section) return;
    if (remember) this._remember();
    this.section = section;
    this.position = position;
    this.file = undefined;
    this.comparison = undefined;
    if (this.other && this.mine.section(id) && this.other.section(id)) {
      this.comparison = compare(this.mine.section(id), this.other.section(id));
    }
    this._close();
    this._drawSection();
    this.draw();
  }

  /* Goes to a position. A jump can be taken back. */
  go(position, jump) {
    if (jump) this._remember();
    this.position = Math.min(Math.max(position, 0), this.section.length);
    this._close();
    this.draw();
  }

  _remember() {
    if (!this.section) return;
    this.jumps.push([this.shown, this.section.id, this.position]);
  }

  _back() {
    const jump = this.jumps.pop();
    if (!jump) return;
    const [trace, id, position] = jump;
    if (trace === this.shown && id === this.section.id) this.go(position);
    else {
      this.shown = trace;
      this._enter(id, position);
    }
  }

  /* To the instruction that wrote a value: it is then the next to run. */
  toWriter(what) {
    const { section } = this;
    const key = what.startsWith("0x") ? BigInt(what) : what;
    const k = section.writerOf(key, this.position);
    const name = what.startsWith("0x") ? section.nameOf(key) || what
      : what.startsWith("flag ") ? what.slice(5) : title(what);
    if (k < 0) {
      this._say(`Nothing in this part wrote ${name}: it is older.`);
      return;
    }
    this.go(k, true);
    const step = section.steps[k];
    const from = (step.raw.reads || []).map((read) => BigInt(read.at))
      .find((at) => section.fieldAt(at));
    this._say(`${name} is written here, by ${step.code.asm}${
      from === undefined ? "" : `, from ${section.nameOf(from)}`}. Not yet run.`);
  }

  // ---- predict, then reveal ------------------------------------------------

  _predict(on) {
    this.predicting = on;
    this.score = [0, 0];
    this.$('[data-do="predict"]').setAttribute("aria-pressed", on);
    this._close();
    if (on) this._after();
    else this._say("No more questions.");
  }

  _after() {
    if (!this.predicting) return this.go(this.position + 1);
    if (this.asked) return this._reveal();
    if (this.position >= this.section.length) return this._say("This is the end.");
    this.asked = question(this.section, this.position);
    const step = this.section.steps[this.position];
    const names = { memory: "a word of memory", gs_base: "GS base", cpl: "CPL, CS, SS",
      rflags: "RFLAGS" };
    const card = this.$(".ask");
    card.replaceChildren(
      make("fieldset", {},
        make("legend", {}, make("b", {}, "Next: "), make("code", {}, step.code.asm),
          ". What will it change, besides RIP?"),
        ...this.asked.choices.map((name) => make("label", {},
          make("input", { type: "checkbox", name: "what", value: name }),
          names[name] || title(name)))),
      make("div", { class: "row" },
        make("label", {}, `${title(this.asked.target)} afterwards, if you like:`,
          make("input", { type: "text", name: "value", autocomplete: "off",
            spellcheck: "false", placeholder: "0x…" })),
        make("button", { class: "go", type: "submit" }, "Reveal")));
    card.hidden = false;
    card.querySelector("input").focus();
    this._show(this.$(".source .scroll"), this.$(".lines .next")); // it has shrunk
    this._say(`Before ${step.code.asm} runs: what will it change?`);
  }

  _reveal() {
    const { asked } = this;
    if (!asked) return this._after();
    const card = this.$(".ask");
    const ticked = new Set([...card.querySelectorAll("input:checked")]
      .map((input) => input.value));
    const guess = card.querySelector("input[type=text]").value.trim();
    const missed = [...asked.right].filter((name) => !ticked.has(name));
    const wrong = [...ticked].filter((name) => !asked.right.has(name));
    const value = this.section.registersAt(asked.k + 1)[asked.target];
    let valueRight = true;
    const lines = [];
    if (guess) {
      try {
        valueRight = BigInt(guess) === value;
      } catch {
        valueRight = false;
      }
      lines.push(`${title(asked.target)} is ${hex(value)}${
        valueRight ? ", as you said" : `, not ${guess}`}.`);
    }
    if (missed.length) lines.push(`Also changed: ${missed.map(title).join(", ")}.`);
    if (wrong.length) lines.push(`Not changed: ${wrong.map(title).join(", ")}.`);
    const right = !missed.length && !wrong.length && valueRight;
    this.score[0] += right;
    this.score[1] += 1;
    this.asked = undefined;
    this.position = asked.k + 1;
    card.replaceChildren(
      make("div", { class: "row" },
        make("p", { class: right ? "good" : "bad" }, right ? "✓ Right" : "✗ Not quite"),
        make("p", {}, lines.join(" ")),
        make("p", { class: "where" }, `${this.score[0]} of ${this.score[1]} right`),
        make("button", { class: "go", type: "submit" }, "Ask the next")));
    this.draw();
    card.querySelector("button").focus();
    this._say(`${right ? "Right." : "Not quite."} ${lines.join(" ")} ${
      explain(this.section, asked.k)}`);
  }

  /* A step in any other way ends a question. */
  _close() {
    const card = this.$(".ask");
    const had = card.contains(this.shadowRoot.activeElement);
    this.asked = undefined;
    card.hidden = true;
    card.replaceChildren();
    if (had) this.$('[data-do="after"]').focus();
  }

  // ---- two traces ----------------------------------------------------------

  _toDivergence() {
    const first = this.comparison && this.comparison.first;
    if (!first) return this._say("These traces do not differ here.");
    this.go(this.shown === this.mine ? first.mine : first.reference, true);
  }

  /* The other trace, at the step that goes with this one. */
  _exchange() {
    if (!this.other) return;
    const position = this._paired(this.position);
    this.shown = this.shown === this.mine ? this.other : this.mine;
    this._enter(this.section.id, position);
    this._say(`Shown is now ${this.shown === this.mine ? "this trace"
      : "the reference"}.`);
  }

  /* The position of the other trace that goes with a position of the shown. */
  _paired(position) {
    if (!this.comparison) return position;
    const [mine, theirs] = this.shown === this.mine ? [0, 1] : [1, 0];
    const { first } = this.comparison;
    if (first && position === [first.mine, first.reference][mine]) {
      return [first.mine, first.reference][theirs];
    }
    let paired = 0;
    for (const pair of this.comparison.pairs) {
      if (pair[mine] !== null && pair[mine] >= position) return pair[theirs] ?? paired;
      if (pair[theirs] !== null) paired = pair[theirs] + 1;
    }
    return paired;
  }

  _drawComparison() {
    const card = this.$(".parting");
    this.$(".app").classList.toggle("comparing", Boolean(this.other));
    card.hidden = !this.other;
    if (!this.other) return;
    const { comparison } = this;
    const show = (value, section) => (value === undefined ? "—"
      : `${hex(value)}${section.nameOf(value) ? ` (${section.nameOf(value)})` : ""}`);
    const mine = this.mine.section(this.section.id);
    const theirs = this.other.section(this.section.id);
    const children = [];
    if (!comparison) {
      children.push(make("h2", {}, "Only one of the traces has this part."));
    } else if (!comparison.first) {
      children.push(make("h2", { class: "good" }, "✓ No difference in this part."));
    } else {
      const { first } = comparison;
      const k = Math.max(first.mine - (first.kind === "value"), 0);
      children.push(make("h2", {}, `The traces part at step ${k + 1}.`));
      if (first.kind === "value") {
        const difference = first.differences[0];
        const name = difference.name === "memory" ? difference.place || hex(difference.at)
          : title(difference.name);
        children.push(make("p", {}, make("code", {}, first.says[0]), ` leaves ${name} = `,
          make("code", {}, show(difference.mine, mine)), "; in the reference ",
          make("code", {}, show(difference.reference, theirs)), "."));
      } else {
        children.push(make("p", {}, "Here ", make("code", {}, first.says[0]),
          "; in the reference ", make("code", {}, first.says[1]), "."));
      }
      children.push(make("button", { class: "link", "data-do": "divergence" },
        "Go there (D)"));
    }
    children.push(make("button", { class: "link", "data-do": "exchange" },
      this.shown === this.mine ? "Show the reference (X)" : "Show this trace (X)"));
    children.push(make("button", { class: "link", "data-do": "uncompare" },
      "End the comparison"));
    const rows = [];
    for (const place of comparison ? comparison.places : []) {
      if (place.mine === undefined || place.reference === undefined) {
        rows.push(make("tr", {}, make("td", {}, place.name),
          make("td", {}, "reached"), make("td", {}, place.mine === undefined ? "never" : "yes"),
          make("td", {}, place.reference === undefined ? "never" : "yes")));
      }
      for (const difference of place.differences) {
        rows.push(make("tr", {}, make("td", {}, place.name),
          make("td", {}, difference.name.includes(".") ? difference.name
            : title(difference.name)),
          make("td", {}, show(difference.mine, mine)),
          make("td", {}, show(difference.reference, theirs))));
      }
    }
    if (rows.length) {
      children.push(make("details", {},
        make("summary", {}, `What differs at the places on the way (${rows.length})`),
        make("table", {}, make("thead", {}, make("tr", {},
          ...["at", "value", "this trace", "reference"].map((text) => (
            make("th", { scope: "col" }, text))))), make("tbody", {}, ...rows))));
    }
    card.replaceChildren(...children);
  }

  // ---- drawing -------------------------------------------------------------

  _theme(next) {
    const themes = ["auto", "light", "dark"];
    const dark = matchMedia("(prefers-color-scheme: dark)");
    if (this.theme === undefined) {
      try {
        this.theme = localStorage.getItem("trace-player-theme") || "auto";
      } catch {
        this.theme = "auto"; // a page from a file may have no storage
      }
      if (!themes.includes(this.theme)) this.theme = "auto";
      dark.addEventListener("change", () => this._theme());
    }
    if (next) {
      this.theme = themes[(themes.indexOf(this.theme) + 1) % 3];
      try {
        localStorage.setItem("trace-player-theme", this.theme);
      } catch { /* then it is not remembered */ }
    }
    this.dataset.theme = this.theme === "auto" ? dark.matches ? "dark" : "light"
      : this.theme;
    this.$('[data-do="theme"]').textContent = { auto: "Auto", light: "Light",
      dark: "Dark" }[this.theme];
    this.$('[data-do="theme"]').append(make("span", { class: "hush" }, " colours"));
  }

  _view(name) {
    this.$("main").dataset.view = name;
    for (const button of this.$(".views").children) {
      button.setAttribute("aria-pressed", button.dataset.view === name);
    }
    if (!this.asked) this.draw();
  }

  /* What is the next to run. */
  codeHere() {
    return this.section.codeAt(this.section.registersAt(this.position).rip).asm;
  }

  _say(sentence, next) {
    this.$("[role=status]").replaceChildren(sentence, ...next ? [" ",
      make("span", { class: "then" }, "Next: ", make("code", {}, next))] : []);
  }

  /* What stays the same while a section is stepped through. */
  _drawSection() {
    const { section, shown } = this;
    const { call } = shown;
    for (const part of ["main", "footer", ".views"]) this.$(part).hidden = false;
    const result = call.result === undefined ? ""
      : ` = ${BigInt.asIntN(64, BigInt(call.result))}`;
    this.$("h1").replaceChildren(
      `${call.name || `call ${call.number}`}()${result} `,
      make("small", {}, `${shown.program}${this.shown === this.mine ? ""
        : ", the reference"}`));
    document.title = `${call.name}, ${shown.program} · Threshold`;
    this.$(".sections").replaceChildren(...shown.sections.map((part) => make("button", {
      "data-section": part.id, title: part.title,
      "aria-current": part === section ? "true" : undefined,
    }, SHORT[part.id] || part.id)));
    this.$(".views").replaceChildren(...VIEWS.map(([name, text]) => make("button", {
      "data-view": name, "aria-pressed": String(this.$("main").dataset.view === name),
    }, text)));
    this.$(".marks").replaceChildren(...section.marks.map((mark) => make("button", {
      class: mark.kind, "data-to": String(mark.position),
    }, mark.name)));
    this._drawTrack();
    this._makeRegisters();
    this._makeDrawing();
    this._drawComparison();
  }

  _drawTrack() {
    const { section } = this;
    const range = this.$("input[type=range]");
    range.max = section.length;
    const percent = (position) => `${100 * position / Math.max(section.length, 1)}%`;
    const bar = this.$(".bar");
    bar.replaceChildren();
    // Under the track, which ring the CPU is in.
    let from = 0, ring = section.start.cpl;
    const part = (to) => bar.append(make("i", { class: ring === 3n ? "u" : "k",
      style: `inset-inline-start:${percent(from)};inline-size:${percent(to - from)}` }));
    section.steps.forEach((step, k) => {
      if (step.set.cpl === undefined) return;
      part(k + 1);
      [from, ring] = [k + 1, step.set.cpl];
    });
    part(section.length);
    this.$(".track").querySelectorAll(".tick, .parts").forEach((tick) => tick.remove());
    const place = (position) => `inset-inline-start:calc(8px + (100% - 16px) * ${
      position / Math.max(section.length, 1)})`;
    for (const mark of section.marks) {
      bar.after(make("span", { class: "tick", style: place(mark.position) }));
    }
    const first = this.comparison && this.comparison.first;
    if (first) {
      bar.after(make("span", { class: "parts", style: place(
        this.shown === this.mine ? first.mine : first.reference) }));
    }
  }

  draw() {
    const { section, position } = this;
    if (!section) return;
    const registers = section.registersAt(position);
    const step = position ? section.steps[position - 1] : undefined;
    const code = section.codeAt(registers.rip);
    const ring = registers.cpl === 3n ? "user" : "kernel";
    this.$(".ring").className = `ring ${ring}`;
    this.$(".ring").textContent = ring === "user" ? "ring 3" : "ring 0";
    this.$(".said .where").textContent = `${position} of ${section.length}`;
    const sentence = step ? explain(section, position - 1) : `${section.title}.`;
    const last = position === section.length;
    const end = last && !(step && step.exception) ? ` ${section.end.text || ""}` : "";
    this._say(sentence + end, last ? undefined : code.asm);
    const range = this.$("input[type=range]");
    range.value = position;
    range.setAttribute("aria-valuetext", `${position} of ${section.length}, next ${code.asm}`);
    for (const [name, off] of [["first", !position], ["before", !position],
      ["after", position === section.length], ["last", position === section.length],
      ["back", !this.jumps.length]]) {
      this.$(`[data-do="${name}"]`).setAttribute("aria-disabled", off);
    }
    this._drawMarks();
    this._drawSource(code, step);
    this._drawRan();
    this._drawRegisters(registers, step);
    this._drawMachine(registers, step);
    this._drawStack(registers, step);
  }

  /* An element to be in the middle of its panel, when the next frame is drawn: the
   * page is laid out once for all panels, however many steps were taken. */
  _show(panel, element) {
    if (!this.views.size) requestAnimationFrame(() => this._scroll());
    this.views.set(panel, element);
  }

  _scroll() {
    const places = [...this.views].filter(([, element]) => element).map(([panel, { offsetTop, offsetHeight, offsetLeft,
      offsetWidth }]) => [panel, offsetTop - (panel.clientHeight - offsetHeight) / 2,
      panel.matches(".marks") ? offsetLeft - panel.offsetLeft
        - (panel.clientWidth - offsetWidth) / 2 : 0]);
    this.views.clear();
    for (const [panel, top, left] of places) panel.scrollTo({ top, left });
  }

  _drawMarks() {
    let current;
    for (const button of this.$(".marks").children) {
      if (Number(button.dataset.to) <= this.position) current = button;
    }
    const bar = this.$(".marks");
    for (const button of bar.children) {
      if (button === current) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
    this._show(bar, current);
  }

  _drawSource(code, step) {
    const { files } = this.shown;
    const panel = this.$(".source .scroll");
    const file = code.file;
    this.$(".source h2 span").textContent = file ? `${file}:${code.line}${
      code.function ? `, ${code.function}` : ""}` : "";
    if (file === undefined || files[file] === undefined) {
      this.file = undefined;
      panel.replaceChildren(make("p", { class: "none" },
        file ? `${file} is not in the trace.` : "No source is known here.",
        make("br"), make("code", {}, code.asm)));
      return;
    }
    if (this.file !== file) {
      this.file = file;
      const text = files[file].replace(/\n$/, "");
      panel.replaceChildren(make("ol", { class: "lines" }, ...colour(text).map((line, i) => (
        make("li", {}, make("span", { class: "number" }, String(i + 1)),
          make("span", {}, ...line.map(([kind, part]) => (
            kind ? make("span", { class: kind }, part) : part))))))));
    }
    const rows = panel.firstChild.children;
    panel.querySelectorAll(".next, .done").forEach((row) => {
      row.classList.remove("next", "done");
      row.removeAttribute("aria-current");
    });
    if (step && step.code.file === file && rows[step.code.line - 1]) {
      rows[step.code.line - 1].classList.add("done");
    }
    const row = rows[code.line - 1];
    if (!row) return;
    row.classList.remove("done");
    row.classList.add("next");
    row.setAttribute("aria-current", "step");
    this._show(panel, row);
  }

  /* The steps around this one; beside them, those of the other trace. */
  _drawRan() {
    const { section, position, comparison } = this;
    const shownFirst = this.shown === this.mine;
    const pairs = comparison ? comparison.pairs : section.steps.map((_, k) => [k, null]);
    const own = shownFirst ? 0 : 1;
    const mine = this.mine.section(section.id);
    const theirs = this.other && this.other.section(section.id);
    let row = pairs.findIndex((pair) => pair[own] !== null && pair[own] >= position);
    if (row < 0) row = pairs.length;
    const cell = (k, part, number) => {
      if (k === null) return make("td", { class: "asm" }, make("i", {}, "no such step"));
      const step = part.steps[k];
      const text = step.over ? `${step.code.asm} …` : step.code.asm;
      const label = [text, step.n > 1 && !step.over ? make("i", {}, ` and ${step.n - 1} more`)
        : undefined];
      return make("td", { class: "asm", title: text }, number
        ? make("button", { "data-to": String(k) }, ...label.filter(Boolean))
        : make("span", {}, ...label.filter(Boolean)));
    };
    const body = make("tbody");
    for (let i = Math.max(row - 6, 0); i < Math.min(row + 9, pairs.length); i++) {
      const [a, b] = pairs[i];
      const parted = comparison && (a === null || b === null);
      const first = comparison && comparison.first;
      const here = first && first.kind === "value" && a === first.mine - 1;
      body.append(make("tr", {
        class: `row${i === row ? " next" : ""}${parted || here ? " parted" : ""}`,
        "aria-current": i === row ? "step" : undefined,
      }, make("td", { class: "at" }, `${i === row ? "▶ " : parted || here ? "≠ " : ""}${
        (own ? b : a) === null ? "" : (own ? b : a) + 1}`),
      ...(comparison ? [cell(a, mine, !own), cell(b, theirs, own)]
        : [cell(a, section, true)])));
    }
    const table = make("table", {});
    if (comparison) {
      table.append(make("thead", {}, make("tr", {}, make("td"),
        make("th", { scope: "col", "data-shown": String(shownFirst) }, "this trace"),
        make("th", { scope: "col", "data-shown": String(!shownFirst) }, "reference"))));
    }
    table.append(body);
    const panel = this.$(".ran .scroll");
    const focused = panel.contains(this.shadowRoot.activeElement)
      ? this.shadowRoot.activeElement.dataset.to : undefined;
    panel.replaceChildren(table);
    if (focused !== undefined) {
      (panel.querySelector(".next button") || this.$('[data-do="after"]')).focus();
    }
    this._show(panel, table.querySelector(".next") || body.lastChild);
  }

  _makeRegisters() {
    const { section } = this;
    const changing = SEGMENTS.filter((name) => section.writers.has(name));
    const row = (name) => make("tr", { "data-register": name },
      make("th", { scope: "row" }, name === "kernel_gs_base" ? "k_gs_base" : name),
      make("td", {}, make("button", { class: "value", "data-writer": name })),
      make("td", { class: "note" }));
    const table = (label, names) => make("table", {},
      make("caption", { class: "hush" }, label), columns("name", "value", "note"),
      make("tbody", {}, ...names.map(row)));
    const known = (names) => names.filter((name) => name in section.start);
    this.$(".registers .scroll").replaceChildren(
      table("General registers", known([...GENERAL, "rip", "rflags"])),
      make("ul", { class: "flags", "aria-label": "RFLAGS" }, ...FLAGS.map((flag) => (
        make("li", {}, make("button", { "data-writer": `flag ${flag.name}`,
          title: flag.title }))))),
      table("System registers", known([...SYSTEM, ...changing])));
  }

  _drawRegisters(registers, step) {
    const { section } = this;
    const panel = this.$(".registers .scroll");
    let others, part;
    if (this.comparison && this.comparison.first) {
      part = (this.shown === this.mine ? this.other : this.mine).section(section.id);
      others = part.registersAt(Math.min(this._paired(this.position), part.length));
    }
    for (const row of panel.querySelectorAll("tr")) {
      const name = row.dataset.register;
      const value = registers[name];
      const changed = Boolean(step) && step.set[name] !== undefined;
      const differs = others && name !== "cr3" && others[name] !== undefined
        && section.meaning(value) !== part.meaning(others[name]);
      row.classList.toggle("changed", changed && name !== "rip");
      row.classList.toggle("differs", Boolean(differs));
      const place = name === "rflags" ? "" : section.nameOf(value);
      const was = !changed || name === "rip" ? ""
        : `was ${name === "cpl" ? step.old[name] : hex(step.old[name])}`;
      const button = row.querySelector("button");
      button.replaceChildren(name === "cpl" ? String(value) : hex(value),
        make("span", { class: "hush" },
        ` in ${name}${was ? `, changed, ${was}` : ""}. To its writer.`));
      const note = differs ? `${this.shown === this.mine ? "reference" : "this trace"}: ${
        hex(others[name])}` : [place, was].filter(Boolean).join(", ");
      row.lastChild.textContent = note;
      row.lastChild.title = note;
    }
    panel.querySelectorAll(".flags button").forEach((button, i) => {
      const { name, bit, mask } = FLAGS[i];
      const value = registers.rflags >> bit & mask;
      const changed = step && step.set.rflags !== undefined
        && (step.set.rflags ^ step.old.rflags) >> bit & mask;
      button.className = `${value ? "set" : ""}${changed ? " changed" : ""}`;
      button.textContent = `${name} ${value}`;
      if (changed) button.append(make("span", { class: "hush" }, " changed"));
    });
  }

  // ---- the picture ---------------------------------------------------------

  _makeDrawing() {
    const svg = shape("svg", { viewBox: "0 0 360 246", role: "img" });
    const text = (x, y, value, attributes = {}) => {
      const element = shape("text", { x, y, ...attributes }, value);
      svg.append(element);
      return element;
    };
    const rect = (x, y, width, height, attributes) => {
      const element = shape("rect", { x, y, width, height, ...attributes });
      svg.append(element);
      return element;
    };
    const middle = { "text-anchor": "middle" };
    this.picture = { svg, title: shape("title") };
    svg.append(this.picture.title);
    rect(0, 0, 124, 246, { class: "side-user" });
    rect(236, 0, 124, 246, { class: "side-kernel" });
    svg.append(shape("line", { x1: 180, y1: 222, x2: 180, y2: 246, class: "threshold" }));
    text(10, 16, "the user's", { class: "head user" });
    text(350, 16, "the kernel's", { class: "head kernel", "text-anchor": "end" });

    const p = this.picture;
    p.cplUser = rect(10, 25, 104, 26, { class: "box", rx: 5 });
    text(62, 42, "ring 3", middle);
    p.cplKernel = rect(246, 25, 104, 26, { class: "box", rx: 5 });
    text(298, 42, "ring 0", middle);
    p.gsUser = rect(10, 63, 104, 46, { class: "box", rx: 5 });
    text(17, 79, "user's GS base");
    p.gsValue = text(17, 96, "", { class: "small" });
    p.gsKernel = rect(246, 63, 104, 46, { class: "box", rx: 5 });
    text(253, 77, "per_cpu");
    p.kernelRsp = text(253, 90, "", { class: "small" });
    p.userRsp = text(253, 103, "", { class: "small" });

    rect(144, 22, 72, 200, { class: "cpu", rx: 7 });
    text(180, 16, "CPU", { ...middle, class: "head" });
    for (const [name, y] of [["CPL", 37], ["GS", 84], ["RSP", 146]]) {
      text(180, y, name, { ...middle, class: "head" });
    }
    p.cpl = text(180, 52, "", middle);
    p.gs = text(180, 98, "", { ...middle, class: "small" });
    p.rsp = text(180, 160, "", { ...middle, class: "small" });
    p.interrupts = [text(180, 200, "interrupts", { ...middle, class: "small" }),
      text(180, 213, "", { ...middle, class: "small" })][1];

    text(17, 125, "user stack");
    p.stackName = text(255, 125, "kernel stack");
    for (let i = 0; i < USER_BARS; i++) {
      rect(17, STACK_Y + i * BAR, 88, BAR, { class: "slot users" });
    }
    p.slots = [];
    for (let i = 0; i < 25; i++) {
      p.slots.push(rect(255, STACK_Y + i * BAR, 88, BAR, { class: "slot" }));
    }
    for (const name of ["wireCpl", "wireGs", "wireRsp"]) {
      p[name] = shape("path", { class: "wire" });
      p[`${name}Tip`] = shape("path", { class: "tip", d: "M0,0 L-8,-4.5 L-8,4.5 Z" });
      svg.append(p[name], p[`${name}Tip`]);
    }
    this.$(".drawing").replaceChildren(svg);
  }

  _drawMachine(registers, step) {
    const { section, picture: p } = this;
    const short = (value) => (value > 0xfffffffn ? `…${value.toString(16).slice(-5)}`
      : hex(value));
    const { perCpu } = this.shown;
    const kernelGs = perCpu && registers.gs_base === perCpu.at;
    const onKernel = registers.rsp >= USER_END;
    const ring0 = registers.cpl !== 3n;
    const usersGs = kernelGs ? registers.kernel_gs_base : registers.gs_base;
    p.cpl.textContent = registers.cpl;
    p.gs.textContent = kernelGs ? "per_cpu" : hex(registers.gs_base);
    p.gsValue.textContent = hex(usersGs);
    p.rsp.textContent = short(registers.rsp);
    p.interrupts.textContent = registers.rflags >> 9n & 1n
      ? "on" : "off";
    const slot = (name) => {
      const found = perCpu && perCpu.slots.find((s) => s.name === name);
      const word = found && section.wordAt(perCpu.at + found.offset, this.position);
      return word === undefined ? "" : `${name} ${short(word)}`;
    };
    p.kernelRsp.textContent = slot("kernel_rsp");
    p.userRsp.textContent = slot("user_rsp");
    p.cplUser.setAttribute("class", `box ${ring0 ? "" : "on-user"}`);
    p.cplKernel.setAttribute("class", `box ${ring0 ? "on-kernel" : ""}`);
    p.gsUser.setAttribute("class", `box ${kernelGs ? "" : "on-user"}`);
    p.gsKernel.setAttribute("class", `box ${kernelGs ? "on-kernel" : ""}`);

    const inside = section.stack ? section.onStack(registers.rsp) : onKernel;
    const words = section.stack && inside
      ? Number((section.stack.top - registers.rsp) / WORD) : 0;
    const shownWords = section.stack ? Math.min(words, p.slots.length)
      : onKernel ? USER_BARS : 0;
    p.stackName.textContent = !section.stack ? "start-up stack"
      : onKernel && !inside ? "another stack" : "kernel stack";
    const fresh = new Set((step ? step.writes : []).map((write) => (
      section.stack ? Number((section.stack.top - write.at) / WORD) - 1 : -1)));
    const frameWords = Number(this.shown.frameSize / WORD);
    p.slots.forEach((element, i) => {
      element.setAttribute("class", `slot ${i >= shownWords ? ""
        : fresh.has(i) ? "fresh" : i < frameWords ? "held" : "below"}`);
    });
    const wire = (name, from, to, kernel) => {
      const [x, end, bend] = kernel ? [216, name === "wireRsp" ? 255 : 246, 232]
        : [144, name === "wireRsp" ? 105 : 114, 128];
      const path = `M${x},${from} C${bend},${from} ${bend},${to} ${
        kernel ? end - 6 : end + 6},${to}`;
      const side = kernel ? "to-kernel" : "to-user";
      p[name].setAttribute("d", path);
      p[name].style.setProperty("d", `path("${path}")`);
      p[name].setAttribute("class", `wire ${side}`);
      p[`${name}Tip`].setAttribute("class", `tip ${side}`);
      p[`${name}Tip`].setAttribute("transform",
        `translate(${end},${to}) rotate(${kernel ? 0 : 180})`);
    };
    wire("wireCpl", 38, 38, ring0);
    wire("wireGs", 86, 86, kernelGs);
    wire("wireRsp", 150, STACK_Y + BAR * (onKernel ? shownWords : USER_BARS), onKernel);
    const where = !onKernel ? "the user's stack" : !inside ? "another stack of the kernel"
      : section.stack ? `the kernel stack, ${words} words below its top`
        : "the kernel's first stack";
    p.title.textContent = `CPL ${registers.cpl}. GS points at ${kernelGs ? "per_cpu"
      : "the user's base"}. RSP is on ${where}. Interrupts are ${
      registers.rflags >> 9n & 1n ? "on" : "off"}.`;
    this.$(".machine h2 span").textContent = !section.stack ? "before any user"
      : new Set([ring0, Boolean(kernelGs), onKernel]).size === 1
        ? ring0 ? "wholly in the kernel" : "wholly the user's" : "on the threshold";
  }

  _drawStack(registers, step) {
    const { section } = this;
    const panel = this.$(".stack .scroll");
    const active = this.shadowRoot.activeElement;
    const focused = panel.contains(active) ? active.dataset.writer : undefined;
    const told = section.steps.slice(0, this.position).flatMap((s) => (
      s.events.map((event) => [event, s.k])));
    if (!section.stack) {
      this.$(".stack h2").firstChild.data = "What the CPU was told ";
      this.$(".stack h2 span").textContent = "";
      panel.replaceChildren(told.length ? make("ol", { class: "told" },
        ...told.map(([event, k]) => this._event(event, k))) : make("p", { class: "none" },
        "Nothing yet: no table is loaded, no model-specific register is written."));
      this._show(panel, panel.querySelector(".told :last-child"));
      return;
    }
    this.$(".stack h2").firstChild.data = "Kernel stack ";
    this.$(".stack h2 span").textContent =
      `${section.raw.process || "process"}[${section.raw.pid ?? "?"}], top ${
        hex(section.stack.top)}`;
    const inside = section.onStack(registers.rsp);
    const low = inside ? registers.rsp : section.stack.top;
    const bottom = section.frame !== undefined && low > section.frame ? section.frame : low;
    const written = new Set((step ? step.writes : []).map((write) => write.at & ~7n));
    const rows = [];
    if (inside && registers.rsp === section.stack.top) {
      rows.push(make("tr", {}, make("td", { class: "at" }, make("span", { class: "rsp" })),
        make("th", { scope: "row" }, "top"),
        make("td", {}, hex(section.stack.top)), make("td", { class: "note" }, "still empty")));
    }
    let at = section.stack.top - WORD;
    for (let count = 0; at >= bottom && count < 96; at -= WORD, count++) {
      const field = section.fieldAt(at);
      const free = at < low;
      const value = section.wordAt(at, this.position);
      const changed = written.has(at) && !free;
      const old = changed && step.writes.find((write) => (write.at & ~7n) === at).old;
      const name = field ? field.name : `−${section.stack.top - at}`;
      const notes = [free ? "free" : "", field && !free ? FRAME_NOTES[field.name] : "",
        !free && value !== undefined ? section.nameOf(value) : "",
        changed ? `was ${hex(old)}` : ""];
      rows.push(make("tr", {
        class: `${free ? "free" : ""}${changed ? " changed" : ""}${field ? " frame" : ""}`,
      },
      make("td", { class: "at" }, at === registers.rsp ? make("span", { class: "rsp" },
        make("span", { class: "hush" }, "RSP is here")) : ""),
      make("th", { scope: "row" }, name),
      make("td", {}, free || value === undefined ? make("span", {}, free ? "·" : "unknown")
        : make("button", { class: "value", "data-writer": hex(at) }, hex(value),
          make("span", { class: "hush" }, ` in ${section.nameOf(at)}${
            changed ? ", changed" : ""}. To its writer.`))),
      make("td", { class: "note" }, notes.filter(Boolean).join(", "))));
    }
    const body = make("tbody", {}, ...rows);
    panel.replaceChildren(make("table", {},
      make("caption", { class: "hush" }, "The kernel stack, from its top down"),
      columns("at", "name", "value", "note"), body));
    if (focused !== undefined) {
      const again = panel.querySelector(`[data-writer="${focused}"]`);
      (again || panel).focus({ preventScroll: true });
    }
    const here = panel.querySelector(".changed") || panel.querySelector(".rsp");
    this._show(panel, here ? here.closest("tr") : body.firstChild);
  }

  /* What a table or a special register was told. */
  _event(event, k) {
    const about = {
      wrmsr: () => `${event.name || event.number} = ${event.new} (was ${event.old})`,
      lgdt: () => `lgdt: base ${event.base}, limit ${event.limit}; ${
        event.entries.map((word, i) => `${hex(8 * i)}: ${word}`).join(", ")}`,
      lidt: () => `lidt: base ${event.base}, limit ${event.limit}`,
      ltr: () => `ltr ${event.selector}: TSS at ${event.base}, rsp0 ${event.rsp0}`,
      segment: () => `${event.register} = ${event.selector}`,
    }[event.kind];
    const place = event.kind === "wrmsr" ? this.section.nameOf(BigInt(event.new)) : "";
    return make("li", { class: k === this.position - 1 ? "changed" : "" },
      make("button", { class: "value mono", "data-to": String(k) }, about ? about()
        : event.kind, make("span", { class: "hush" }, ". To its instruction.")),
      place ? ` ${place}` : "");
  }
}

globalThis.ThresholdTrace = { Trace, Section, Memory, compare, align, explain,
  question, findMarks };
if (!customElements.get("trace-player")) customElements.define("trace-player", TracePlayer);
})();
