/* Instructions as the assembler writes them (AT&T), as far as the model knows them.
 * What it does not know it says: an Outside, with a sentence. */
"use strict";

class Outside extends Error {}

const SIZES = { q: 8, l: 4, w: 2, b: 1 };
const LOW_BYTES = new Map([["al", "rax"], ["bl", "rbx"], ["cl", "rcx"], ["dl", "rdx"],
  ["sil", "rsi"], ["dil", "rdi"], ["bpl", "rbp"], ["spl", "rsp"]]);

/* A register's name as [the whole register, how many bytes of it]. */
function registerOf(name) {
  if (GENERAL.includes(name)) return [name, 8];
  const numbered = /^(r\d+)([dwb])$/.exec(name);
  if (numbered && GENERAL.includes(numbered[1])) {
    return [numbered[1], { d: 4, w: 2, b: 1 }[numbered[2]]];
  }
  if (LOW_BYTES.has(name)) return [LOW_BYTES.get(name), 1];
  const whole = `r${name.replace(/^e/, "")}`;
  if (/^e?(ax|bx|cx|dx|si|di|bp|sp)$/.test(name)) return [whole, name[0] === "e" ? 4 : 2];
  throw new Outside(`%${name} is no register that the model knows`);
}

/* A sum of numbers and names: "8", "-0x10", "kept_rdi+8". */
function sumOf(text, symbols) {
  let sum = 0n;
  const terms = text.replace(/\s/g, "").match(/[-+]?[^-+]+/g) || [];
  for (const term of terms) {
    const [, sign, word] = /^([-+]?)(.+)$/.exec(term);
    let value;
    if (/^(0x[0-9a-f]+|\d+)$/i.test(word)) value = BigInt(word);
    else if (/^[A-Za-z_.$][\w.$]*$/.test(word)) value = symbols(word);
    if (value === undefined) throw new Outside(`${word} is no number or name known here`);
    sum += sign === "-" ? -value : value;
  }
  return sum;
}

/* An operand: {kind: "register", name, size}, {kind: "number", value},
 * {kind: "memory", segment, displacement, base, index, scale, relative}, or
 * {kind: "place", text} of a jump. */
function operandOf(text, symbols, isJump) {
  if (/^%\w+$/.test(text)) {
    if (/^%[c-gs]s$/.test(text)) return { kind: "segment", name: text.slice(1) };
    const [name, size] = registerOf(text.slice(1));
    return { kind: "register", name, size };
  }
  if (text[0] === "$") return { kind: "number", value: sumOf(text.slice(1), symbols) };
  if (isJump && /^[\w.$]+$/.test(text)) return { kind: "place", text };
  const match = /^(?:%(\w\w):)?([^()%]*)(?:\((?:%(\w+))?(?:,\s*%(\w+)(?:,\s*(\d))?)?\))?$/
    .exec(text);
  if (!match) throw new Outside(`${text} is no operand that the model knows`);
  const [, segment, displacement, base, index, scale] = match;
  if (segment && segment !== "gs") throw new Outside(`the model has no ${segment}`);
  const relative = base === "rip";
  return { kind: "memory", segment, relative,
    displacement: displacement ? sumOf(displacement, symbols) : 0n,
    base: base && !relative ? registerOf(base)[0] : undefined,
    index: index && registerOf(index)[0], scale: BigInt(scale || 1) };
}

/* The operands of an instruction: split at the commas outside of brackets. */
function splitOperands(text) {
  return text.trim() ? text.split(/,(?![^(]*\))/).map((part) => part.trim()) : [];
}

const PLAIN = new Set(("swapgs sysretq sysretl iretq cli sti cld std clc stc cmc clac stac "
  + "ud2 hlt nop cltq cqto leave ret pushfq popfq pushf popf lfence endbr64").split(" "));
const ALIASES = { retq: "ret", leaveq: "leave", iret: "iretl", sysret: "sysretl",
  pushf: "pushfq", popf: "popfq", cdqe: "cltq", movabsq: "movq", jz: "je", jnz: "jne",
  callq: "call", jmpq: "jmp", "rex.w sysret": "sysretq" };
const SIZED = new Set(("mov lea push pop add sub and or xor cmp test not neg inc dec xchg "
  + "shl shr sar sal").split(" "));

/* One line of a stub: {label} or {op, size, operands, text}; undefined for a line
 * that is only for the assembler. */
function parseLine(line, symbols) {
  const text = line.replace(/\/\*.*?\*\/|#.*$/g, "").trim().replace(/\s+/g, " ");
  const label = /^([\w.$]+):$/.exec(text);
  if (label) return { label: label[1] };
  if (!text || text[0] === ".") return undefined;
  const [, word, rest] = /^(\S+)\s*(.*)$/.exec(text);
  const name = ALIASES[word.toLowerCase()] || word.toLowerCase();
  if (PLAIN.has(name)) {
    if (rest) throw new Outside(`${name} takes no operand here`);
    return { op: name, operands: [], text };
  }
  if (/^(jmp|call|j[a-z]{1,3})$/.test(name)) {
    return { op: name, operands: splitOperands(rest).map((part) => (
      operandOf(part, symbols, true))), text };
  }
  return sized(name, splitOperands(rest).map((part) => operandOf(part, symbols)), text);
}

/* An instruction whose size its last letter says, or else a register. */
function sized(name, operands, text) {
  let op = name, size;
  if (!SIZED.has(name) && SIZED.has(name.slice(0, -1)) && SIZES[name.slice(-1)]) {
    [op, size] = [name.slice(0, -1), SIZES[name.slice(-1)]];
  }
  if (!SIZED.has(op)) throw new Outside(`${name} is outside the model`);
  for (const operand of operands) {
    if (operand.kind !== "register" || (/^s[ah]/.test(op) && operand !== operands.at(-1))) continue;
    size = size || operand.size;
    if (operand.size !== size) throw new Outside(`the sizes of ${text} do not agree`);
  }
  if (/^(push|pop)$/.test(op)) size = size || 8;
  if (!size) throw new Outside(`${text} does not say how many bytes`);
  if (/^(push|pop)$/.test(op) && size !== 8) throw new Outside("a push or pop is of 8 bytes");
  const count = /^(push|pop|not|neg|inc|dec)$/.test(op) ? 1 : 2;
  if (operands.length !== count && !(/^s[ah]/.test(op) && operands.length === 1)) {
    throw new Outside(`${op} takes ${count} operand${count > 1 ? "s" : ""}`);
  }
  checkOperands(op, operands, text);
  return { op: op === "sal" ? "shl" : op, size, operands, text };
}

/* What the assembler would refuse. */
function checkOperands(op, operands, text) {
  const memories = operands.filter((operand) => operand.kind === "memory").length;
  const target = operands.at(-1);
  if (operands.some((operand) => operand.kind === "segment")) {
    throw new Outside("the model loads no segment registers");
  }
  if (memories > 1) throw new Outside(`${text}: only one operand can be in memory`);
  if (target.kind === "number" && op !== "push") {
    throw new Outside(`${text}: a number cannot be written to`);
  }
  if (op === "lea" && operands[0].kind !== "memory") {
    throw new Outside(`${text}: lea takes an address`);
  }
}
