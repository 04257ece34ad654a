/* The keyboard: what each key does, and one place of Tab for each list. */
"use strict";

/* The lists in which the arrow keys go from one button to the next. */
const LISTS = [".registers .scroll", ".stack .scroll", ".ran .scroll", ".marks"];

const Keys = (Base) => class extends Base {
  _listenToKeys() {
    // In the document, so that no click is needed before the first key; but
    // only where the focus is on nothing, or on something of the player's.
    document.addEventListener("keydown", (event) => this._key(event));
    this.shadowRoot.addEventListener("focusin", () => this._rove());
  }

  _key(event) {
    const focus = document.activeElement;
    if (event.altKey || event.ctrlKey || event.metaKey || !this.mine) return;
    if (focus && focus !== document.body && focus !== this) return;
    const inside = this.shadowRoot.activeElement;
    if (this.$("dialog").open) return;
    const typing = inside && inside.matches("input[type=text]");
    if (typing && event.key !== "Escape") return;
    if (event.key === " " && inside && inside.matches("button, input, select")) return;
    if (/^Arrow(Up|Down)$/.test(event.key)) {
      if (this._roveBy(event.key === "ArrowUp" ? -1 : 1)) event.preventDefault();
      return;
    }
    const does = { ArrowRight: "after", ArrowLeft: "before", Home: "first", End: "last",
      PageDown: "nextMark", PageUp: "previousMark", " ": "after", r: "play", b: "back", p: "predict",
      d: "divergence", x: "exchange", "?": "help" }[
      event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!does) return;
    event.preventDefault();
    this._do(does);
  }

  /* Leaves one place of Tab to each list: the button that has the focus, or had it,
   * or is the current one. */
  _rove() {
    const { activeElement } = this.shadowRoot;
    for (const selector of LISTS) {
      const buttons = [...this.$(selector).querySelectorAll("button")];
      const chosen = buttons.find((button) => button === activeElement)
        || buttons.find((button) => button.tabIndex === 0 && button.dataset.roved)
        || buttons.find((button) => button.closest('[aria-current]')) || buttons[0];
      for (const button of buttons) {
        button.tabIndex = button === chosen ? 0 : -1;
        if (button === activeElement) button.dataset.roved = "yes";
        else if (button !== chosen) delete button.dataset.roved;
      }
    }
  }

  /* Moves the focus within its list; false where it is in none. */
  _roveBy(distance) {
    const { activeElement } = this.shadowRoot;
    const list = activeElement && activeElement.closest(LISTS.join());
    if (!list || !activeElement.matches("button")) return false;
    const buttons = [...list.querySelectorAll("button")];
    const next = buttons[buttons.indexOf(activeElement) + distance];
    if (next) next.focus();
    return true;
  }
};
