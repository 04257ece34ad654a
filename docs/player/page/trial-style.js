/* How the page looks in which a stub can be tried; the colours are the player's. */
"use strict";

const TRIAL_STYLE = `
:host { block-size: auto; min-block-size: 100dvh; }
.trial { display: grid; grid-template: auto minmax(0, 1fr) / minmax(0, 1.15fr) minmax(0, 1fr);
  block-size: 100dvh; min-block-size: 34rem; }
.trial > header { grid-column: 1 / -1; }
.trial .lead { margin: 0; color: var(--soft); flex: 1 1 20rem; font-size: 13px; }
.column { min-block-size: 0; padding: 10px 16px; display: flex; flex-direction: column; gap: 10px; }
.column + .column { padding-inline-start: 0; }
.column .panel { flex: 1; } .column .panel.verdict { flex: none; max-block-size: 55%; }
.verdict .inner { padding: 8px 12px 10px; overflow: auto; }
.verdict p, .verdict ul { margin: 0; } .verdict ul { padding-inline-start: 1.2em; margin-block-start: 4px; }
.verdict .headline { font-size: 16px; font-weight: 650; }
.verdict .headline.neutral { color: var(--accent); }
.verdict li { margin-block: 2px; }
.link { color: var(--accent); text-decoration: underline; }
.link code { font-size: inherit; }

.stub { list-style: none; margin: 0; padding: 4px 0; }
.stub li { display: grid; grid-template-columns: 3.2em minmax(13.5em, 17em) minmax(0, 1fr) auto;
  align-items: center; gap: 0 6px; padding-inline-end: 8px; border-inline-start: 4px solid transparent;
  min-block-size: 24px; }
.stub .number { color: var(--soft); text-align: end; font-size: 12px; padding-inline-end: 6px;
  font-variant-numeric: tabular-nums; }
.stub input { font: 12.5px/20px ui-monospace, "SFMono-Regular", "DejaVu Sans Mono", Menlo, Consolas,
  monospace; background: none; border: 1px solid transparent; border-radius: 4px; padding: 0 5px;
  inline-size: 100%; min-inline-size: 0; color: inherit; }
.stub input:hover { border-color: var(--line); }
.stub input:focus { background: var(--paper); border-color: var(--soft); }
.stub .comment { font-size: 12px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.stub .acts { display: flex; gap: 2px; }
.stub .acts button { inline-size: 26px; block-size: 22px; border-color: var(--line);
  background: var(--panel); font-size: 13px; line-height: 18px; }
.stub .acts button:hover { background: var(--hover); }
.stub li:not(:hover, :focus-within) .acts { opacity: .35; }
.stub li.label input { color: var(--word); font-weight: 650; }
.stub li.edited { background: var(--change); border-color: var(--change-line); color: var(--change-ink); }
.stub li.edited .comment, .stub li.edited .number { color: var(--change-ink); }
.stub li.edited .number::before { content: "\\25CF\\00A0"; }
.stub li.out input { text-decoration: line-through; }
.stub li.blamed { border-color: var(--bad); }
.stub li.blamed .number::before { content: "\\2717\\00A0"; color: var(--bad); }
.mistakes { display: flex; gap: 4px; flex-wrap: wrap; padding: 6px 12px; border-block-end: 1px solid var(--line); }
.mistakes button { border-color: var(--line); background: var(--panel); padding: 1px 9px; font-size: 12.5px; }
.mistakes button:hover { background: var(--hover); }
.found table { table-layout: auto; } .found caption { text-align: start; padding: 6px 12px 2px; font-weight: 650; }
.found th { padding: 0 4px 0 12px; font-family: ui-monospace, "DejaVu Sans Mono", Menlo, monospace;
  font-size: 12px; color: var(--soft); }
.found td { font-size: 12px; } .found td.note { white-space: normal; }
.found tr.broken td, .found tr.broken th { color: var(--bad); font-weight: 600; }
.found thead th { font-family: system-ui, sans-serif; }
.playing { border-block-start: 1px solid var(--line); }
.playing trace-player { block-size: 46rem; }

@media (max-width: 760px) {
  .trial { display: flex; flex-direction: column; block-size: auto; }
  .trial .verdict { order: 1; position: sticky; inset-block-start: 0; z-index: 1; }
  .trial .list { order: 2; } .trial .found { order: 3; }
  .trial > header { padding: 8px 12px; }
  .column { display: contents; }
  .column .panel, .column .panel.verdict { margin: 8px 10px 0; max-block-size: none; flex: none; }
  .verdict .inner { max-block-size: 11rem; }
  .stub li { grid-template-columns: 2.6em minmax(0, 1fr) auto; min-block-size: 34px; }
  .stub .comment { grid-column: 2 / -1; grid-row: 2; padding-inline-start: 6px; }
  .stub .comment:empty { display: none; }
  .stub .acts button { inline-size: 34px; block-size: 28px; }
  .stub li:not(:hover, :focus-within) .acts { opacity: 1; }
  .stub input { font-size: 14px; }
  .column .scroll { contain: none; overflow: auto; flex: none; }
}
@media (forced-colors: active) {
  .stub li { border-inline-start: none; } .stub li.edited { outline: 1px solid Highlight; outline-offset: -1px; }
  .stub li.blamed { outline: 2px solid CanvasText; outline-offset: -2px; }
  .stub li:not(:hover, :focus-within) .acts { opacity: 1; }
}
`;
