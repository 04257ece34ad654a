/* The model and QEMU on the same stub: a call that was recorded is run again on the
 * model, from the same state, and the two verdicts are compared. */
"use strict";

/* The setting of a recorded call. What C did, which is no part of a stub, is taken as
 * it was recorded. */
function settingFrom(section, layout) {
  const { json } = section.trace;
  const back = section.marks.find(({ name }) => name === "back in the stub");
  const after = back && section.registersAt(back.position);
  return { layout, number: section.start.rax, registers: { ...section.start },
    memory: copyOf(section._seek(0).memory), perCpu: section.trace.perCpu.at,
    stack: section.stack, result: after && after.rax,
    clobbers: after && Object.fromEntries([...CLOBBERED, "rflags"].map((name) => (
      [name, after[name]]))),
    // QEMU's SYSCALL clears the status flags besides what SFMASK has; a CPU does not.
    msrs: { ...Object.fromEntries(Object.entries(json.msrs).map(([n, v]) => [n, BigInt(v)])),
      alsoCleared: STATUS } };
}

/* QEMU's SYSRET loads this one from R11, too; a CPU does not (Intel SDM volume 2B,
 * SYSRET: R11 AND 3C7FD7H). */
const VM = 1n << 17n;

/* Two verdicts as lines that can be compared: a value that is an address of the
 * machine's own is no more than that. */
function comparable(verdict, section) {
  const plain = ({ name, whose }) => {
    const value = /^0x/.test(whose) ? BigInt(whose) : undefined;
    if (name === "rflags" && value !== undefined) {
      return `${name}: 0x${(value & ~VM).toString(16)}`;
    }
    const stub = section.trace.symbols.find((symbol) => symbol.name === "syscall_entry");
    const inStub = value !== undefined && stub && value >= stub.at && value < stub.at + stub.size;
    return `${name}: ${inStub ? "an address in the stub" : whose}`;
  };
  // How an assembler and a disassembler write one instruction is not one text.
  const end = verdict.end.replace(/ at (\w+).*/, (_, op) => ` at ${op.replace(/[ql]$/, "")}`);
  return [`end: ${end}`, `called: ${verdict.called}`,
    ...verdict.arguments.map((d) => `C's ${plain(d)}`), ...verdict.frame.map(plain),
    ...verdict.registers.map((d) => `after, ${plain(d)}`)];
}

/* {outcome: "same" | "different" | "outside", qemu, model, why}. */
function agreement(json, lines, layout) {
  const trace = new Trace(json), recorded = trace.section("call");
  const setting = settingFrom(recorded, layout);
  const tried = tryStub(lines, setting);
  const qemu = comparable(verdictOf(recorded, setting.result), recorded);
  if (tried.outside) return { outcome: "outside", qemu, model: [], why: tried.outside };
  const model = comparable(verdictOf(tried.section, setting.result), tried.section);
  return { outcome: String(qemu) === String(model) ? "same" : "different", qemu, model,
    remarks: tried.remarks.map((remark) => remark.text) };
}

globalThis.agreement = agreement;
