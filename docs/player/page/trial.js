/*
 * <stub-trial>: the entry stub as a list that can be changed. At each change the call
 * is made again, on the model of model/, and the page says which register comes back
 * wrong, and from where. It needs nothing but this page.
 *
 * What it begins with is <script type="application/json"> in it: {lines: [{text,
 * comment}], layout}, which docs/player/stub.py reads from the kernel, and `mistakes`
 * to begin with: each a name and changes, [what, the line's text, ...], where what is
 * out, exchange (with the next), write or after (with the new text), and a number at
 * the end says which of several such lines.
 */
"use strict";

const TRIAL = `
<div class="trial">
  <header>
    <h1>Try the entry stub</h1>
    <p class="lead">Take a line out, exchange two, or write another. The call getpid is then made
      with a pattern in every register, on a model of the CPU in this page.</p>
    <div class="tools" role="group" aria-label="Tools">
      <button class="tool" data-do="undo">Undo</button>
      <button class="tool" data-do="reset">Start again</button>
      <button class="tool" data-do="play" aria-pressed="false">Step through it</button>
      <button class="tool icon" data-do="theme"><svg viewBox="0 0 16 16" aria-hidden="true"><circle cx="8" cy="8" r="6.5"/><path d="M8 1.5a6.5 6.5 0 0 1 0 13z"/></svg><span class="hush"></span></button>
    </div>
  </header>
  <div class="column first" role="main">
    <section class="panel list" aria-labelledby="h-list">
      <h2 id="h-list">The stub <span>Enter: a new line; Alt+↓: exchange with the next</span></h2>
      <div class="mistakes" role="group" aria-label="Mistakes to begin with"></div>
      <div class="scroll"><ol class="stub"></ol></div>
    </section>
  </div>
  <aside class="column" aria-label="What came of it">
    <section class="panel verdict" aria-labelledby="h-verdict">
      <h2 id="h-verdict">What came of it <span></span></h2>
      <div class="inner" role="status" aria-live="polite"></div>
    </section>
    <section class="panel found" aria-labelledby="h-found">
      <h2 id="h-found">What was found <span>before and after, and by C</span></h2>
      <div class="scroll" tabindex="0" role="group" aria-label="Registers, arguments and frame"></div>
    </section>
  </aside>
</div>
<div class="playing" hidden></div>
`;

class StubTrial extends Colours(HTMLElement) {
  connectedCallback() {
    if (this.ready) return;
    this.ready = true;
    this.attachShadow({ mode: "open" });
    this.shadowRoot.append(make("style", {}, STYLE + TRIAL_STYLE));
    const template = make("template");
    template.innerHTML = TRIAL;
    this.shadowRoot.append(template.content);
    this.$ = (selector) => this.shadowRoot.querySelector(selector);
    this._theme();
    this._listen();
    const read = () => this._readChildren();
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", read);
    else read();
  }

  _readChildren() {
    const script = this.querySelector('script[type="application/json"]');
    if (!script) {
      this.$(".verdict .inner").replaceChildren(make("p", {}, "This page has no stub in it."));
      return;
    }
    this.start(JSON.parse(script.textContent));
  }

  /* Begins with a stub: {lines, layout}. */
  start({ lines, layout, mistakes = [] }) {
    Object.assign(this, { layout, mistakes });
    this.right = lines.map(({ text, comment }) => ({ text, comment, right: text, out: false }));
    this.history = [];
    this.rows = this._copy(this.right);
    this.$(".mistakes").hidden = !mistakes.length;
    this.$(".mistakes").replaceChildren(...mistakes.map(({ name }, i) => make("button", {
      "data-mistake": String(i) }, name)));
    this._changed();
  }

  _copy(rows) {
    return rows.map((row) => ({ ...row }));
  }

  // ---- changing ------------------------------------------------------------

  _listen() {
    const root = this.shadowRoot;
    root.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button || this.$(".playing").contains(button)) return;
      const { dataset } = button;
      if (dataset.do) this._do(dataset.do);
      else if (dataset.mistake) this.begin(this.mistakes[dataset.mistake]);
      else if (dataset.line) this._focus(Number(dataset.line));
      else if (dataset.act) this._act(dataset.act, this._rowOf(button));
    });
    root.addEventListener("change", ({ target }) => {
      if (target.matches(".stub input")) this.write(this._rowOf(target), target.value);
    });
    this.$(".stub").addEventListener("keydown", (event) => this._key(event));
  }

  _rowOf(element) {
    return [...this.$(".stub").children].indexOf(element.closest("li"));
  }

  _do(what) {
    if (what === "theme") this._theme(true);
    else if (what === "play") this._play(this.$(".playing").hidden);
    else if (what === "undo" && this.history.length) {
      this.rows = this.history.pop();
      this._changed();
    } else if (what === "reset") this._change(() => { this.rows = this._copy(this.right); });
  }

  _act(what, i) {
    if (what === "out") this.toggle(i);
    else if (what === "down") this.exchange(i);
    else this.insert(i);
  }

  _key(event) {
    if (!event.target.matches("input")) return;
    const i = this._rowOf(event.target);
    const { key, altKey } = event;
    if (key === "Enter") {
      this.write(i, event.target.value);
      this.insert(i);
    } else if (altKey && key === "ArrowDown") this.exchange(i, 1);
    else if (altKey && key === "ArrowUp" && i > 0) this.exchange(i - 1, 0);
    else if (altKey && key === "Delete") this.toggle(i);
    else if (key === "ArrowDown") this._focus(i + 1);
    else if (key === "ArrowUp") this._focus(i - 1);
    else return;
    event.preventDefault();
  }

  /* Carries a change out, so that it can be undone. */
  _change(act) {
    this.history.push(this._copy(this.rows));
    act();
    this._changed();
  }

  /* Takes a line out, or puts it back; a line of the reader's own goes for good. */
  toggle(i) {
    this._change(() => {
      if (this.rows[i].right === undefined) this.rows.splice(i, 1);
      else this.rows[i].out = !this.rows[i].out;
    });
    this._focus(i);
  }

  /* Exchanges a line with the next one that is not out. */
  exchange(i, follow = 1) {
    let j = i + 1;
    while (j < this.rows.length && this.rows[j].out) j++;
    if (j >= this.rows.length) return;
    this._change(() => {
      [this.rows[i], this.rows[j]] = [this.rows[j], this.rows[i]];
      for (const k of [i, j]) this.rows[k].moved = true;
    });
    this._focus(follow ? j : i);
  }

  write(i, text) {
    if (this.rows[i] && this.rows[i].text !== text.trim()) {
      this._change(() => { this.rows[i].text = text.trim(); });
    }
  }

  /* An empty line after one. */
  insert(i, text = "") {
    this._change(() => this.rows.splice(i + 1, 0, { text, comment: "", out: false }));
    this._focus(i + 1);
  }

  /* The right stub with one of the mistakes in it. */
  begin({ changes }) {
    this._change(() => {
      this.rows = this._copy(this.right);
      for (const [what, line, ...rest] of changes) {
        const [text, which] = typeof rest[0] === "string" ? rest : [undefined, rest[0]];
        this._apply(what, this._find(line, which || 0), text);
      }
    });
    const first = this.rows.findIndex((row) => this._isEdited(row));
    if (first >= 0) this._focus(first, false);
  }

  _find(line, which) {
    const found = this.rows.map((row, i) => [row, i]).filter(([row]) => (
      !row.out && row.text === line));
    return found[Math.min(which, found.length - 1)][1];
  }

  _apply(what, i, text) {
    const { rows } = this;
    if (what === "out") rows[i].out = true;
    else if (what === "write") rows[i].text = text;
    else if (what === "after") rows.splice(i + 1, 0, { text, comment: "", out: false });
    else {
      [rows[i], rows[i + 1]] = [rows[i + 1], rows[i]];
      rows[i].moved = rows[i + 1].moved = true;
    }
  }

  _isEdited(row) {
    return row.out || row.moved || row.text !== row.right;
  }

  _focus(i, take = true) {
    const row = this.$(".stub").children[i];
    if (!row) return;
    if (take) row.querySelector("input").focus();
    row.scrollIntoView({ block: take ? "nearest" : "center" });
  }

  // ---- running and telling -------------------------------------------------

  /* Runs the stub as it is now, and draws everything. */
  _changed() {
    const kept = this.rows.map((row, i) => [row, i]).filter(([row]) => !row.out);
    this.rowOfLine = kept.map(([, i]) => i);
    this.tried = tryStub(kept.map(([row]) => row.text), settingOf(this.layout));
    this._drawList();
    this._drawVerdict();
    this._drawFound();
    this.$('[data-do="play"]').setAttribute("aria-disabled", !this.tried.trace);
    this.$('[data-do="undo"]').setAttribute("aria-disabled", !this.history.length);
    if (!this.$(".playing").hidden) this._load();
  }

  _drawList() {
    let number = 0;
    this.$(".stub").replaceChildren(...this.rows.map((row) => {
      if (!row.out) number++;
      const classes = [row.out ? "out" : "", this._isEdited(row) ? "edited" : "",
        row.text.endsWith(":") ? "label" : ""].filter(Boolean).join(" ");
      const act = (name, sign, text, off) => make("button", { "data-act": name, title: text,
        "aria-label": `${text}: ${row.text || "empty"}`, tabindex: "-1", disabled: off }, sign);
      return make("li", { class: classes },
        make("span", { class: "number" }, row.out ? "" : String(number)),
        make("input", { value: row.text, spellcheck: "false", autocomplete: "off",
          autocapitalize: "off", readonly: row.out, "aria-label": row.out
            ? `Taken out: ${row.text}` : `Line ${number}` }),
        make("span", { class: "comment" }, row.comment || ""),
        make("span", { class: "acts" }, act("down", "↓", "Exchange with the next", row.out),
          act("add", "+", "A new line after this", false),
          act("out", row.out ? "↺" : "✕", row.out ? "Put back" : "Take out", false)));
    }));
  }

  /* A link to a line of the stub, as it is numbered now. */
  _line(line) {
    const row = this.rowOfLine[line];
    if (row === undefined) return undefined;
    const item = this.$(".stub").children[row];
    item.classList.add("blamed");
    return make("button", { class: "link", "data-line": String(row) }, `line ${line + 1}, `,
      make("code", {}, this.rows[row].text));
  }

  _drawVerdict() {
    const { tried } = this;
    const inner = this.$(".verdict .inner");
    this.$(".verdict h2 span").textContent = tried.section
      ? `${tried.section.length} steps` : "";
    if (tried.outside) {
      inner.replaceChildren(make("p", { class: "headline neutral" }, "Outside the model"),
        make("p", {}, `${tried.outside}. `, this._line(tried.line) || "",
          " This is no verdict on the stub: the CPU may know it well."));
      return;
    }
    const { lines, right } = this._told();
    inner.replaceChildren(make("p", { class: `headline ${right ? "good" : "bad"}` },
      this._headline(right)), ...lines.length ? [make("ul", {}, ...lines)] : []);
  }

  _headline(right) {
    const { section, handler } = this.tried;
    if (right) return "✓ The call came back, and every register is right.";
    const last = section.steps.at(-1);
    if (last.exception) return `✗ The kernel died: ${last.exception.name}.`;
    if (!checkSection(section)) return `✗ ${section.end.text}`;
    if (!handler) return "✗ The call came back, but syscall_handler was never called.";
    const wrong = wrongRegisters(section).length;
    return wrong ? `✗ ${wrong} ${wrong === 1 ? "register" : "registers"} came back wrong.`
      : "✗ The registers came back, but not all was right.";
  }

  /* Everything that is wrong, as list items. */
  _told() {
    const { tried } = this;
    const { section, remarks } = tried;
    const verdict = verdictOf(section);
    const item = (...parts) => make("li", {}, ...parts.filter((part) => part !== undefined));
    const lines = [];
    const last = section.steps.at(-1);
    if (last.exception) {
      lines.push(item(`${last.exception.text.replace(/^#\w+: /, "")}. It ran `,
        this._line(last.code.line - 1) || make("code", {}, last.code.asm), "."));
    } else if (section.end.kind !== "returned") lines.push(item(section.end.text));
    for (const { name, whose } of verdict.registers) {
      lines.push(item(`${title(name)} came back ${/^0x/.test(whose) ? "as" : "with"} ${whose}`, ...this._writer(name), "."));
    }
    if (verdict.called && checkSection(section) && this._lostResult()) {
      lines.push(item("The result did not reach RAX", ...this._writer("rax"), "."));
    }
    for (const { name, whose } of verdict.arguments) {
      lines.push(item(`C was called with ${whose} as ${name === "nr" ? "the number" : name}.`));
    }
    if (verdict.frame.length) lines.push(item(this._frameText(verdict.frame)));
    for (const { line, text } of remarks) lines.push(item(`${text}: `, this._line(line), "."));
    return { lines, right: !lines.length && verdict.called && section.end.kind === "returned" };
  }

  /* Which instruction wrote what a register holds at the end. */
  _writer(name) {
    const { section } = this.tried;
    const k = section.writerOf(name, section.length);
    const code = k >= 0 ? section.steps[k].code : undefined;
    if (!code || code.line === undefined) return [];
    return [": by ", this._line(code.line - 1)];
  }

  _lostResult() {
    const { section } = this.tried;
    const back = section.marks.find(({ name }) => name === "back in the stub");
    return Boolean(back) && section.registersAt(back.position).rax
      !== section.registersAt(section.length).rax;
  }

  _frameText(wrong) {
    const [{ name, whose }] = wrong;
    const others = wrong.length - 1;
    return `In the frame, ${name.slice(6)} is ${whose}${
      others ? `, and ${others} more ${others === 1 ? "word is" : "words are"} not as they must be`
        : ""}.`;
  }

  /* The tables: every register before and after, C's arguments, the frame. */
  _drawFound() {
    const { tried } = this;
    const panel = this.$(".found .scroll");
    if (!tried.section) {
      panel.replaceChildren();
      return;
    }
    const { section, handler } = tried;
    const { start } = section;
    const after = section.registersAt(section.length);
    const wrong = new Set(wrongRegisters(section).map(({ name }) => name));
    const table = (name, heads, rows) => make("table", {}, make("caption", {}, name),
      make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col" }, head)))),
      make("tbody", {}, ...rows.map(([bad, head, ...cells]) => make("tr", { class: bad ? "broken" : "" },
        make("th", { scope: "row" }, `${head}${bad ? " ✗" : ""}`),
        ...cells.map((cell) => make("td", {}, cell))))));
    const value = (v) => (v === undefined ? "unknown" : hex(v));
    const parts = [table("The registers", ["", "before", "after"],
      [...GENERAL, "rip", "rflags", "gs_base", "kernel_gs_base"].map((name) => (
        [wrong.has(name), name, value(start[name]), value(after[name])])))];
    if (handler) {
      const args = new Map(wrongArguments(section, handler).map((d) => [d.name, d]));
      const words = new Map(wrongWords(section, handler).map((d) => [d.name, d]));
      parts.unshift(table("What C was called with", ["", "found", "whose"],
        ARGUMENT_NAMES.map((name, i) => [args.has(name), name, value(handler.arguments[i]),
          whose(start, handler.arguments[i])])),
      table("The frame that C found", ["", "found", "whose"], [...section.trace.fields].reverse()
        .map(({ name }) => [words.has(`frame.${name}`), name, value(handler.frame[name]),
          whose(start, handler.frame[name])])));
    }
    panel.replaceChildren(...parts);
  }

  // ---- step by step --------------------------------------------------------

  /* The run in the trace player, below. */
  _play(on) {
    if (on && !this.tried.trace) return; // outside the model nothing has run
    this.$(".playing").hidden = !on;
    this.$('[data-do="play"]').setAttribute("aria-pressed", on);
    if (!on) {
      this.$(".playing").replaceChildren();
      return;
    }
    this.$(".playing").append(make("trace-player", { "data-inside": "" }));
    this._load();
    this.$(".playing").scrollIntoView();
  }

  _load() {
    if (this.tried.trace) this.$("trace-player").load(this.tried.trace.json);
    else this._play(false);
  }
}

if (!customElements.get("stub-trial")) customElements.define("stub-trial", StubTrial);
