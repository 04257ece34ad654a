/* A trace: the state after n steps, and who wrote a value. It knows no page.
 *
 * A position is a number of steps taken: at position n the steps 0 to n - 1 have
 * run, and step n is the next to run, as `=>` in GDB. */
"use strict";

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
    this._findTables(json.sections || []);
    this.sections = (json.sections || []).map((raw) => new Section(raw, this));
    if (!this.sections.length) throw new Error("This trace has no section.");
  }

  section(id) {
    return this.sections.find((section) => section.id === id);
  }

  /* Where the GDT and the TSS lie: as LGDT and LTR were told, so that their words
   * have names from the first write on. */
  _findTables(sections) {
    const events = sections.flatMap((s) => s.steps).flatMap((step) => step.events || []);
    const lgdt = events.find((event) => event.kind === "lgdt");
    const ltr = events.find((event) => event.kind === "ltr");
    this.gdt = lgdt && { at: BigInt(lgdt.base), count: lgdt.entries.length };
    this.tss = ltr && { at: BigInt(ltr.base), size: BigInt(ltr.limit) + 1n };
  }

  /* The number of the GDT's entry at an address. */
  entryAt(at) {
    const { gdt } = this;
    if (!gdt || at < gdt.at || at >= gdt.at + WORD * BigInt(gdt.count)) return undefined;
    return Number((at - gdt.at) / WORD);
  }

  /* "gdt[1]" or "tss.rsp0", where an address is in one of them. */
  tableName(at) {
    const entry = this.entryAt(at);
    if (entry !== undefined) {
      const offset = (at - this.gdt.at) % WORD;
      return `gdt[${entry}]${offset ? ` + ${offset}` : ""}`;
    }
    const { tss } = this;
    if (!tss || at < tss.at || at >= tss.at + tss.size) return "";
    const offset = at - tss.at, field = TSS_FIELDS.get(offset);
    return field ? `tss.${field}` : offset ? `tss + ${offset}` : "tss";
  }

  /* The descriptor of a selector after n steps of a section, where it is known. */
  descriptor(section, selector, n) {
    const { gdt } = this;
    return gdt && section.wordAt(gdt.at + (selector & ~7n), n);
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
    this.notes = new Map((raw.notes || []).map((note) => [note.at, note.text]));
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

  /* The other of a fork's two processes: {name, section}, "child" or "parent". */
  kin() {
    const id = { call: "child", child: "call" }[this.id];
    const section = id && this.trace.section(id);
    return section && section.stack ? { section, name: id === "call" ? "parent" : id }
      : undefined;
  }

  /* What stands at an address, in the words of the kernel; "" for a number. */
  nameOf(value) {
    const { trace } = this;
    const table = trace.tableName(value);
    if (table) return table;
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
    const kin = this.kin();
    if (kin && kin.section.onStack(value)) {
      const field = kin.section.fieldAt(value), below = kin.section.stack.top - value;
      return field ? `${kin.name}.frame.${field.name}`
        : `${kin.name}'s stack${below ? ` − ${below}` : " top"}`;
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
