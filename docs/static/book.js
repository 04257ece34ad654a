/* Tells the framed players which colours the page has: they ask, as a page from a file
 * may not look into the page around it (docs/player/page/colours.js). */
"use strict";

(function () {
  const system = matchMedia("(prefers-color-scheme: dark)");

  function tell(frame) {
    const chosen = document.body.dataset.theme;
    const dark = chosen === "dark" || (chosen !== "light" && system.matches);
    frame.postMessage({ threshold: dark ? "dark" : "light" }, "*");
  }

  function tellAll() {
    for (const frame of document.querySelectorAll("iframe.trace")) tell(frame.contentWindow);
  }

  addEventListener("message", ({ source, data }) => {
    const asks = data && data.threshold === "colours?";
    const frames = [...document.querySelectorAll("iframe.trace")];
    if (asks && frames.some((frame) => frame.contentWindow === source)) tell(source);
  });
  system.addEventListener("change", tellAll);
  new MutationObserver(tellAll).observe(document.body, { attributes: true,
    attributeFilter: ["data-theme"] });
}());

/* The list of pages shows the one that is read, where it is longer than the screen. Only
 * when all is loaded does it have the height that it keeps. */
addEventListener("load", () => {
  const entry = document.querySelector(".sidebar-tree .current-page");
  const list = entry && entry.closest(".sidebar-scroll");
  if (!list) return;
  const below = entry.getBoundingClientRect().bottom - list.getBoundingClientRect().bottom;
  const top = list.scrollTop + below + list.clientHeight / 2;
  if (below > 0) list.scrollTo({ top, behavior: "instant" });
});

/* What is wider than the screen is rolled sideways: with the arrow keys, too, where Tab
 * can reach it. What fits is no place of Tab's. */
(function () {
  const WHAT = [[".figure-roll", "Figure"], [".table-wrapper", "Table"], ["pre", "Listing"]];

  function reach() {
    for (const [selector, name] of WHAT) {
      for (const box of document.querySelectorAll(`article ${selector}`)) {
        if (box.scrollWidth > box.clientWidth) {
          box.tabIndex = 0;
          box.setAttribute("role", "group");
          box.setAttribute("aria-label", `${name}, wider than the screen`);
        } else if (box.tabIndex === 0) {
          for (const attribute of ["tabindex", "role", "aria-label"]) {
            box.removeAttribute(attribute);
          }
        }
      }
    }
  }

  addEventListener("load", reach);
  addEventListener("resize", reach);
}());

/* Exercises: what was typed is compared with the answer, a number in any base that is
 * marked, or one of some words. */
(function () {
  const plain = (text) => text.trim().toLowerCase().replace(/[%`'"().]/g, "")
    .replace(/\s+/g, " ");

  function isRight(typed, answer) {
    const number = (text) => {
      const [, sign, digits] = /^(-?)(0x[0-9a-f]+|\d+)$/i.exec(text.replace(/[\s_,]/g, "")) || [];
      return digits === undefined ? undefined : BigInt(digits) * (sign ? -1n : 1n);
    };
    const right = number(answer);
    if (right !== undefined) return number(typed.trim()) === right;
    return answer.split("|").some((word) => plain(word) === plain(typed));
  }

  document.addEventListener("submit", (event) => {
    const form = event.target.closest("form.answer");
    if (!form) return;
    event.preventDefault();
    const right = isRight(form.querySelector("input").value, form.dataset.answer);
    const output = form.querySelector("output");
    output.textContent = right ? "✓ Right." : "✗ Not so. Look again.";
    output.className = right ? "right" : "wrong";
  });
}());
