/* Light and dark: as the system has it, or the page around, until one is chosen. */
"use strict";

const THEMES = ["auto", "light", "dark"];
const THEME_STORE = "trace-player-theme";

const Colours = (Base) => class extends Base {
  /* Draws in the colours that are chosen; `next` chooses the next. */
  _theme(next) {
    if (this.theme === undefined) this._firstTheme();
    if (next) {
      this.theme = THEMES[(THEMES.indexOf(this.theme) + 1) % THEMES.length];
      try {
        localStorage.setItem(THEME_STORE, this.theme);
      } catch { /* then it is not remembered */ }
    }
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    this.dataset.theme = this.theme !== "auto" ? this.theme
      : this.around || (dark ? "dark" : "light");
    const button = this.$('[data-do="theme"]');
    const text = { auto: "as the system has them", light: "light", dark: "dark" }[this.theme];
    button.title = `Colours: ${text}`;
    button.dataset.theme = this.theme;
    button.querySelector(".hush").textContent = `Colours: ${text}`;
  }

  _firstTheme() {
    try {
      this.theme = localStorage.getItem(THEME_STORE) || "auto";
    } catch {
      this.theme = "auto"; // a page from a file may have no storage
    }
    if (!THEMES.includes(this.theme)) this.theme = "auto";
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change",
      () => this._theme());
    // In a frame, the page around says which it has (docs/static/book.js); by a
    // message, as a page from a file may not look into another.
    addEventListener("message", ({ source, data }) => {
      if (source !== parent || !data || !["light", "dark"].includes(data.threshold)) return;
      this.around = data.threshold;
      this._theme();
    });
    if (parent !== window) parent.postMessage({ threshold: "colours?" }, "*");
  }
};
