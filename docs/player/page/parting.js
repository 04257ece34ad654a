/* The comparison of two traces, as the page shows it. */
"use strict";

const Parting = (Base) => class extends Base {
  _toDivergence() {
    const first = this.comparison && this.comparison.first;
    if (!first) return this._say("These traces do not differ here.");
    this.go(this.shown === this.mine ? first.mine : first.reference, true);
  }

  /* The other trace, at the step that goes with this one. */
  _exchange() {
    if (!this.other) return;
    const position = this._paired(this.position);
    this.shown = this.shown === this.mine ? this.other : this.mine;
    this._enter(this.section.id, position);
    this._say(`Shown is now ${this.shown === this.mine ? "this trace"
      : "the reference"}.`);
  }

  /* The position of the other trace that goes with a position of the shown. */
  _paired(position) {
    if (!this.comparison) return position;
    const [mine, theirs] = this.shown === this.mine ? [0, 1] : [1, 0];
    const { first } = this.comparison;
    if (first && position === [first.mine, first.reference][mine]) {
      return [first.mine, first.reference][theirs];
    }
    let paired = 0;
    for (const pair of this.comparison.pairs) {
      if (pair[mine] !== null && pair[mine] >= position) return pair[theirs] ?? paired;
      if (pair[theirs] !== null) paired = pair[theirs] + 1;
    }
    return paired;
  }

  _drawComparison() {
    const card = this.$(".parting");
    this.$(".app").classList.toggle("comparing", Boolean(this.other));
    card.hidden = !this.other;
    if (!this.other) return;
    const { comparison } = this;
    const show = (value, section) => (value === undefined ? "—"
      : `${hex(value)}${section.nameOf(value) ? ` (${section.nameOf(value)})` : ""}`);
    const mine = this.mine.section(this.section.id);
    const theirs = this.other.section(this.section.id);
    const children = [];
    if (!comparison) {
      children.push(make("h2", {}, "Only one of the traces has this part."));
    } else if (!comparison.first) {
      children.push(make("h2", { class: "good" }, "✓ No difference in this part."));
    } else {
      const { first } = comparison;
      const k = Math.max(first.mine - (first.kind === "value"), 0);
      children.push(make("h2", {}, `The traces part at step ${k + 1}.`));
      if (first.kind === "value") {
        const difference = first.differences[0];
        const name = difference.name === "memory" ? difference.place || hex(difference.at)
          : title(difference.name);
        children.push(make("p", {}, make("code", {}, first.says[0]), ` leaves ${name} = `,
          make("code", {}, show(difference.mine, mine)), "; in the reference ",
          make("code", {}, show(difference.reference, theirs)), "."));
      } else {
        children.push(make("p", {}, "Here ", make("code", {}, first.says[0]),
          "; in the reference ", make("code", {}, first.says[1]), "."));
      }
      children.push(make("button", { class: "link", "data-do": "divergence" },
        "Go there (D)"));
    }
    children.push(make("button", { class: "link", "data-do": "exchange" },
      this.shown === this.mine ? "Show the reference (X)" : "Show this trace (X)"));
    children.push(make("button", { class: "link", "data-do": "uncompare" },
      "End the comparison"));
    const rows = [];
    for (const place of comparison ? comparison.places : []) {
      if (place.mine === undefined || place.reference === undefined) {
        rows.push(make("tr", {}, make("td", {}, place.name),
          make("td", {}, "reached"), make("td", {}, place.mine === undefined ? "never" : "yes"),
          make("td", {}, place.reference === undefined ? "never" : "yes")));
      }
      for (const difference of place.differences) {
        rows.push(make("tr", {}, make("td", {}, place.name),
          make("td", {}, difference.name.includes(".") ? difference.name
            : title(difference.name)),
          make("td", {}, show(difference.mine, mine)),
          make("td", {}, show(difference.reference, theirs))));
      }
    }
    if (rows.length) {
      children.push(make("details", {},
        make("summary", {}, `What differs at the places on the way (${rows.length})`),
        make("table", {}, make("thead", {}, make("tr", {},
          ...["at", "value", "this trace", "reference"].map((text) => (
            make("th", { scope: "col" }, text))))), make("tbody", {}, ...rows))));
    }
    card.replaceChildren(...children);
  }
};
