/* What there is to say of a stub that was run: the same questions to a run on the model
 * and to one that was recorded in QEMU. */
"use strict";

const ARGUMENT_NAMES = ["nr", "a1", "a2", "a3", "a4", "a5", "a6"];

/* What C found when it was called: {arguments, frame}; undefined where it was not. */
function foundByC(section) {
  const mark = section.marks.find(({ name }) => name === "handler");
  if (!mark || section.frame === undefined) return undefined;
  const registers = section.registersAt(mark.position);
  return {
    arguments: [...C_ARGUMENTS.map((name) => registers[name]),
      section.wordAt(registers.rsp + WORD, mark.position)],
    frame: Object.fromEntries(section.trace.fields.map(({ name, offset }) => (
      [name, section.wordAt(section.frame + offset, mark.position)]))),
  };
}

/* A value as whose it is: a register's pattern before the call, C's, or a number. */
function whose(start, value) {
  if (value === undefined) return "what nobody wrote";
  const owner = ownerOf(start, value);
  if (owner) return `${title(owner)}'s pattern`;
  if (value === start.rip + SYSCALL_BYTES) return "the user's RIP";
  return value >> 32n === 0xc0c0c0c0n ? "what C left there" : hex(value);
}

/* What was to be found and what was, by name: only where they are not the same. */
function differences(start, pairs) {
  return pairs.filter(([, expected, found]) => expected !== found)
    .map(([name, , found]) => ({ name, whose: whose(start, found) }));
}

/* The arguments of C that are not as they should be. */
function wrongArguments(section, found) {
  const { start } = section;
  return differences(start, ARGUMENT_NAMES.map((name, i) => (
    [name, start[CALL_ARGUMENTS[i]], found.arguments[i]])));
}

/* The words of the frame that are not as they should be. */
function wrongWords(section, found) {
  const { start } = section;
  const expected = { ...start, rcx: start.rip + SYSCALL_BYTES, r11: start.rflags };
  return differences(start, section.trace.fields.map(({ name }) => (
    [`frame.${name}`, expected[name], found.frame[name]])));
}

/* The registers that came back wrong, RAX among them where the result is known. */
function wrongRegisters(section, result) {
  const checks = checkSection(section);
  if (!checks) return [];
  const after = section.registersAt(section.length);
  const wrong = checks.filter((check) => !check.right).map(({ name, found }) => (
    { name, whose: whose(section.start, found) }));
  if (result !== undefined && after.rax !== result) {
    wrong.push({ name: "rax", whose: whose(section.start, after.rax) });
  }
  return wrong;
}

/* How a call ended, in a word or two: where an exception was raised, and which. */
function endOf(section) {
  const last = section.steps.at(-1);
  if (last && last.exception) {
    return `${last.exception.name} at ${last.code.asm.replace(/\s+/g, " ")}`;
  }
  return section.end.kind;
}

/* All of it. `result` is what C returned. */
function verdictOf(section, result) {
  const found = foundByC(section);
  return { end: endOf(section), called: Boolean(found),
    arguments: found ? wrongArguments(section, found) : [],
    frame: found ? wrongWords(section, found) : [],
    registers: wrongRegisters(section, result) };
}
