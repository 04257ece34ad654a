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
