/* Elements, shapes, and C in colours. */
"use strict";

/* An element: make("td", {class: "note"}, "text", child). */
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== undefined));
  return element;
}

/* The columns of a table, so that no row's text moves them. */
function columns(...names) {
  return make("colgroup", {}, ...names.map((name) => make("col", { class: `c-${name}` })));
}

const SVG = "http://www.w3.org/2000/svg";
function shape(name, attributes = {}, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

const KEYWORDS = new Set(("asm break case char const continue default do else enum "
  + "extern for if int long return short signed sizeof static struct switch typedef "
  + "union unsigned void volatile while bool true false NULL __attribute__ "
  + "uint8_t uint16_t uint32_t uint64_t int64_t size_t").split(" "));

/* The lines of a C file, each a list of [class, text]. */
function colour(text) {
  const lines = [[]];
  const pattern = /\/\*[^]*?(?:\*\/|$)|\/\/.*|"(?:[^"\\\n]|\\.)*"|[A-Za-z_]\w*|[^]/g;
  for (const [token] of text.matchAll(pattern)) {
    const kind = /^\/[*/]/.test(token) ? "comment" : token[0] === '"' ? "string"
      : KEYWORDS.has(token) ? "word" : "";
    token.split("\n").forEach((part, i) => {
      if (i) lines.push([]);
      const line = lines[lines.length - 1];
      const last = line[line.length - 1];
      if (last && last[0] === kind) last[1] += part;
      else if (part) line.push([kind, part]);
    });
  }
  return lines;
}
