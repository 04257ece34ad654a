/* The source, and the steps as they run. */
"use strict";

const SourceView = (Base) => class extends Base {
  _drawSource(code, step) {
    const { files } = this.shown;
    const panel = this.$(".source .scroll");
    const file = code.file;
    this.$(".source h2 span").textContent = file ? `${file}:${code.line}${
      code.function ? `, ${code.function}` : ""}` : "";
    if (file === undefined || files[file] === undefined) {
      this.file = undefined;
      panel.replaceChildren(make("p", { class: "none" },
        file ? `${file} is not in the trace.` : "No source is known here.",
        make("br"), make("code", {}, code.asm)));
      return;
    }
    if (this.file !== file) {
      this.file = file;
      const text = files[file].replace(/\n$/, "");
      panel.replaceChildren(make("ol", { class: "lines" }, ...colour(text).map((line, i) => (
        make("li", {}, make("span", { class: "number" }, String(i + 1)),
          make("span", {}, ...line.map(([kind, part]) => (
            kind ? make("span", { class: kind }, part) : part))))))));
    }
    const rows = panel.firstChild.children;
    panel.querySelectorAll(".next, .done").forEach((row) => {
      row.classList.remove("next", "done");
      row.removeAttribute("aria-current");
    });
    if (step && step.code.file === file && rows[step.code.line - 1]) {
      rows[step.code.line - 1].classList.add("done");
    }
    const row = rows[code.line - 1];
    if (!row) return;
    row.classList.remove("done");
    row.classList.add("next");
    row.setAttribute("aria-current", "step");
    this._show(panel, row);
  }

  /* The steps around this one; beside them, those of the other trace. */

  _drawRan() {
    const { section, position, comparison } = this;
    const shownFirst = this.shown === this.mine;
    const pairs = comparison ? comparison.pairs : section.steps.map((_, k) => [k, null]);
    const own = shownFirst ? 0 : 1;
    const mine = this.mine.section(section.id);
    const theirs = this.other && this.other.section(section.id);
    let row = pairs.findIndex((pair) => pair[own] !== null && pair[own] >= position);
    if (row < 0) row = pairs.length;
    const cell = (k, part, number) => {
      if (k === null) return make("td", { class: "asm" }, make("i", {}, "no such step"));
      const step = part.steps[k];
      const text = step.over ? `${step.code.asm} …` : step.code.asm;
      const label = [text, step.n > 1 && !step.over ? make("i", {}, ` and ${step.n - 1} more`)
        : undefined];
      return make("td", { class: "asm", title: text }, number
        ? make("button", { "data-to": String(k) }, ...label.filter(Boolean))
        : make("span", {}, ...label.filter(Boolean)));
    };
    const body = make("tbody");
    for (let i = Math.max(row - 6, 0); i < Math.min(row + 9, pairs.length); i++) {
      const [a, b] = pairs[i];
      const parted = comparison && (a === null || b === null);
      const first = comparison && comparison.first;
      const here = first && first.kind === "value" && a === first.mine - 1;
      body.append(make("tr", {
        class: `row${i === row ? " next" : ""}${parted || here ? " parted" : ""}`,
        "aria-current": i === row ? "step" : undefined,
      }, make("td", { class: "at" }, `${i === row ? "▶ " : parted || here ? "≠ " : ""}${
        (own ? b : a) === null ? "" : (own ? b : a) + 1}`),
      ...(comparison ? [cell(a, mine, !own), cell(b, theirs, own)]
        : [cell(a, section, true)])));
    }
    const table = make("table", {});
    if (comparison) {
      table.append(make("thead", {}, make("tr", {}, make("td"),
        make("th", { scope: "col", "data-shown": String(shownFirst) }, "this trace"),
        make("th", { scope: "col", "data-shown": String(!shownFirst) }, "reference"))));
    }
    table.append(body);
    const panel = this.$(".ran .scroll");
    const focused = panel.contains(this.shadowRoot.activeElement)
      ? this.shadowRoot.activeElement.dataset.to : undefined;
    panel.replaceChildren(table);
    if (focused !== undefined) {
      (panel.querySelector(".next button") || this.$('[data-do="after"]')).focus();
    }
    this._show(panel, table.querySelector(".next") || body.lastChild);
  }
};
