/* How the player looks: its style sheet. */
"use strict";

const STYLE = `
:host {
  --paper: #fbfaf6; --panel: #ffffff; --ink: #1c2330; --soft: #58606e;
  --line: #d9d8d0; --hover: #f0eee6;
  --user: #0b6a78; --user-soft: #e2f2f3; --kernel: #a8430c; --kernel-soft: #fcece0;
  --change: #fff1b8; --change-ink: #5a4300; --change-line: #b98900;
  --next: #e4ecfb; --next-line: #2456b8; --accent: #2456b8;
  --good: #1d6b35; --bad: #a8201a; --comment: #5f6b5d; --word: #7a3e9d;
  --shade: rgb(28 35 48 / 7%);
  color-scheme: light;
  display: block; block-size: 100dvh; min-block-size: 30rem;
  container-type: inline-size; color: var(--ink); background: var(--paper);
  font: 14px/1.45 system-ui, sans-serif;
}
:host([data-theme="dark"]) {
  --paper: #12151c; --panel: #191d26; --ink: #e7e9ee; --soft: #a3abb9;
  --line: #313846; --hover: #242a36;
  --user: #63cbd8; --user-soft: #12323a; --kernel: #ffa56b; --kernel-soft: #3d2415;
  --change: #453808; --change-ink: #ffe9a3; --change-line: #e0b73a;
  --next: #1c2c4f; --next-line: #8fb4ff; --accent: #8fb4ff;
  --good: #7fd69a; --bad: #ff9a92; --comment: #93a58f; --word: #d2a4f0;
  --shade: rgb(0 0 0 / 30%);
  color-scheme: dark;
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
.hush { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden;
  clip-path: inset(50%); white-space: nowrap; }
button, select, input, .file { font: inherit; color: inherit; }
button, .file { background: none; border: 1px solid transparent; border-radius: 5px;
  padding: 0; cursor: pointer; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
.app { display: grid; block-size: 100%;
  grid-template: auto auto minmax(0, 1fr) auto auto / minmax(0, 1fr); }

header { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 16px;
  padding: 8px 16px; border-block-end: 1px solid var(--line); }
h1 { margin: 0; font-size: 16px; font-weight: 650; white-space: nowrap; }
h1 small { font-weight: 400; color: var(--soft); font-size: 13px; }
.sections { display: flex; gap: 4px; }
.tool, .sections button, .file { border-color: var(--line); padding: 3px 10px;
  background: var(--panel); white-space: nowrap; font-size: 13px; line-height: 20px;
  display: inline-block; }
.tool:hover, .sections button:hover, .file:hover { background: var(--hover); }
.icon svg { inline-size: 15px; block-size: 15px; display: block; margin: 2.5px auto; }
.icon circle { fill: none; stroke: currentColor; stroke-width: 1.5; }
.icon path { fill: currentColor; }
.icon[data-theme="light"] path { fill: none; } .icon[data-theme="dark"] circle { fill: currentColor; }
.tool[aria-disabled="true"] { color: var(--soft); border-style: dashed; }
.skip { position: absolute; inset-block-start: 6px; inset-inline-start: 16px; z-index: 1;
  background: var(--panel); border-color: var(--line); padding: 3px 10px; }
.skip:not(:focus) { inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%);
  white-space: nowrap; }
[aria-current="true"], [aria-pressed="true"] { background: var(--ink) !important;
  color: var(--paper); border-color: var(--ink) !important; }
.tools { display: flex; gap: 4px; margin-inline-start: auto; }
.file:focus-within { outline: 2px solid var(--accent); outline-offset: 1px; }

.views { display: none; }
main { display: grid; gap: 10px; padding: 10px 16px; min-block-size: 0;
  grid-template: "source source registers stack" minmax(0, 1fr)
    "ran machine registers stack" auto
    / minmax(0, .55fr) minmax(19rem, .8fr) minmax(19rem, .88fr) minmax(22.5rem, 1fr); }
.source { grid-area: source; } .ran { grid-area: ran; } .machine { grid-area: machine; }
.registers { grid-area: registers; } .stack { grid-area: stack; }
.comparing main { grid-template-areas: "source source registers stack"
    "ran ran registers stack"; grid-template-rows: minmax(0, 1fr) minmax(0, 1.2fr); }
.comparing .machine { display: none; }
.panel { background: var(--panel); border: 1px solid var(--line); border-radius: 8px;
  display: flex; flex-direction: column; min-block-size: 0; min-inline-size: 0;
  box-shadow: 0 1px 2px var(--shade); overflow: hidden; }
.panel > h2 { margin: 0; white-space: nowrap; font-size: 12px; font-weight: 650; padding: 5px 12px;
  border-block-end: 1px solid var(--line); color: var(--soft); display: flex;
  gap: 8px; justify-content: space-between; align-items: baseline; }
.panel > h2 span { font-weight: 400; overflow: hidden; text-overflow: ellipsis;
  white-space: nowrap; }
.scroll { overflow: auto; flex: 1; min-block-size: 0; position: relative; contain: strict; }

code, .mono, td, .lines, .asm { font-family: ui-monospace, "SFMono-Regular", "DejaVu Sans Mono",
  Menlo, Consolas, monospace; font-size: 12.5px; }
.lines { margin: 0; padding: 6px 0; inline-size: max-content; min-inline-size: 100%;
  list-style: none; tab-size: 4; line-height: 1.55; font-size: 12px; }
.lines li { white-space: pre; padding-inline-end: 1em; border-inline-start: 4px solid transparent; }
.lines .number { display: inline-block; inline-size: 4.4em; color: var(--soft); text-align: end; padding-inline-end: 1.1em;
  user-select: none; }
.lines .next { background: var(--next); border-color: var(--next-line); }
.lines .next .number::before { content: "\\25B6\\00A0"; color: var(--next-line); }
.lines .done .number::before { content: "\\2713\\00A0"; color: var(--soft); }
.comment { color: var(--comment); font-style: italic; }
.string { color: var(--user); } .word { color: var(--word); }
.none { padding: 12px; color: var(--soft); }

table { border-collapse: collapse; inline-size: 100%; }
th { text-align: start; font-weight: 400; }
.registers tr, .stack tr { border-inline-start: 4px solid transparent; }
.registers th, .stack th { padding: 1px 4px 1px 8px; color: var(--soft); white-space: nowrap;
  font-size: 12.5px; font-family: ui-monospace, "DejaVu Sans Mono", Menlo, monospace; }
td { padding: 0 4px; line-height: 19px; white-space: nowrap; }
td.note { color: var(--soft); font-family: system-ui, sans-serif; font-size: 12px;
  overflow: hidden; text-overflow: ellipsis; }
button.value { border-radius: 3px; padding: 0 3px; text-align: start; line-height: 17px; }
button.value:hover { background: var(--hover); border-color: var(--line); }
tr.changed { background: var(--change); border-color: var(--change-line); color: var(--change-ink); }
tr.changed td, tr.changed th, tr.changed .note { color: var(--change-ink); }
tr.changed button.value { font-weight: 700; }
tr.changed th::after { content: " \\25CF"; }
tr.differs .note, tr.broken .note { color: var(--bad); font-weight: 600; }
tr.kept .note { color: var(--good); }
.comparing .registers .c-value { inline-size: 8.5rem; }
.comparing .registers td { font-size: 11.5px; }
.comparing .registers tr.differs .note { white-space: normal; padding-inline-end: 0; font: 600 10.5px/14px ui-monospace,
  "DejaVu Sans Mono", Menlo, monospace; }
.stack tr.differs { outline: 2px solid var(--change-line); outline-offset: -2px; }
.stack tr.differs td, .stack tr.differs th { font-weight: 700; color: var(--ink); }
.sign { color: var(--bad); font-weight: 700; }
.flags { display: flex; flex-wrap: wrap; gap: 3px; padding: 4px 12px 6px; margin: 0;
  list-style: none; border-block: 1px solid var(--line); }
.flags button { font: 11px/18px ui-monospace, "DejaVu Sans Mono", Menlo, monospace;
  padding: 0 3px; border-color: var(--line); color: var(--soft); }
.flags .set { color: var(--paper); background: var(--soft); border-color: var(--soft); }
.flags .changed { outline: 2px solid var(--change-line); outline-offset: 0;
  font-weight: 700; }
.flags .changed:focus-visible { outline: 3px solid var(--accent); }
.flags .changed::after { content: " \\25CF"; }

.drawing { min-block-size: 0; flex: 1; display: flex; }
.drawing svg { display: block; inline-size: 100%; block-size: auto; max-block-size: 300px;
  font-family: system-ui, sans-serif; }
.drawing text { fill: var(--ink); font-size: 12.5px; }
.drawing .small { font-size: 11.5px; fill: var(--soft); }
.drawing .head { font-size: 13px; font-weight: 700; letter-spacing: .02em; }
svg .user { fill: var(--user); } svg .kernel { fill: var(--kernel); }
svg .side-user { fill: var(--user-soft); } svg .side-kernel { fill: var(--kernel-soft); }
svg .box { fill: var(--panel); stroke: var(--line); stroke-width: 1; }
svg .box.on-user { stroke: var(--user); stroke-width: 2; }
svg .box.on-kernel { stroke: var(--kernel); stroke-width: 2; }
svg .cpu { fill: var(--panel); stroke: var(--ink); stroke-width: 1.5; }
svg .wire { fill: none; stroke-width: 2; stroke-linecap: round; transition: d .18s ease-out; }
svg .wire.to-user { stroke: var(--user); } svg .wire.to-kernel { stroke: var(--kernel); }
svg .tip.to-user { fill: var(--user); } svg .tip.to-kernel { fill: var(--kernel); }
svg .tip { transition: transform .18s ease-out; }
svg .slot { fill: none; stroke: var(--line); stroke-width: 1; }
svg .slot.held { fill: var(--kernel); stroke: var(--panel); }
svg .slot.below { fill: var(--soft); stroke: var(--panel); }
svg .slot.fresh { fill: var(--change-line); stroke: var(--panel); }
svg .slot.users { fill: var(--user); stroke: var(--panel); }
svg .threshold { stroke: var(--soft); stroke-width: 1.2; stroke-dasharray: 3 3; }
@media (prefers-reduced-motion: reduce) { svg * { transition: none !important; } }

.stack tr.free td, .stack tr.free th { color: var(--soft); opacity: 1; }
.stack tr.free td.note { font-style: italic; }
.stack tr.frame th { color: var(--kernel); font-weight: 600; }
.stack tr.changed th { color: var(--change-ink); }
.stack .rsp::before { content: "RSP \\25B6"; font: 700 9.5px/14px system-ui, sans-serif;
  color: var(--paper); background: var(--next-line); border-radius: 3px; padding: 1px 4px; }
.registers table, .stack table { table-layout: fixed; }
.c-name { inline-size: 4.2rem; } .flags ~ table .c-name { inline-size: 6.1rem; }
.c-value { inline-size: 9.4rem; } .c-at { inline-size: 3rem; }
.stack .c-name { inline-size: 3.9rem; } .stack .both .c-at { inline-size: 2.6rem; }
.stack .both .c-name { inline-size: 3.2rem; } .stack .both .c-value { inline-size: auto; }
.stack .both td { font-size: 11.5px; } .stack .both button.value { padding: 0 1px; }
.stack .both thead th { font-family: system-ui, sans-serif; font-size: 12px; }
.stack .both td:nth-child(3):not(:only-child) { border-inline-end: 1px solid var(--line); }
.lines .number + span { display: inline-block; }
.stack th { padding-inline: 4px !important; }
.stack td.at { text-align: end; padding-inline: 2px; }
.stack table.told { table-layout: auto; margin-block-end: 8px; }
.told caption { text-align: start; padding: 6px 12px 2px; }
.told caption .value { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, monospace;
  font-size: 12px; }
.told td, .told th { vertical-align: top; font-size: 12px !important; }
.told td.words { white-space: normal; font-family: system-ui, sans-serif; line-height: 1.35;
  padding-block: 2px; }
.told b { white-space: nowrap; }

.ran table { table-layout: fixed; }
.ran td { padding: 0 4px; }
.ran td.at, .ran thead td { inline-size: 3.9em; }
.ran .row { border-inline-start: 4px solid transparent; }
.ran .row.next { background: var(--next); border-color: var(--next-line); }
.ran .row.parted td:not(.at), .ran .row.parted th:not(.at) { color: var(--bad); font-weight: 600; }
.ran .row .at { color: var(--soft); text-align: end; padding-inline: 0 2px; }
.ran .asm { overflow: hidden; text-overflow: ellipsis; }
.ran .asm button { inline-size: 100%; text-align: start; overflow: hidden;
  text-overflow: ellipsis; font: inherit; border-radius: 3px; padding-inline: 3px; }
.ran .asm button:hover { background: var(--hover); }
.ran .asm i { color: var(--soft); font-family: system-ui, sans-serif; font-size: 11.5px; }
.ran thead th, .ran thead td { position: sticky; inset-block-start: 0;
  background: var(--panel); }
.ran thead th { font-size: 12px; font-weight: 600; padding: 2px 11px; color: var(--soft); }
.ran thead th[data-shown="true"] { color: var(--ink); text-decoration: underline; }

.card { margin: 0 16px; padding: 8px 14px; border: 1px solid var(--line);
  border-inline-start: 4px solid var(--accent); border-radius: 8px;
  background: var(--panel); max-block-size: 42cqh; overflow: auto; }
.card p, .card h2 { margin: 0; font-size: 14px; }
.card h2 { font-weight: 650; }
.card fieldset { border: 0; margin: 4px 0; padding: 0; display: flex; flex-wrap: wrap;
  gap: 2px 14px; }
.card legend { padding: 0; margin-block-end: 2px; }
.card label { display: inline-flex; gap: 5px; align-items: center; white-space: nowrap; }
.card input[type="text"] { inline-size: 13em; padding: 2px 6px; border-radius: 4px;
  border: 1px solid var(--soft); background: var(--paper); font-family: ui-monospace, monospace;
  font-size: 12.5px; }
.card .row label { white-space: normal; flex-wrap: wrap; }
.card .go { background: var(--accent); color: var(--paper); padding: 3px 14px;
  border-radius: 5px; font-weight: 600; }
.card .row { display: flex; flex-wrap: wrap; gap: 6px 14px; align-items: center; }
.good { color: var(--good); font-weight: 600; } .bad { color: var(--bad); font-weight: 600; }
.parting { display: flex; flex-wrap: wrap; gap: 4px 16px; align-items: baseline; margin-block: 8px 0; }
.parting > * { margin: 0; }
.parting details { flex-basis: 100%; }
.parting summary { cursor: pointer; inline-size: max-content; }
.parting table { inline-size: auto; margin-block: 4px; }
.parting th, .parting td { padding: 1px 14px 1px 0; text-align: start; }
.parting th { font-size: 12px; color: var(--soft); }
.parting .link, .said .link { color: var(--accent); text-decoration: underline; }

footer { padding: 8px 16px 12px; border-block-start: 1px solid var(--line);
  margin-block-start: 8px; display: grid; grid-template-columns: minmax(0, 1fr); gap: 6px; }
.said { display: flex; gap: 12px; align-items: baseline; min-block-size: 2.9em; }
.said p { margin: 0; flex: 1; font-size: 15px; overflow-wrap: anywhere; }
.said .then { color: var(--soft); }
.said .where { color: var(--soft); white-space: nowrap; font-variant-numeric: tabular-nums;
  font-size: 13px; }
footer .note { margin: 0; border-inline-start: 4px solid var(--word); padding-inline-start: 8px;
  min-block-size: 1.45em; max-block-size: 4.35em; overflow: auto; }
/* Its place is kept, so that the buttons do not move. */
footer .note:empty { visibility: hidden; }
.marks .note::before { background: var(--word); transform: rotate(45deg); }
.ring { font-weight: 650; font-size: 13px; border-radius: 4px; padding: 0 8px; line-height: 22px;
  white-space: nowrap; }
.ring.user { color: var(--user); background: var(--user-soft); }
.ring.kernel { color: var(--kernel); background: var(--kernel-soft); }
.track { position: relative; block-size: 26px; }
.track input { position: absolute; inset: 0; inline-size: 100%; margin: 0; appearance: none;
  background: none; cursor: pointer; block-size: 26px; }
.track input::-webkit-slider-runnable-track { block-size: 6px; border-radius: 3px; background: none; }
.track input::-moz-range-track { block-size: 6px; background: none; }
.track input::-webkit-slider-thumb { appearance: none; inline-size: 16px; block-size: 22px;
  margin-block-start: -8px; border-radius: 5px; background: var(--ink);
  border: 2px solid var(--paper); }
.track input::-moz-range-thumb { inline-size: 12px; block-size: 18px; border-radius: 5px;
  background: var(--ink); border: 2px solid var(--paper); }
.track .bar { position: absolute; inset: 10px 8px; block-size: 6px; border-radius: 3px;
  overflow: hidden; background: var(--line); }
.track .bar i { position: absolute; inset-block: 0; }
.track .bar .u { background: var(--user); } .track .bar .k { background: var(--kernel); }
.track .tick { position: absolute; inset-block: 5px; inline-size: 2px; background: var(--ink);
  margin-inline-start: -1px; pointer-events: none; }
.track .parts { position: absolute; inset-block: 0; inline-size: 4px; background: var(--bad);
  margin-inline-start: -2px; pointer-events: none; border-radius: 2px; }
.controls { display: flex; gap: 8px; align-items: center; }
.steps { display: flex; gap: 4px; }
.steps button { inline-size: 38px; block-size: 30px; border-color: var(--line);
  background: var(--panel); display: grid; place-content: center; }
.steps button:hover { background: var(--hover); }
.steps button[aria-disabled="true"] svg { opacity: .3; }
.steps .main { inline-size: auto; padding: 0 14px; background: var(--accent); color: var(--paper);
  border-color: var(--accent); font-weight: 650; display: flex; align-items: center; gap: 6px; }
.steps .main:hover { background: var(--ink); border-color: var(--ink); }
.steps .main[aria-disabled="true"] { background: none; color: var(--soft); border-color: var(--line); }
.steps svg { inline-size: 15px; block-size: 15px; }
.steps path { fill: currentColor; stroke: currentColor; stroke-width: 1.6; stroke-linejoin: round; }
.steps .bare { fill: none; }
.marks { display: flex; gap: 4px; overflow-x: auto; padding: 2px; flex: 1; scrollbar-width: thin; }
.marks button { border-color: var(--line); background: var(--panel); padding: 1px 9px;
  font-size: 12.5px; white-space: nowrap; flex: none; }
.marks button:hover { background: var(--hover); }
.marks button::before { content: ""; display: inline-block; inline-size: 8px; block-size: 8px;
  margin-inline-end: 6px; border-radius: 2px; background: var(--soft); }
.marks .cpl::before { background: linear-gradient(90deg, var(--user) 50%, var(--kernel) 50%); }
.marks .gs::before { border-radius: 50%; background: var(--word); }
.marks .stack::before { background: var(--kernel); }
.marks .fault::before { background: var(--bad); }

dialog { border: 1px solid var(--line); border-radius: 10px; background: var(--panel);
  color: var(--ink); max-inline-size: 34rem; padding: 18px 24px; }
dialog::backdrop { background: rgb(0 0 0 / 45%); }
dialog h2 { margin: 0 0 8px; font-size: 17px; }
dialog dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 16px; margin: 0 0 12px; }
dialog dd { margin: 0; }
kbd { font: 12px/1 ui-monospace, monospace; border: 1px solid var(--soft); border-radius: 4px;
  padding: 1px 5px; }
.empty { place-content: center; padding: 24px; text-align: center; gap: 12px; }
.empty p { margin: 0; max-inline-size: 36rem; }

/* In the text of a handout: two by two, the rows dense enough that the frame's sixteen
 * words, and the two of a fork, are in sight whole. */
@container (max-width: 1020px) {
  main { grid-template: "source registers" minmax(0, 1fr) "machine stack" minmax(0, 21.4rem)
      / minmax(0, 1fr) minmax(17rem, 1fr); padding-block: 8px; }
  td { line-height: 16px; } .registers th, .stack th { padding-block: 0; }
  button.value { line-height: 14px; }
  .ran { display: none; }
  .flags { padding-inline: 8px; }
  .drawing svg { max-block-size: 100%; }
  .stack .both td { font-size: 11px; } .stack .both .c-at { inline-size: 1.4rem; } .stack .both .rsp::before { content: "\\25B6"; }
  .tool, .sections button, .file { padding-inline: 7px; }
  header { gap: 6px 10px; }
}
@container (min-width: 640.1px) and (max-width: 1020px) {
  .comparing main { grid-template: "source registers" minmax(0, 1fr) "ran stack" minmax(0, 21.4rem)
      / minmax(0, 1fr) minmax(17rem, 1fr); }
  .comparing .ran { display: flex; }
}
@container (max-width: 640px) {
  header { padding: 6px 10px; gap: 6px 8px; }
  h1 { inline-size: 100%; overflow: hidden; text-overflow: ellipsis; }
  .sections { inline-size: 100%; overflow-x: auto; padding: 1px; }
  .sections button { flex: 1 0 auto; padding-inline: 8px; }
  .tools { margin: 0; inline-size: 100%; }
  .tools > * { flex: 1 0 auto; padding-inline: 6px; text-align: center; }
  .views { display: flex; gap: 0; padding: 6px 10px 0; }
  .views button { flex: 1; border: 1px solid var(--line); border-radius: 0; background: var(--panel);
    font-size: 13px; padding: 4px 2px; margin-inline-start: -1px; }
  .views button:first-child { border-radius: 6px 0 0 6px; margin: 0; }
  .views button:last-child { border-radius: 0 6px 6px 0; }
  main { display: block; padding: 8px 10px; }
  main .panel { display: none; block-size: 100%; }
  main[data-view="source"] .source, main[data-view="registers"] .registers,
  main[data-view="ran"] .ran { display: flex; }
  main[data-view="machine"] { display: flex; flex-direction: column; gap: 8px; }
  main[data-view="machine"] .machine, main[data-view="machine"] .stack { display: flex; }
  main[data-view="machine"] .stack { flex: 1; }
  .before main[data-view="machine"] .machine { display: none; }
  main[data-view="machine"] .panel { block-size: auto; }
  main[data-view="machine"] .machine { flex: none; }
  .card { margin-inline: 10px; }
  footer { padding: 6px 10px 8px; margin-block-start: 0; gap: 4px; }
  .said { flex-wrap: wrap; gap: 4px 10px; }
  .said p { order: 3; flex-basis: 100%; font-size: 14px; min-block-size: 4.35em; }
  .said .where { margin-inline-start: auto; }
  .controls { flex-direction: column-reverse; align-items: stretch; }
  .steps button { flex: 1; block-size: 40px; }
  .lines .number { inline-size: 3.6em; padding-inline-end: .6em; }
  .stack .both td { font-size: 10.5px; }
}
/* Only so many colours, and the reader's own: what background told, borders tell. */
@media (forced-colors: active) {
  tr, .lines li, .ran .row { border-inline-start: none !important; }
  button, .file { border-color: ButtonBorder; }
  tr.changed { outline: 1px solid CanvasText; outline-offset: -1px; }
  .lines .next, .ran .row.next { outline: 2px solid Highlight; outline-offset: -2px; }
  [aria-current="true"], [aria-pressed="true"], .steps .main, .card .go, .flags .set {
    forced-color-adjust: none; background: Highlight !important;
    color: HighlightText !important; border-color: Highlight !important; }
  .track .bar, .track .tick, .track .bar i, .marks button::before, .stack .rsp::before {
    forced-color-adjust: none; }
  .track .bar { outline: 1px solid CanvasText; }
  .track .tick { background: CanvasText; }
  .track input::-webkit-slider-thumb { forced-color-adjust: none; background: CanvasText; }
  .drawing svg { forced-color-adjust: none; background: var(--panel); }
}
`;
