/* The registers and the flags. */
"use strict";

const RegistersView = (Base) => class extends Base {
  _makeRegisters() {
    const { section } = this;
    const changing = SEGMENTS.filter((name) => section.writers.has(name));
    const row = (name) => make("tr", { "data-register": name },
      make("th", { scope: "row" }, name === "kernel_gs_base" ? "k_gs_base" : name),
      make("td", {}, make("button", { class: "value", "data-writer": name })),
      make("td", { class: "note" }));
    const table = (label, names) => make("table", {},
      make("caption", { class: "hush" }, label), columns("name", "value", "note"),
      make("tbody", {}, ...names.map(row)));
    const known = (names) => names.filter((name) => name in section.start);
    this.$(".registers .scroll").replaceChildren(
      table("General registers", known([...GENERAL, "rip", "rflags"])),
      make("ul", { class: "flags", "aria-label": "RFLAGS" }, ...FLAGS.map((flag) => (
        make("li", {}, make("button", { "data-writer": `flag ${flag.name}`,
          title: flag.title }))))),
      table("System registers", known([...SYSTEM, ...changing])));
  }

  /* What is checked at the last position, by the register's name. */
  _checks() {
    const { section, position } = this;
    const checks = position === section.length && checkSection(section);
    return new Map((checks || []).map((check) => [check.name, check]));
  }

  /* What stands beside a value: what is wrong with it, or what it is. */
  _registerNote(name, { value, check, differs, other, was }) {
    if (differs) {
      return `${this.shown === this.mine ? "reference" : "this trace"}: ${hex(other)}`;
    }
    if (check && !check.right) {
      return `✗ ${check.owner ? `${title(check.owner)}'s pattern`
        : `not ${hex(check.expected)}`}`;
    }
    if (name === "rax" && this._checks().size && this.section.id === "call") {
      return this.section.end.kind === "again" ? "✓ the number, once more" : "the result";
    }
    const place = name === "rflags" ? "" : this.section.nameOf(value);
    return [check ? "✓" : "", place, was].filter(Boolean).join(" ");
  }

  _drawRegisters(registers, step) {
    const { section } = this;
    const checks = this._checks();
    const panel = this.$(".registers .scroll");
    let others, part;
    if (this.comparison && this.comparison.first) {
      part = (this.shown === this.mine ? this.other : this.mine).section(section.id);
      others = part.registersAt(Math.min(this._paired(this.position), part.length));
    }
    for (const row of panel.querySelectorAll("tr")) {
      const name = row.dataset.register;
      const value = registers[name];
      const changed = Boolean(step) && step.set[name] !== undefined;
      const differs = others && name !== "cr3" && others[name] !== undefined
        && section.meaning(value) !== part.meaning(others[name]);
      row.classList.toggle("changed", changed && name !== "rip");
      row.classList.toggle("differs", Boolean(differs));
      const check = checks.get(name);
      row.classList.toggle("kept", Boolean(check) && check.right);
      row.classList.toggle("broken", Boolean(check) && !check.right);
      const was = !changed || name === "rip" ? ""
        : `was ${name === "cpl" ? step.old[name] : hex(step.old[name])}`;
      const button = row.querySelector("button");
      button.replaceChildren(name === "cpl" ? String(value) : hex(value),
        make("span", { class: "hush" },
        ` in ${name}${was ? `, changed, ${was}` : ""}. To its writer.`));
      const note = this._registerNote(name, { value, check, differs,
        other: others && others[name], was });
      row.lastChild.textContent = note;
      row.lastChild.title = note;
    }
    panel.querySelectorAll(".flags button").forEach((button, i) => {
      const { name, bit, mask } = FLAGS[i];
      const value = registers.rflags >> bit & mask;
      const changed = step && step.set.rflags !== undefined
        && (step.set.rflags ^ step.old.rflags) >> bit & mask;
      button.className = `${value ? "set" : ""}${changed ? " changed" : ""}`;
      button.textContent = `${name} ${value}`;
      if (changed) button.append(make("span", { class: "hush" }, " changed"));
    });
  }
};
