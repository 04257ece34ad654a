/* The picture of where the CPU is: whose ring, whose GS, whose stack. */
"use strict";

/* The stacks of the picture: where they begin, how high a word is, and how many
 * words of the user's are drawn. */
const STACK_Y = 131, BAR = 4.4, USER_BARS = 7;

const Picture = (Base) => class extends Base {
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
    p.cplUser = rect(6, 25, 112, 26, { class: "box", rx: 5 });
    text(62, 42, "ring 3", middle);
    p.cplKernel = rect(242, 25, 112, 26, { class: "box", rx: 5 });
    text(298, 42, "ring 0", middle);
    p.gsUser = rect(6, 63, 112, 46, { class: "box", rx: 5 });
    text(12, 79, "user's GS base");
    p.gsValue = text(12, 97, "", { class: "small" });
    p.gsKernel = rect(242, 63, 112, 46, { class: "box", rx: 5 });
    text(248, 77, "per_cpu");
    p.kernelRsp = text(248, 91, "", { class: "small" });
    p.userRsp = text(248, 104, "", { class: "small" });

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
    const short = (value) => (value > 0xffffn ? `…${value.toString(16).slice(-4)}`
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
      const [x, end, bend] = kernel ? [216, name === "wireRsp" ? 255 : 242, 230]
        : [144, name === "wireRsp" ? 105 : 118, 130];
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
};
