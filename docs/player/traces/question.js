/* Prediction: what is asked before a step is shown, and what is right. */
"use strict";

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
