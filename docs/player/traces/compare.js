/* Two traces of one call: which steps go together, and where they part. */
"use strict";

/* An instruction as it is compared: where it is and what it says, but for
 * distances and addresses in its text, which a longer kernel changes. */
function keyOf(step) {
  const asm = step.code.asm.replace(/-?0x[0-9a-f]+(?=\(%rip\))/g, "")
    .replace(/\b0xf{8}[0-9a-f]{8}\b|-0x7f[0-9a-f]{6}\b|\+0x[0-9a-f]+\b/g, "");
  return `${step.code.function || ""}|${step.over || ""}|${asm}`;
}

/* How the values of two steps that say the same differ. */
function stepDifferences(mine, theirs, a, b) {
  const found = [];
  const names = new Set([...Object.keys(a.set), ...Object.keys(b.set)]);
  names.delete("cr3");
  for (const name of names) {
    const x = a.set[name] ?? a.old[name] ?? theirs.none;
    const y = b.set[name] ?? b.old[name] ?? mine.none;
    if (x === undefined || y === undefined) {
      found.push({ name, mine: x, reference: y });
    } else if (mine.meaning(x) !== theirs.meaning(y)) {
      found.push({ name, mine: x, reference: y });
    }
  }
  if (!a.over) {
    const count = Math.max(a.writes.length, b.writes.length);
    for (let i = 0; i < count; i++) {
      const x = a.writes[i], y = b.writes[i];
      if (!x || !y || mine.meaning(x.at) !== theirs.meaning(y.at)
          || mine.meaning(x.new) !== theirs.meaning(y.new)) {
        found.push({ name: "memory", mine: x && x.new, reference: y && y.new,
          at: (x || y).at, place: x ? mine.nameOf(x.at) : theirs.nameOf(y.at) });
      }
    }
  }
  return found;
}

/* Pairs of steps, [mine or null, reference or null], in the order of both: the
 * longest common subsequence of what they say. */
function align(mine, theirs) {
  const a = mine.steps.map(keyOf), b = theirs.steps.map(keyOf);
  const pairs = [], tail = [];
  let start = 0, endA = a.length, endB = b.length;
  while (start < endA && start < endB && a[start] === b[start]) {
    pairs.push([start, start++]);
  }
  while (endA > start && endB > start && a[endA - 1] === b[endB - 1]) {
    tail.unshift([--endA, --endB]);
  }
  const rows = endA - start, columns = endB - start;
  if (rows * columns > 4e6) {
    for (let i = 0; i < Math.max(rows, columns); i++) {
      pairs.push([i < rows ? start + i : null, i < columns ? start + i : null]);
    }
    return [...pairs, ...tail];
  }
  const best = new Uint16Array((rows + 1) * (columns + 1));
  const at = (i, j) => i * (columns + 1) + j;
  for (let i = rows - 1; i >= 0; i--) {
    for (let j = columns - 1; j >= 0; j--) {
      best[at(i, j)] = a[start + i] === b[start + j] ? best[at(i + 1, j + 1)] + 1
        : Math.max(best[at(i + 1, j)], best[at(i, j + 1)]);
    }
  }
  let i = 0, j = 0;
  while (i < rows || j < columns) {
    if (i < rows && j < columns && a[start + i] === b[start + j]) {
      pairs.push([start + i++, start + j++]);
    } else if (j >= columns || (i < rows && best[at(i + 1, j)] >= best[at(i, j + 1)])) {
      pairs.push([start + i++, null]);
    } else {
      pairs.push([null, start + j++]);
    }
  }
  return [...pairs, ...tail];
}

/* Where two traces of one call part. The first divergence is the first step
 * that says something else, or says the same and does something else; then,
 * what differs at the places that every stub passes. */
function compare(mine, theirs) {
  const pairs = align(mine, theirs);
  const result = { pairs, first: null, places: [], start: [] };
  for (const name of [...GENERAL, "rip"]) {
    const x = mine.start[name], y = theirs.start[name];
    if (mine.meaning(x) !== theirs.meaning(y)) {
      result.start.push({ name, mine: x, reference: y });
    }
  }
  const unlike = new Set(result.start.map((difference) => difference.name));
  for (let i = 0; ; i++) {
    const a = mine.steps[i], b = theirs.steps[i];
    if (!a && !b) break;
    if (!a || !b || keyOf(a) !== keyOf(b)) {
      result.first = { kind: a && b ? "instruction" : "length", mine: i, reference: i,
        says: [a ? a.code.asm : mine.end.text, b ? b.code.asm : theirs.end.text],
        differences: [] };
      break;
    }
    const differences = stepDifferences(mine, theirs, a, b)
      .filter((difference) => !unlike.has(difference.name));
    if (differences.length) {
      result.first = { kind: "value", mine: i + 1, reference: i + 1,
        says: [a.code.asm, b.code.asm], differences };
      break;
    }
  }
  if (result.first) result.places = comparePlaces(mine, theirs);
  return result;
}

/* What differs where every stub passes: the handler's first instruction, the
 * way back, ring 3. */
function comparePlaces(mine, theirs) {
  const places = [];
  for (const name of ["handler", "back in the stub", "ring 3", "end"]) {
    const [a, b] = [mine, theirs].map((section) => section.marks.find(
      (mark) => mark.name === name));
    if (!a && !b) continue;
    if (!a || !b) {
      if (name !== "end") {
        places.push({ name, mine: a && a.position, reference: b && b.position,
          differences: [] });
      }
      continue;
    }
    const x = mine.registersAt(a.position), y = theirs.registersAt(b.position);
    const differences = [];
    for (const register of [...GENERAL, "rip", "rflags", "cpl", "gs_base"]) {
      if (mine.meaning(x[register]) !== theirs.meaning(y[register])) {
        differences.push({ name: register, mine: x[register], reference: y[register] });
      }
    }
    for (const field of name === "handler" || name === "back in the stub"
      ? mine.trace.fields : []) {
      const p = mine.wordAt(mine.frame + field.offset, a.position);
      const q = theirs.wordAt(theirs.frame + field.offset, b.position);
      if (p !== undefined && q !== undefined && mine.meaning(p) !== theirs.meaning(q)) {
        differences.push({ name: `frame.${field.name}`, mine: p, reference: q });
      }
    }
    places.push({ name, mine: a.position, reference: b.position, differences });
  }
  return places;
}
