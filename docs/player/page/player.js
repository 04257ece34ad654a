/* <trace-player>: replays a recorded system call, instruction by instruction,
 * forwards and backwards. `make trace` records one; docs/trace-format.md says
 * what a trace holds. */
"use strict";

class TracePlayer extends Asking(Parting(SourceView(RegistersView(Picture(StackView(
  Keys(Places(Colours(HTMLElement))))))))) {
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
    this._listenToKeys();
    this._listenToPlaces();
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
    if (!this._toAddress()) this._enter(first.id, 0);
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
      if (dataset.do) {
        this._do(dataset.do);
        return;
      }
      this._play(false);
      if (dataset.section) this._enter(dataset.section, 0, true);
      else if (dataset.view) this._view(dataset.view);
      else if (dataset.to) this.go(Number(dataset.to), true);
      else if (dataset.writer) this.toWriter(dataset.writer);
    });
    this.$("input[type=range]").addEventListener("input", (event) => {
      this._play(false);
      this.go(Number(event.target.value));
    });
    for (const input of this.shadowRoot.querySelectorAll("[data-open]")) {
      input.addEventListener("change", () => this._open(input));
    }
    this.$(".ask").addEventListener("submit", (event) => {
      event.preventDefault();
      this._reveal();
    });
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

  _do(what) {
    const { section } = this;
    if (what !== "play") this._play(false);
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
      play: () => this._play(!this.playing),
      skip: () => this.$('[data-do="after"]').focus(),
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

  // ---- drawing -------------------------------------------------------------

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
    if (this.dataset.inside === undefined) {
      document.title = `${call.name}, ${shown.program} · Threshold`;
    }
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
    this.$(".app").classList.toggle("before", !section.stack);
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

  /* What is said at this position: of the step that led here, or, at the beginning,
   * what this is and what to do with it. */
  _sentence(step, last) {
    const { section, position } = this;
    if (!step) {
      const what = section.id === "call" ? "one recorded system call, " : "";
      return `${section.title}: ${what}${section.length} steps. → or Step runs the `
        + "next instruction; choosing a value leads to what wrote it.";
    }
    if (!last || step.exception) return explain(section, position - 1);
    const checks = checkSection(section);
    return `${explain(section, position - 1)} ${section.end.text || ""} ${
      checks ? checkedText(checks) : ""}`.trim();
  }

  /* What a teacher has to say of this place. */
  _drawNote() {
    const note = this.section.notes.get(this.position);
    this.$("footer .note").hidden = !this.section.notes.size;
    this.$("footer .note").textContent = note || "";
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
    const last = position === section.length;
    this._say(this._sentence(step, last), last ? undefined : code.asm);
    this._drawNote();
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
    this._rove();
    this._noteAddress();
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
}

globalThis.ThresholdTrace = { Trace, Section, Memory, compare, align, explain,
  question, findMarks, checkSection, checkedText };
if (!customElements.get("trace-player")) customElements.define("trace-player", TracePlayer);
