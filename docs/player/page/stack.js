/* The kernel stack, word by word; before there is one, the tables and registers
 * that the section fills. */
"use strict";

const StackView = (Base) => class extends Base {
  _drawStack(registers, step) {
    const { section } = this;
    const panel = this.$(".stack .scroll");
    const active = this.shadowRoot.activeElement;
    const focused = panel.contains(active) ? active.dataset.writer : undefined;
    const rows = section.stack ? this._stackTable(panel, registers, step)
      : this._toldTables(panel);
    if (focused !== undefined) {
      const again = panel.querySelector(`[data-writer="${focused}"]`);
      (again || panel).focus({ preventScroll: true });
    }
    const here = panel.querySelector(".changed") || panel.querySelector("tr.differs")
      || panel.querySelector(".rsp");
    this._show(panel, here ? here.closest("tr") : rows[0]);
  }

  /* The other process of a fork, once its frame holds something. */
  _kinHere() {
    const kin = this.section.kin();
    if (!kin || kin.section.frame === undefined) return undefined;
    const begun = kin.name === "parent"
      || this.section.writerOf(kin.section.frame, this.position) >= 0;
    return begun ? kin : undefined;
  }

  /* A word of the other's stack: as this section wrote it; from the child's side,
   * as the parent had it when its call was done. */
  _kinWord(kin, at) {
    if (kin.name === "child") return this.section.wordAt(at, this.position);
    const back = kin.section.marks.find((mark) => mark.name === "user stack");
    return kin.section.wordAt(at, back ? back.position : kin.section.length);
  }

  /* Draws the stack from its top down to RSP, or to the end of the frame. */
  _stackTable(panel, registers, step) {
    const { section } = this;
    const { stack, frame } = section;
    const kin = this._kinHere();
    this.$(".stack h2").firstChild.data = kin ? "Two kernel stacks " : "Kernel stack ";
    this.$(".stack h2 span").textContent =
      `${section.raw.process || "process"}[${section.raw.pid ?? "?"}], top ${
        hex(stack.top)}`;
    const inside = section.onStack(registers.rsp);
    const low = inside ? registers.rsp : stack.top;
    const bottom = frame !== undefined && low > frame ? frame : low;
    const written = new Map((step ? step.writes : []).map((w) => [w.at & ~7n, w]));
    const rows = [];
    if (inside && registers.rsp === stack.top) rows.push(this._topRow(kin));
    for (let at = stack.top - WORD; at >= bottom && rows.length < 96; at -= WORD) {
      rows.push(this._stackRow(at, { low, rsp: registers.rsp, written, kin }));
    }
    const names = kin ? ["at", "name", "value", "value"] : ["at", "name", "value", "note"];
    const head = kin ? [make("thead", {}, make("tr", {}, make("td"), make("td"),
      make("th", { scope: "col" }, kin.name === "child" ? "parent (this)" : "child (this)"),
      make("th", { scope: "col" }, kin.name)))] : [];
    panel.replaceChildren(make("table", { class: kin ? "both" : "" },
      make("caption", { class: "hush" }, "The kernel stack, from its top down"),
      columns(...names), ...head, make("tbody", {}, ...rows)));
    return rows;
  }

  _topRow(kin) {
    return make("tr", {}, make("td", { class: "at" }, make("span", { class: "rsp" },
      make("span", { class: "hush" }, "RSP is here"))),
    make("th", { scope: "row" }, "top"), make("td", {}, hex(this.section.stack.top)),
    make("td", { class: "note" }, kin ? "" : "still empty"));
  }

  /* One word: where RSP is, its name, its value, and what it says; for a fork, the
   * other's word in place of that. */
  _stackRow(at, { low, rsp, written, kin }) {
    const { section } = this;
    const field = section.fieldAt(at);
    const free = at < low;
    const value = section.wordAt(at, this.position);
    const place = kin && field ? kin.section.frame + field.offset : undefined;
    const write = (free ? undefined : written.get(at)) || written.get(place);
    const theirs = place === undefined ? undefined : this._kinWord(kin, place);
    const differs = theirs !== undefined && value !== undefined && theirs !== value;
    const shown = free && !kin ? undefined : value; // of two, what memory still holds
    const notes = [free ? "free" : "", field && !free ? FRAME_NOTES[field.name] : "",
      !free && value !== undefined ? section.nameOf(value) : "",
      write ? `was ${hex(write.old)}` : ""].filter(Boolean).join(", ");
    const classes = [free ? "free" : "", write ? "changed" : "", field ? "frame" : "",
      differs ? "differs" : ""].filter(Boolean).join(" ");
    return make("tr", { class: classes },
      make("td", { class: "at" }, at === rsp ? make("span", { class: "rsp" },
        make("span", { class: "hush" }, "RSP is here")) : ""),
      make("th", { scope: "row", title: field ? FRAME_NOTES[field.name] : undefined },
        field ? field.name : `−${section.stack.top - at}`),
      make("td", {}, shown === undefined ? make("span", {}, free ? "·" : "unknown")
        : make("button", { class: "value", "data-writer": hex(at) }, hex(shown),
          make("span", { class: "hush" }, ` in ${section.nameOf(at)}${
            write ? ", changed" : ""}. To its writer.`))),
      kin ? this._kinCell(kin, field, theirs, differs)
        : make("td", { class: "note", title: notes }, notes));
  }

  _kinCell(kin, field, theirs, differs) {
    if (theirs === undefined) return make("td", { class: "note" }, "");
    const at = hex(kin.section.frame + field.offset);
    const sign = differs ? make("span", { class: "sign" }, " ≠",
      make("span", { class: "hush" }, " the one that differs")) : undefined;
    return make("td", {}, kin.name === "parent" ? make("span", { class: "value" }, hex(theirs))
      : make("button", { class: "value", "data-writer": at }, hex(theirs),
        make("span", { class: "hush" }, ` in ${kin.name}.frame.${field.name}. To its writer.`)),
    sign);
  }

  // ---- before there is a stack of a process --------------------------------

  /* The GDT, the TSS and the model-specific registers, as far as the section has
   * come. */
  _toldTables(panel) {
    const { section } = this;
    this.$(".stack h2").firstChild.data = section.id === "msr"
      ? "What SYSCALL will find " : "The tables in memory ";
    this.$(".stack h2 span").textContent = "a value leads to its writer";
    const parts = section.id === "msr" ? [this._msrTable()]
      : [this._gdtTable(), this._tssTable()].filter(Boolean);
    panel.replaceChildren(...parts);
    return panel.querySelectorAll("tbody tr");
  }

  /* The last event of a kind before this position, as [event, its step]. */
  _lastEvent(matches) {
    for (let k = this.position - 1; k >= 0; k--) {
      const event = this.section.steps[k].events.find(matches);
      if (event) return [event, k];
    }
    return [undefined, -1];
  }

  _gdtTable() {
    const { section, position } = this;
    const { gdt } = this.shown;
    if (!gdt) return make("p", { class: "none" }, "No GDT is loaded in this recording.");
    const words = [...Array(gdt.count).keys()].map((i) => (
      section.wordAt(gdt.at + WORD * BigInt(i), position)));
    const [loaded, k] = this._lastEvent((event) => event.kind === "lgdt");
    const [tr] = this._lastEvent((event) => event.kind === "ltr");
    const users = (selector) => [...["cs", "ss", ...SEGMENTS].filter((name) => (
      section.registersAt(position)[name] === selector && loaded)).map(title),
    ...tr && BigInt(tr.selector) === selector ? ["TR"] : []].join(" ");
    const changed = this._changedWords();
    const rows = descriptorRows(words).map(({ selector, entry, text }, i) => {
      const at = gdt.at + WORD * BigInt(i), who = selector ? users(selector) : "";
      return make("tr", { class: changed.has(at) ? "changed" : "" },
        make("th", { scope: "row" }, hex(selector)),
        make("td", {}, this._wordButton(at, entry)),
        make("td", { class: "words" }, text, who
          ? make("b", {}, ` ← ${who}`) : undefined));
    });
    return this._toldTable("The GDT", loaded
      ? make("button", { class: "value", "data-to": String(k) },
        `GDTR: base ${loaded.base}, limit ${loaded.limit}`)
      : `at ${hex(gdt.at)}, not loaded yet`, rows);
  }

  _tssTable() {
    const { section, position } = this;
    const { tss } = this.shown;
    if (!tss) return undefined;
    const changed = this._changedWords();
    const [loaded, k] = this._lastEvent((event) => event.kind === "ltr");
    const rows = [...TSS_FIELDS].map(([offset, name]) => {
      const at = tss.at + offset;
      const value = name === "iomap_base"
        ? section._seek(position).memory.read(at, 2) : section.wordAt(at, position);
      if (!value && !changed.has(at & ~7n)) return undefined;
      return make("tr", { class: changed.has(at & ~7n) ? "changed" : "" },
        make("th", { scope: "row" }, name),
        make("td", {}, this._wordButton(at & ~7n, value)),
        make("td", { class: "words" }, value ? tssText(section, name, value) : ""));
    }).filter(Boolean);
    if (!rows.length && !loaded) return undefined;
    return this._toldTable("The TSS", loaded
      ? make("button", { class: "value", "data-to": String(k) },
        `TR: ${loaded.selector}, base ${loaded.base}`)
      : `at ${hex(tss.at)}, not loaded yet`, rows);
  }

  _msrTable() {
    const { section, position } = this;
    const written = section.steps.flatMap((step) => step.events.map((e) => [e, step.k]))
      .filter(([event]) => event.kind === "wrmsr");
    const numbers = [...new Set(written.map(([event]) => event.number))];
    const rows = numbers.map((number) => {
      const own = written.filter(([event]) => event.number === number);
      const [name] = own.map(([event]) => event.name || event.number);
      const [event, k] = own.filter(([, step]) => step < position).pop()
        || [{ new: own[0][0].old }, -1];
      const value = BigInt(event.new);
      return make("tr", { class: k === position - 1 && k >= 0 ? "changed" : "" },
        make("th", { scope: "row" }, name),
        make("td", {}, k < 0 ? make("span", {}, hex(value))
          : make("button", { class: "value", "data-to": String(k) }, hex(value),
            make("span", { class: "hush" }, ` in ${name}. To its WRMSR.`))),
        make("td", { class: "words" }, k < 0 ? "not written yet"
          : msrText(section, name, value)));
    });
    return this._toldTable("Model-specific registers", "", rows);
  }

  _toldTable(name, says, rows) {
    return make("table", { class: "told" }, make("caption", {}, make("b", {}, name), " ", says),
      columns("name", "value", "words"), make("tbody", {}, ...rows));
  }

  _wordButton(at, value) {
    if (value === undefined) return make("span", {}, "·", make("span", { class: "hush" }, "unknown"));
    return make("button", { class: "value", "data-writer": hex(at) }, hex(value),
      make("span", { class: "hush" }, ` in ${this.section.nameOf(at)}. To its writer.`));
  }

  /* The words that the step before this position wrote. */
  _changedWords() {
    const step = this.position ? this.section.steps[this.position - 1] : undefined;
    return new Set((step ? step.writes : []).flatMap((w) => {
      const places = [];
      for (let at = w.at & ~7n; at < w.at + BigInt(w.size); at += WORD) places.push(at);
      return places;
    }));
  }
};
