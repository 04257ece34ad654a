/* Places that have an address, #call/22, and playing from one to the next. */
"use strict";

const PACE = 1000; // milliseconds for a step that is played

const Places = (Base) => class extends Base {
  _listenToPlaces() {
    addEventListener("hashchange", () => this._toAddress());
  }

  /* Goes where the page's address says; false where it says nothing, or names a
   * place that this trace does not have. */
  _toAddress() {
    if (this.dataset.inside !== undefined) return false; // the address is another's
    const match = /^#([a-z]+)\/(\d+)$/.exec(location.hash);
    const section = match && this.shown && this.shown.section(match[1]);
    if (!section) return false;
    const position = Math.min(Number(match[2]), section.length);
    if (section !== this.section) this._enter(section.id, position, true);
    else if (position !== this.position) this.go(position, true);
    return true;
  }

  /* Keeps the address at where the player is. Not at each step: a browser allows
   * only so many changes in a while. */
  _noteAddress() {
    clearTimeout(this.noting);
    if (this.dataset.inside !== undefined) return;
    this.noting = setTimeout(() => {
      if (!this.section) return;
      const address = `#${this.section.id}/${this.position}`;
      if (location.hash !== address && (this.position || location.hash)) {
        history.replaceState(null, "", address);
      }
    }, 300);
  }

  /* Runs on by itself, a step each PACE, until the end or until it is stopped. */
  _play(on) {
    if (Boolean(this.playing) === on) return;
    clearInterval(this.playing);
    this.playing = on ? setInterval(() => this._playStep(), PACE) : undefined;
    this.$('[data-do="play"]').setAttribute("aria-pressed", on);
    if (!on) return;
    if (this.predicting) this._predict(false);
    if (this.position === this.section.length) this.go(0);
    else this._playStep();
  }

  _playStep() {
    this.go(this.position + 1);
    if (this.position === this.section.length) this._play(false);
  }
};
