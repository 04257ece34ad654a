/* Descriptors, model-specific registers and the TSS in words, as GDB's commands
 * `gdt`, `msr` and `tss` say them (AMD APM vol. 2 sections 4.8, 6.1.1, 12.2.5). */
"use strict";

/* The fields of the TSS, by their offsets. */
const TSS_FIELDS = new Map([[4n, "rsp0"], [12n, "rsp1"], [20n, "rsp2"],
  ...[1, 2, 3, 4, 5, 6, 7].map((i) => [28n + 8n * BigInt(i), `ist${i}`]),
  [102n, "iomap_base"]]);
const TSS_SIZE = 104n;

/* A field of the TSS: the top of a stack, whose own words are those below; or where the
 * map of ports begins, which a TSS of long mode need not have. */
function tssText(section, name, value) {
  if (name === "iomap_base") {
    return value >= TSS_SIZE ? "no port for ring 3" : "a map of ring 3's ports";
  }
  const symbol = symbolAt(section.trace.symbols, value - WORD);
  return symbol ? `top of a stack in ${symbol.name}` : section.nameOf(value);
}

const EFER_BITS = [["SCE", 0], ["LME", 8], ["LMA", 10], ["NXE", 11]];

/* A descriptor; `upper` is the next entry, a TSS's second half. */
function descriptorText(entry, upper = 0n) {
  if (entry === 0n) return "null";
  const access = entry >> 40n & 0xffn, dpl = `DPL ${access >> 5n & 3n}`;
  const present = access & 0x80n ? "" : ", NOT PRESENT";
  if ((access & 0x18n) === 0x18n) {
    const size = ["16-bit", "64-bit", "32-bit", "both L and D set"][
      Number(entry >> 53n & 3n)];
    return `code, ${dpl}, ${size}${present}`;
  }
  if (access & 0x10n) {
    return `data, ${dpl}, ${access & 2n ? "writable" : "read-only"}${present}`;
  }
  if ((access & 0xdn) === 9n) {
    const base = entry >> 16n & 0xffffffn | entry >> 56n << 24n
      | (upper & 0xffffffffn) << 32n;
    return `TSS, ${dpl}, limit ${hex(entry & 0xffffn)}, base ${hex(base)}${present}`;
  }
  return `system type ${hex(access & 0xfn)}, ${dpl}${present}`;
}

/* Whether an entry is followed by the upper half of a TSS's base. */
function isTss(entry) {
  return (entry >> 40n & 0x1dn) === 9n;
}

/* The entries of a table of words, each {selector, entry, text}; undefined where
 * a word is not known. */
function descriptorRows(words) {
  return words.map((entry, i) => {
    const low = words[i - 1];
    const half = i > 0 && low !== undefined && isTss(low)
      && !(i > 1 && words[i - 2] !== undefined && isTss(words[i - 2]));
    return { selector: BigInt(8 * i), entry, text: entry === undefined ? ""
      : half ? "the TSS's base, bits 63 to 32" : descriptorText(entry, words[i + 1]) };
  });
}

/* The flags of a mask, by their names: "TF IF DF". */
function flagNames(value) {
  return FLAGS.filter(({ bit, mask }) => value >> bit & mask)
    .map(({ name }) => name).join(" ");
}

/* What the value of a model-specific register says. */
function msrText(section, name, value) {
  const words = {
    EFER: () => `${EFER_BITS.filter(([, bit]) => value >> BigInt(bit) & 1n)
      .map(([bit]) => bit).join(" ") || "nothing"}: SYSCALL ${
      value & 1n ? "is on" : "raises #UD"}`,
    STAR: () => {
      const enter = value >> 32n & 0xffffn, leave = value >> 48n;
      return `SYSCALL: CS ${hex(enter)}, SS ${hex(enter + 8n)}; SYSRET: CS ${
        hex(leave + 16n | 3n)}, SS ${hex(leave + 8n | 3n)}`;
    },
    LSTAR: () => section.nameOf(value) || "not a place that the trace knows",
    SFMASK: () => `SYSCALL clears ${flagNames(value) || "nothing"}`,
  }[name];
  return words ? words() : section.nameOf(value);
}

/* What an instruction told a table or a special register, as a part of a sentence:
 * the events of a step (docs/trace-format.md). */
function toldText(section, event, k) {
  switch (event.kind) {
  case "wrmsr": {
    const words = event.name ? msrText(section, event.name, BigInt(event.new)) : "";
    return `${event.name || `MSR ${event.number}`} is now ${event.new}${
      words ? ` (${words})` : ""}`;
  }
  case "lgdt":
    return `GDTR is now base ${event.base}, limit ${event.limit}: ${
      event.entries.length} entries`;
  case "lidt":
    return `IDTR is now base ${event.base}, limit ${event.limit}: ${
      (BigInt(event.limit) + 1n) / 16n} gates`;
  case "ltr":
    return `TR is now ${event.selector}: the TSS at ${event.base}`;
  case "segment": {
    const entry = section.trace.descriptor(section, BigInt(event.selector), k);
    return `${event.register.toUpperCase()} is now ${event.selector}${
      entry === undefined ? "" : ` (${descriptorText(entry)})`}`;
  }
  default:
    return event.kind;
  }
}
