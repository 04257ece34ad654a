/* One system call on the model: from the user's SYSCALL through a stub and back, as
 * a trace that the player's rooms read (docs/trace-format.md). */
"use strict";

/* Where things lie in the model, where no recording says it. */
const PLACES = { user: 0x401000n, userStack: 0x7fffffffe800n, userStackSize: 0x2000n,
  stub: 0xffffffff80100000n, handler: 0xffffffff80200000n, data: 0xffffffff80300000n,
  trap: 0xffffffff80280000n, perCpu: 0xffffffff80400000n,
  stackTop: 0xffffc00000003000n, stackSize: 0x2000n };
const INSTRUCTION = 8n; // bytes between two instructions of the model
const USER_LIMIT = USER_END + 0x1000n; // what syscall_handler lets a frame's RIP be
const STEPS = 2000;
const C_STACK = 512n; // bytes below RSP that C's functions push to

/* What C leaves in the registers that it need not keep. */
const CLOBBERED = ["rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11"];
const C_ARGUMENTS = ["rdi", "rsi", "rdx", "rcx", "r8", "r9"];
const CALL_ARGUMENTS = ["rax", "rdi", "rsi", "rdx", "r10", "r8", "r9"];

/* A pattern for each register, the same each time. */
function patterns(number) {
  const registers = {};
  let seed = 0x9e3779b97f4a7c15n;
  for (const name of GENERAL) {
    seed = seed * 6364136223846793005n + 1442695040888963407n & ALL;
    registers[name] = seed | 1n << 62n; // no address, no small number
  }
  return { ...registers, rax: BigInt(number), rsp: PLACES.userStack, rip: PLACES.user,
    rflags: 0x200ad7n & ~FLAG.TF, cs: 0x33n, ss: 0x2bn, cpl: 3n, fs_base: 0n, gs_base: 0n,
    kernel_gs_base: PLACES.perCpu };
}

/* The setting of a call of getpid: who is where before it. `layout` is what the kernel's
 * headers say: {frame: {size, fields}, per_cpu: {kernel_rsp, user_rsp}}. */
function settingOf(layout, number = 39) {
  const memory = new Memory();
  memory.write(PLACES.perCpu + BigInt(layout.per_cpu.kernel_rsp), 8, PLACES.stackTop);
  memory.write(PLACES.perCpu + BigInt(layout.per_cpu.user_rsp), 8, 0n);
  return { layout, number: BigInt(number), registers: patterns(number), memory,
    perCpu: PLACES.perCpu, stack: { low: PLACES.stackTop - PLACES.stackSize,
      top: PLACES.stackTop },
    msrs: { STAR: 0x23000800000000n, SFMASK: 0x47700n, LSTAR: PLACES.stub } };
}

/* Why an access from ring 0 is refused; undefined where it is not. */
function refuses(setting, symbols, at, size, writes, cpu) {
  const inside = (low, high) => at >= low && at + size <= high;
  const { stack, perCpu } = setting;
  if (inside(stack.low, stack.top) || inside(perCpu, perCpu + 0x1000n)) return undefined;
  if (inside(PLACES.data, PLACES.data + 8n * BigInt(symbols.size))) return undefined;
  if (at >= USER_END) return `${writes ? "a write to" : "a read of"} ${hex(at)}, where nothing is`;
  const user = setting.registers.rsp;
  const mapped = at + size > user - PLACES.userStackSize && at < user + PLACES.userStackSize;
  if (!mapped) return `${writes ? "a write to" : "a read of"} ${hex(at)}, where nothing is`;
  return cpu.flag(FLAG.AC) ? undefined
    : `the user's memory at ${hex(at)}, which SMAP keeps from ring 0`;
}

/* The lines of a stub as a program: labels and instructions with addresses. */
function assemble(lines, symbols) {
  const program = [], labels = new Map();
  const known = (name) => {
    if (name === "syscall_handler") return PLACES.handler;
    if (!symbols.has(name)) symbols.set(name, PLACES.data + 8n * BigInt(symbols.size));
    return symbols.get(name);
  };
  lines.forEach((line, i) => {
    for (const part of line.split("\n")) {
      let parsed;
      try {
        parsed = parseLine(part, known);
      } catch (error) {
        if (error instanceof Outside) error.line = i;
        throw error;
      }
      if (parsed && parsed.label) labels.set(parsed.label, program.length);
      else if (parsed) program.push({ ...parsed, line: i });
    }
  });
  return { program, labels };
}

/* A stub on the model. run() gives the trace; what was not right on the way, but for
 * the registers, is in `remarks`, and `handler` has what C found. */
class Run {
  constructor(lines, setting) {
    this.setting = setting;
    this.lines = lines;
    this.symbols = new Map();
    this.steps = [];
    this.code = {};
    this.remarks = [];
    Object.assign(this, assemble(lines, this.symbols));
    this.base = setting.msrs.LSTAR;
    this.cpu = new Cpu({ registers: setting.registers, memory: copyOf(setting.memory),
      msrs: setting.msrs, allowed: (at, size, writes, cpu) => (
        refuses(setting, this.symbols, at, size, writes, cpu)) });
    this.start = { ...setting.registers };
    this.startMemory = copyOf(setting.memory);
  }

  addressOf(index) {
    return this.base + INSTRUCTION * BigInt(index);
  }

  run() {
    const { cpu } = this;
    const next = cpu.r.rip + SYSCALL_BYTES;
    this.note(cpu.r.rip, { asm: "syscall", function: "the program" });
    this.step(() => cpu.syscall(next, this.base));
    for (let count = 0; !this.end; count++) {
      if (count > STEPS) this.end = { kind: "hung", text: "The stub goes round in circles." };
      else if (cpu.r.cpl === 3n) this.end = this.backInRing3(next);
      else this.one();
    }
    if (cpu.r.cpl === 3n) this.note(cpu.r.rip, { asm: "the next instruction" });
    return this.trace();
  }

  backInRing3(next) {
    const { r } = this.cpu;
    return r.rip === next ? { kind: "returned", text: "Back in ring 3, after the SYSCALL." }
      : { kind: "elsewhere", text: `In ring 3, but at ${hex(r.rip)}.` };
  }

  /* One instruction of the stub, or the whole of C. */
  one() {
    const { cpu, base } = this;
    const { rip } = cpu.r;
    if (rip === PLACES.handler) return this.handle();
    const index = Number((rip - base) / INSTRUCTION);
    if (rip < base || (rip - base) % INSTRUCTION || index > this.program.length) {
      return this.fault(rip < USER_END
        ? new Fault(14, "#PF", "the user's code, which SMEP keeps from ring 0")
        : new Fault(14, "#PF", `there is no code at ${hex(rip)}`));
    }
    const instruction = this.program[index];
    if (!instruction) {
      this.note(rip, { asm: "ud2", function: "syscall_entry" });
      return this.fault(new Fault(6, "#UD", "the stub's end was passed"));
    }
    this.note(rip, { asm: instruction.text, function: "syscall_entry", file: "the stub",
      line: instruction.line + 1 });
    this.watch(instruction);
    if (cpu.flag(FLAG.TF)) {
      throw Object.assign(new Outside("TF is set in ring 0, so each instruction is followed by "
        + "an exception, which the model does not follow"), { line: instruction.line });
    }
    try {
      this.step(() => execute(cpu, instruction, this.addressOf(index + 1),
        (label) => this.labelled(label)));
      if (instruction.op === "sysretq" && cpu.flag(FLAG.TF)) this.trapped();
    } catch (error) {
      if (error instanceof Fault) this.fault(error);
      else {
        if (error instanceof Outside) error.line = instruction.line;
        throw error;
      }
    }
    return undefined;
  }

  /* SYSRET has loaded TF: the exception follows at once. */
  trapped() {
    const step = this.steps.at(-1);
    step.exception = { vector: 1, name: "#DB", at: step.at,
      text: "#DB: a single step, for the RFLAGS that were loaded have TF set" };
    this.end = { kind: "exception", text: step.exception.text };
  }

  labelled(label) {
    if (label === "syscall_handler") return PLACES.handler;
    const local = /^(\d+)[bf]$/.exec(label);
    const index = this.labels.get(local ? local[1] : label);
    if (index === undefined) throw new Outside(`the model has no ${label}`);
    return this.addressOf(index);
  }

  /* What is wrong before an instruction runs, though it may go well this time. */
  watch({ op, line }) {
    const { r } = this.cpu;
    if (op === "sti") {
      this.remark(line, "interrupts are let in here; the model has none, so it cannot say "
        + "what they would find");
    }
    if (/^(sysret|iret)/.test(op) && this.cpu.flag(FLAG.IF) && r.rsp < USER_END) {
      this.remark(line, "an interrupt here would find the user's stack in ring 0");
    }
  }

  remark(line, text) {
    if (!this.remarks.some((remark) => remark.line === line && remark.text === text)) {
      this.remarks.push({ line, text });
    }
  }

  /* The call of syscall_handler, as the C calling convention has it: the result in RAX,
   * and anything in what C need not keep. */
  handle() {
    const { cpu, setting } = this;
    const { r } = cpu;
    this.note(PLACES.handler, { asm: "syscall_handler(nr, a1, a2, a3, a4, a5, a6)",
      function: "syscall_handler" });
    try {
      for (let offset = 8n; offset <= C_STACK; offset += 8n) {
        cpu.check(r.rsp - offset & ALL, 8, true, true);
      }
      this.handler = this.found();
    } catch (error) {
      if (error instanceof Fault) return this.fault(error);
      throw error;
    }
    if (r.rsp % 16n !== 8n) {
      this.remark(this.line(), "RSP was not a multiple of 16 at the call, as C expects");
    }
    if (r.gs_base !== setting.perCpu) {
      this.remark(this.line(), "GS is the user's while C runs");
    }
    if (r.rflags & FLAG.DF) this.remark(this.line(), "DF is set while C runs");
    const rip = cpu.memory.read(setting.stack.top - 24n) ?? 0n;
    if (rip >= USER_LIMIT) {
      this.end = { kind: "exits", text: "The kernel ends the process: its frame's RIP is no "
        + "address of a program." };
      return undefined;
    }
    this.step(() => this.asC(), { over: "syscall_handler" });
    return undefined;
  }

  /* The arguments and the frame, as C finds them. */
  found() {
    const { cpu, setting } = this;
    const { r } = cpu;
    const sixth = cpu.memory.read(r.rsp + 8n & ALL);
    const frame = setting.stack.top - BigInt(setting.layout.frame.size);
    return { arguments: [...C_ARGUMENTS.map((name) => r[name]), sixth],
      frame: Object.fromEntries(setting.layout.frame.fields.map(({ name, offset }) => (
        [name, cpu.memory.read(frame + BigInt(offset)) ?? 0n]))) };
  }

  asC() {
    const { cpu, setting } = this;
    const { r } = cpu;
    const result = setting.result ?? (r.rdi === 39n ? 1n : ALL - 37n); // -ENOSYS
    const clobbers = setting.clobbers || Object.fromEntries(
      CLOBBERED.map((name, i) => [name, 0xc0c0c0c000000000n + BigInt(i)]));
    r.rip = cpu.pop();
    Object.assign(r, { rax: result }, clobbers);
    if (!setting.clobbers) r.rflags = r.rflags & ~STATUS | FLAG.PF | FLAG.ZF;
  }

  /* The line of the call. */
  line() {
    const call = this.steps.at(-1);
    return call && this.code[call.at] && this.code[call.at].line ? this.code[call.at].line - 1 : 0;
  }

  /* An exception in ring 0 pushes to the stack at hand; where it cannot, it is a
   * double fault. */
  fault(fault) {
    const { cpu } = this;
    let told = fault;
    try {
      const room = (cpu.r.rsp & ~15n) - 8n;
      for (let offset = 0n; offset < 48n; offset += 8n) {
        cpu.check(room - offset & ALL, 8, true, true);
      }
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      told = new Fault(8, "#DF", `a double fault: first ${fault.name} (${
        fault.text}), which then could not push its frame to RSP`);
    }
    const at = hex(cpu.r.rip);
    cpu.r.rip = PLACES.trap;
    this.note(PLACES.trap, { asm: "the exception's handler", function: "trap_handler" });
    this.steps.push({ at, set: { rip: hex(PLACES.trap) }, exception: {
      vector: told.vector, name: told.name, at,
      text: `${told.name}: ${told.text}` } });
    this.end = { kind: "exception", text: `${told.name}: ${told.text}` };
    return undefined;
  }

  note(at, code) {
    this.code[hex(at)] = code;
  }

  /* Runs something as a step of the trace; where it faults, nothing has happened. */
  step(act, extra = {}) {
    const { cpu } = this;
    const before = { ...cpu.r };
    [cpu.reads, cpu.writes] = [[], []];
    try {
      act();
    } catch (error) {
      cpu.r = before;
      throw error;
    }
    const set = {};
    for (const name of Object.keys(cpu.r)) {
      const now = cpu.r[name];
      if (now !== before[name]) set[name] = name === "cpl" ? String(now) : hex(now);
    }
    this.steps.push({ at: hex(before.rip), set, ...extra,
      ...cpu.writes.length ? { writes: cpu.writes } : {},
      ...cpu.reads.length ? { reads: cpu.reads } : {} });
  }

  /* What was run, as a trace. */
  trace() {
    const { setting, cpu } = this;
    const { layout, stack, perCpu } = setting;
    const words = {};
    for (const at of this.startMemory.words.keys()) {
      const value = this.startMemory.read(at);
      if (value !== undefined) words[hex(at)] = hex(value);
    }
    const named = (registers) => Object.fromEntries(Object.entries(registers).map(
      ([name, value]) => [name, name === "cpl" ? String(value) : hex(value)]));
    return {
      schema: SCHEMA, program: "on the model", files: { "the stub": `${this.lines.join("\n")}\n` },
      call: { number: Number(setting.number), name: "getpid", result: hex(cpu.r.rax) },
      code: this.code, frame: layout.frame,
      msrs: Object.fromEntries(Object.entries(setting.msrs).map(([n, v]) => [n, hex(v)])),
      per_cpu: { at: hex(perCpu), slots: ["kernel_rsp", "user_rsp"].map((name) => (
        { name, offset: layout.per_cpu[name] })) },
      symbols: [...[...this.symbols].map(([name, at]) => ({ name, at: hex(at), size: 8 })),
        { name: "syscall_entry", at: hex(this.base),
          size: Number(INSTRUCTION) * (this.program.length + 1) },
        { name: "syscall_handler", at: hex(PLACES.handler), size: 8 }]
        .sort((a, b) => (BigInt(a.at) < BigInt(b.at) ? -1 : 1)),
      sections: [{ id: "call", title: "getpid on the model", pid: 1, process: "you",
        stack: { low: hex(stack.low), top: hex(stack.top) },
        frame: hex(stack.top - BigInt(layout.frame.size)), start: named(this.start),
        memory: words, steps: this.steps.map(({ at, ...step }) => step), end: this.end }],
    };
  }
}

function copyOf(memory) {
  const copy = new Memory();
  copy.words = new Map(memory.words);
  return copy;
}

/* A stub's run and what is to be said of it: {trace, section, checks, handler, remarks},
 * or {outside, line} where the model does not know what it is asked. */
function tryStub(lines, setting) {
  try {
    const run = new Run(lines, setting);
    const trace = new Trace(run.run());
    const [section] = trace.sections;
    return { trace, section, checks: checkSection(section), handler: run.handler,
      remarks: run.remarks, end: section.end };
  } catch (error) {
    if (!(error instanceof Outside)) throw error;
    return { outside: error.message, line: error.line };
  }
}
