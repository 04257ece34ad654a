/* A CPU that knows what an entry stub uses: sixteen registers, RFLAGS, GS, two rings,
 * and memory that refuses what the kernel's page tables refuse (AMD APM vol. 3). */
"use strict";

const ALL = (1n << 64n) - 1n;
const FLAG = { CF: 1n, PF: 4n, AF: 16n, ZF: 64n, SF: 128n, TF: 256n, IF: 512n, DF: 1024n,
  OF: 2048n, AC: 1n << 18n };
const STATUS = FLAG.CF | FLAG.PF | FLAG.AF | FLAG.ZF | FLAG.SF | FLAG.OF;
/* What POPFQ, SYSRET and IRETQ load of RFLAGS in ring 0: all but RF, VM, VIF, VIP and
 * what is reserved. */
const LOADED = 0x247fd5n;

/* An exception that the CPU raises. */
class Fault extends Error {
  constructor(vector, name, text) {
    super(text);
    Object.assign(this, { vector, name, text });
  }
}

class Cpu {
  /* registers: by name, with rflags, cpl, cs, ss, gs_base, kernel_gs_base; memory: a
   * Memory of known words; allowed(at, size, writes): why an access is refused, or
   * undefined; msrs: STAR and SFMASK. */
  constructor({ registers, memory, allowed, msrs }) {
    this.r = { ...registers };
    this.memory = memory;
    this.allowed = allowed;
    this.msrs = msrs;
    this.writes = [];
    this.reads = [];
  }

  flag(bit) {
    return Boolean(this.r.rflags & bit);
  }

  setFlags(mask, value) {
    this.r.rflags = this.r.rflags & ~mask | value & mask;
  }

  // ---- memory --------------------------------------------------------------

  addressOf({ segment, displacement, base, index, scale, relative }, next) {
    const r = this.r;
    let at = displacement + (base ? r[base] : 0n) + (index ? r[index] * scale : 0n);
    if (relative && displacement < 1n << 31n) at += next; // a name is an address itself
    return { at: at + (segment === "gs" ? r.gs_base : 0n) & ALL,
      onStack: base === "rsp" || base === "rbp" };
  }

  check(at, size, writes, onStack) {
    const high = at >> 47n;
    if (high !== 0n && high !== 0x1ffffn) {
      throw onStack ? new Fault(12, "#SS", "an address on the stack that is not canonical")
        : new Fault(13, "#GP", "an address that is not canonical");
    }
    const refused = this.allowed(at, BigInt(size), writes, this);
    if (refused) throw new Fault(14, "#PF", refused);
  }

  load(at, size, onStack) {
    this.check(at, size, false, onStack);
    this.reads.push({ at: hex(at), size });
    let value = this.memory.read(at, size);
    if (value === undefined) {
      // Nobody has said what is here: zeros, as in a page that is new.
      this.memory.write(at, size, 0n, true);
      value = this.memory.read(at, size);
    }
    return value;
  }

  store(at, size, value, onStack) {
    this.check(at, size, true, onStack);
    const old = this.memory.read(at, size) ?? 0n;
    this.memory.write(at, size, value & (1n << BigInt(8 * size)) - 1n);
    this.writes.push({ at: hex(at), size, old: hex(old),
      new: hex(value & (1n << BigInt(8 * size)) - 1n) });
  }

  push(value) {
    this.store(this.r.rsp - 8n & ALL, 8, value, true);
    this.r.rsp = this.r.rsp - 8n & ALL;
  }

  pop() {
    const value = this.load(this.r.rsp, 8, true);
    this.r.rsp = this.r.rsp + 8n & ALL;
    return value;
  }

  // ---- operands ------------------------------------------------------------

  get(operand, size, next) {
    if (operand.kind === "register") return this.r[operand.name] & mask(size);
    if (operand.kind === "number") return operand.value & mask(size);
    const { at, onStack } = this.addressOf(operand, next);
    return this.load(at, size, onStack);
  }

  put(operand, size, value, next) {
    if (operand.kind === "memory") {
      const { at, onStack } = this.addressOf(operand, next);
      this.store(at, size, value, onStack);
    } else if (size >= 4) { // a write to the lower half clears the upper one
      this.r[operand.name] = value & mask(size);
    } else {
      this.r[operand.name] = this.r[operand.name] & ~mask(size) | value & mask(size);
    }
  }

  // ---- flags ---------------------------------------------------------------

  /* ZF, SF and PF of a result, and what else is given. */
  resultFlags(size, result, others = 0n) {
    const top = 1n << BigInt(8 * size - 1);
    let ones = 0;
    for (let byte = result & 0xffn; byte; byte >>= 1n) ones += Number(byte & 1n);
    this.setFlags(STATUS, others | ((result & mask(size)) === 0n ? FLAG.ZF : 0n)
      | (result & top ? FLAG.SF : 0n) | (ones % 2 ? 0n : FLAG.PF));
  }

  add(size, a, b, keepCarry) {
    const sum = a + b, result = sum & mask(size), top = 1n << BigInt(8 * size - 1);
    const carry = keepCarry ? this.r.rflags & FLAG.CF : sum > mask(size) ? FLAG.CF : 0n;
    this.resultFlags(size, result, carry | ((a ^ b ^ result) & 16n ? FLAG.AF : 0n)
      | ((a ^ result) & (b ^ result) & top ? FLAG.OF : 0n));
    return result;
  }

  subtract(size, a, b, keepCarry) {
    const result = a - b & mask(size), top = 1n << BigInt(8 * size - 1);
    const carry = keepCarry ? this.r.rflags & FLAG.CF : a < b ? FLAG.CF : 0n;
    this.resultFlags(size, result, carry | ((a ^ b ^ result) & 16n ? FLAG.AF : 0n)
      | ((a ^ b) & (a ^ result) & top ? FLAG.OF : 0n));
    return result;
  }

  holds(condition) {
    const [cf, zf, sf, of] = ["CF", "ZF", "SF", "OF"].map((name) => this.flag(FLAG[name]));
    const tests = { e: zf, ne: !zf, s: sf, ns: !sf, c: cf, b: cf, nc: !cf, ae: !cf,
      be: cf || zf, a: !(cf || zf), l: sf !== of, ge: sf === of, le: zf || sf !== of,
      g: !zf && sf === of, o: of, no: !of };
    if (!(condition in tests)) throw new Outside(`j${condition} is outside the model`);
    return tests[condition];
  }

  // ---- between the rings ---------------------------------------------------

  /* SYSCALL, from ring 3 to the address in LSTAR. */
  syscall(next, lstar) {
    const { r } = this;
    Object.assign(r, { rcx: next, r11: r.rflags, rip: lstar, cpl: 0n,
      cs: this.msrs.STAR >> 32n & 0xfffcn, ss: (this.msrs.STAR >> 32n & 0xfffcn) + 8n });
    r.rflags &= ~(this.msrs.SFMASK | (this.msrs.alsoCleared || 0n));
  }

  sysret() {
    const { r } = this, base = this.msrs.STAR >> 48n;
    Object.assign(r, { rip: r.rcx, cpl: 3n, cs: base + 16n | 3n, ss: base + 8n | 3n,
      rflags: r.r11 & (LOADED | 0x3000n) | 2n });
  }

  iret() {
    const { r } = this;
    const [rip, cs, rflags, rsp, ss] = [0n, 8n, 16n, 24n, 32n].map((offset) => (
      this.load(r.rsp + offset & ALL, 8, true)));
    const ring = { 8n: 0n, 0x33n: 3n }[cs & 0xffffn];
    if (ring === undefined) {
      throw new Fault(13, "#GP", `CS ${hex(cs & 0xffffn)} is not a code segment to return to`);
    }
    if ((ss & 0xffffn) !== (ring ? 0x2bn : 0x10n)) {
      throw new Fault(13, "#GP", `SS ${hex(ss & 0xffffn)} does not go with that CS`);
    }
    if (rip >> 47n !== 0n && rip >> 47n !== 0x1ffffn) {
      throw new Fault(13, "#GP", "RIP is not canonical");
    }
    Object.assign(r, { rip, rsp, cpl: ring, cs: cs & 0xffffn, ss: ss & 0xffffn,
      rflags: rflags & (LOADED | 0x3000n) | 2n });
  }
}

function mask(size) {
  return (1n << BigInt(8 * size)) - 1n;
}

/* Runs one instruction; its RIP is in the registers, `next` is the address after it,
 * `goTo(text)` the address of a label. */
function execute(cpu, { op, size, operands }, next, goTo) {
  const { r } = cpu, [a, b] = operands, target = operands.at(-1);
  const source = () => cpu.get(a, size, next);
  r.rip = next;
  const binary = (compute) => {
    const value = compute(cpu.get(b, size, next), source());
    if (op !== "cmp" && op !== "test") cpu.put(b, size, value, next);
  };
  const logic = (value) => {
    cpu.resultFlags(size, value);
    return value;
  };
  switch (op) {
  case "mov": return cpu.put(b, size, source(), next);
  case "lea": return cpu.put(b, size, cpu.addressOf({ ...a, segment: "" }, next).at, next);
  case "push": return cpu.push(source());
  case "pop": {
    const value = cpu.pop();
    return cpu.put(a, 8, value, next);
  }
  case "add": return binary((x, y) => cpu.add(size, x, y));
  case "sub": case "cmp": return binary((x, y) => cpu.subtract(size, x, y));
  case "and": case "test": return binary((x, y) => logic(x & y));
  case "or": return binary((x, y) => logic(x | y));
  case "xor": return binary((x, y) => logic(x ^ y));
  case "not": return cpu.put(a, size, ~source() & mask(size), next);
  case "neg": return cpu.put(a, size, cpu.subtract(size, 0n, source()), next);
  case "inc": return cpu.put(a, size, cpu.add(size, source(), 1n, true), next);
  case "dec": return cpu.put(a, size, cpu.subtract(size, source(), 1n, true), next);
  case "xchg": {
    const [x, y] = [source(), cpu.get(b, size, next)];
    cpu.put(a, size, y, next);
    return cpu.put(b, size, x, next);
  }
  case "shl": case "shr": case "sar": return shift(cpu, op, size, operands, next);
  case "call": {
    const to = a.kind === "place" ? goTo(a.text) : cpu.get(a, 8, next);
    cpu.push(next);
    r.rip = to;
    return undefined;
  }
  case "ret": r.rip = cpu.pop(); return undefined;
  case "leave": r.rsp = r.rbp; r.rbp = cpu.pop(); return undefined;
  case "jmp": r.rip = a.kind === "place" ? goTo(a.text) : cpu.get(a, 8, next); return undefined;
  case "swapgs": [r.gs_base, r.kernel_gs_base] = [r.kernel_gs_base, r.gs_base]; return undefined;
  case "sysretq": return cpu.sysret();
  case "sysretl": throw new Outside("sysretl returns in 32-bit mode, which the model does not "
    + "have");
  case "iretq": return cpu.iret();
  case "pushfq": return cpu.push(r.rflags);
  case "popfq": return cpu.setFlags(LOADED | 0x3000n, cpu.pop());
  case "cltq": r.rax = BigInt.asUintN(64, BigInt.asIntN(32, r.rax)); return undefined;
  case "cqto": r.rdx = r.rax >> 63n ? ALL : 0n; return undefined;
  case "ud2": throw new Fault(6, "#UD", "an instruction that no CPU has");
  case "hlt": throw new Outside("the CPU would wait for an interrupt, and the model has none");
  default: return flagOrJump(cpu, op, target, goTo);
  }
}

function flagOrJump(cpu, op, target, goTo) {
  const sets = { cli: [FLAG.IF, 0n], sti: [FLAG.IF, ALL], cld: [FLAG.DF, 0n],
    std: [FLAG.DF, ALL], clc: [FLAG.CF, 0n], stc: [FLAG.CF, ALL], clac: [FLAG.AC, 0n],
    stac: [FLAG.AC, ALL], cmc: [FLAG.CF, ~cpu.r.rflags] }[op];
  if (sets) cpu.setFlags(...sets);
  else if (op[0] === "j") {
    if (cpu.holds(op.slice(1))) cpu.r.rip = goTo(target.text);
  } else if (!["nop", "lfence", "endbr64"].includes(op)) {
    throw new Outside(`${op} is outside the model`);
  }
}

function shift(cpu, op, size, operands, next) {
  const target = operands.at(-1), bits = BigInt(8 * size);
  const by = (operands.length > 1 ? cpu.get(operands[0], 1, next) : 1n)
    & (size === 8 ? 63n : 31n);
  if (by === 0n) return;
  const value = cpu.get(target, size, next);
  const whole = op === "shl" ? value << by
    : op === "shr" ? value >> by : BigInt.asIntN(Number(bits), value) >> by;
  const out = op === "shl" ? value >> bits - by & 1n : value >> by - 1n & 1n;
  cpu.resultFlags(size, whole & mask(size), out ? FLAG.CF : 0n);
  cpu.put(target, size, whole & mask(size), next);
}
