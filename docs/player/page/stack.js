/* The kernel stack, word by word; before there is one, what the CPU was told. */
"use strict";

const StackView = (Base) => class extends Base {
  _drawStack(registers, step) {
    const { section } = this;
    const panel = this.$(".stack .scroll");
    const active = this.shadowRoot.activeElement;
    const focused = panel.contains(active) ? active.dataset.writer : undefined;
    const told = section.steps.slice(0, this.position).flatMap((s) => (
      s.events.map((event) => [event, s.k])));
    if (!section.stack) {
      this.$(".stack h2").firstChild.data = "What the CPU was told ";
      this.$(".stack h2 span").textContent = "";
      panel.replaceChildren(told.length ? make("ol", { class: "told" },
        ...told.map(([event, k]) => this._event(event, k))) : make("p", { class: "none" },
        "Nothing yet: no table is loaded, no model-specific register is written."));
      this._show(panel, panel.querySelector(".told :last-child"));
      return;
    }
    this.$(".stack h2").firstChild.data = "Kernel stack ";
    this.$(".stack h2 span").textContent =
      `${section.raw.process || "process"}[${section.raw.pid ?? "?"}], top ${
        hex(section.stack.top)}`;
    const inside = section.onStack(registers.rsp);
    const low = inside ? registers.rsp : section.stack.top;
    const bottom = section.frame !== undefined && low > section.frame ? section.frame : low;
    const written = new Set((step ? step.writes : []).map((write) => write.at & ~7n));
    const rows = [];
    if (inside && registers.rsp === section.stack.top) {
      rows.push(make("tr", {}, make("td", { class: "at" }, make("span", { class: "rsp" })),
        make("th", { scope: "row" }, "top"),
        make("td", {}, hex(section.stack.top)), make("td", { class: "note" }, "still empty")));
    }
    let at = section.stack.top - WORD;
    for (let count = 0; at >= bottom && count < 96; at -= WORD, count++) {
      const field = section.fieldAt(at);
      const free = at < low;
      const value = section.wordAt(at, this.position);
      const changed = written.has(at) && !free;
      const old = changed && step.writes.find((write) => (write.at & ~7n) === at).old;
      const name = field ? field.name : `−${section.stack.top - at}`;
      const notes = [free ? "free" : "", field && !free ? FRAME_NOTES[field.name] : "",
        !free && value !== undefined ? section.nameOf(value) : "",
        changed ? `was ${hex(old)}` : ""];
      rows.push(make("tr", {
        class: `${free ? "free" : ""}${changed ? " changed" : ""}${field ? " frame" : ""}`,
      },
      make("td", { class: "at" }, at === registers.rsp ? make("span", { class: "rsp" },
        make("span", { class: "hush" }, "RSP is here")) : ""),
      make("th", { scope: "row" }, name),
      make("td", {}, free || value === undefined ? make("span", {}, free ? "·" : "unknown")
        : make("button", { class: "value", "data-writer": hex(at) }, hex(value),
          make("span", { class: "hush" }, ` in ${section.nameOf(at)}${
            changed ? ", changed" : ""}. To its writer.`))),
      make("td", { class: "note" }, notes.filter(Boolean).join(", "))));
    }
    const body = make("tbody", {}, ...rows);
    panel.replaceChildren(make("table", {},
      make("caption", { class: "hush" }, "The kernel stack, from its top down"),
      columns("at", "name", "value", "note"), body));
    if (focused !== undefined) {
      const again = panel.querySelector(`[data-writer="${focused}"]`);
      (again || panel).focus({ preventScroll: true });
    }
    const here = panel.querySelector(".changed") || panel.querySelector(".rsp");
    this._show(panel, here ? here.closest("tr") : body.firstChild);
  }

  /* What a table or a special register was told. */
  _event(event, k) {
    const about = {
      wrmsr: () => `${event.name || event.number} = ${event.new} (was ${event.old})`,
      lgdt: () => `lgdt: base ${event.base}, limit ${event.limit}; ${
        event.entries.map((word, i) => `${hex(8 * i)}: ${word}`).join(", ")}`,
      lidt: () => `lidt: base ${event.base}, limit ${event.limit}`,
      ltr: () => `ltr ${event.selector}: TSS at ${event.base}, rsp0 ${event.rsp0}`,
      segment: () => `${event.register} = ${event.selector}`,
    }[event.kind];
    const place = event.kind === "wrmsr" ? this.section.nameOf(BigInt(event.new)) : "";
    return make("li", { class: k === this.position - 1 ? "changed" : "" },
      make("button", { class: "value mono", "data-to": String(k) }, about ? about()
        : event.kind, make("span", { class: "hush" }, ". To its instruction.")),
      place ? ` ${place}` : "");
  }
};
