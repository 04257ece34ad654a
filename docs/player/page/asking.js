/* Predict, then reveal. */
"use strict";

const Asking = (Base) => class extends Base {
  _predict(on) {
    this.predicting = on;
    this.score = [0, 0];
    this.$('[data-do="predict"]').setAttribute("aria-pressed", on);
    this._close();
    if (on) this._after();
    else this._say("No more questions.");
  }

  _after() {
    if (!this.predicting) return this.go(this.position + 1);
    if (this.asked) return this._reveal();
    if (this.position >= this.section.length) return this._say("This is the end.");
    this.asked = question(this.section, this.position);
    const step = this.section.steps[this.position];
    const names = { memory: "a word of memory", gs_base: "GS base", cpl: "CPL, CS, SS",
      rflags: "RFLAGS" };
    const card = this.$(".ask");
    card.replaceChildren(
      make("fieldset", {},
        make("legend", {}, make("b", {}, "Next: "), make("code", {}, step.code.asm),
          ". What will it change, besides RIP?"),
        ...this.asked.choices.map((name) => make("label", {},
          make("input", { type: "checkbox", name: "what", value: name }),
          names[name] || title(name)))),
      make("div", { class: "row" },
        make("label", {}, `${title(this.asked.target)} afterwards, if you like:`,
          make("input", { type: "text", name: "value", autocomplete: "off",
            spellcheck: "false", placeholder: "0x…" })),
        make("button", { class: "go", type: "submit" }, "Reveal")));
    card.hidden = false;
    card.querySelector("input").focus();
    this._show(this.$(".source .scroll"), this.$(".lines .next")); // it has shrunk
    this._say(`Before ${step.code.asm} runs: what will it change?`);
  }

  _reveal() {
    const { asked } = this;
    if (!asked) return this._after();
    const card = this.$(".ask");
    const ticked = new Set([...card.querySelectorAll("input:checked")]
      .map((input) => input.value));
    const guess = card.querySelector("input[type=text]").value.trim();
    const missed = [...asked.right].filter((name) => !ticked.has(name));
    const wrong = [...ticked].filter((name) => !asked.right.has(name));
    const value = this.section.registersAt(asked.k + 1)[asked.target];
    let valueRight = true;
    const lines = [];
    if (guess) {
      try {
        valueRight = BigInt(guess) === value;
      } catch {
        valueRight = false;
      }
      lines.push(`${title(asked.target)} is ${hex(value)}${
        valueRight ? ", as you said" : `, not ${guess}`}.`);
    }
    if (missed.length) lines.push(`Also changed: ${missed.map(title).join(", ")}.`);
    if (wrong.length) lines.push(`Not changed: ${wrong.map(title).join(", ")}.`);
    const right = !missed.length && !wrong.length && valueRight;
    this.score[0] += right;
    this.score[1] += 1;
    this.asked = undefined;
    this.position = asked.k + 1;
    card.replaceChildren(
      make("div", { class: "row" },
        make("p", { id: "verdict", class: right ? "good" : "bad" },
          right ? "✓ Right" : "✗ Not quite"),
        make("p", { id: "verdict-why" }, lines.join(" ")),
        make("p", { class: "where" }, `${this.score[0]} of ${this.score[1]} right`),
        make("button", { class: "go", type: "submit",
          "aria-describedby": "verdict verdict-why" }, "Ask the next")));
    this.draw();
    card.querySelector("button").focus();
    this._say(explain(this.section, asked.k));
  }

  /* A step in any other way ends a question. */
  _close() {
    const card = this.$(".ask");
    const had = card.contains(this.shadowRoot.activeElement);
    this.asked = undefined;
    card.hidden = true;
    card.replaceChildren();
    if (had) this.$('[data-do="after"]').focus();
  }
};
