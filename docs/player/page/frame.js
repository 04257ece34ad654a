/* What the page of the player consists of, before a trace is in it. */
"use strict";

const SHORT = { gdt: "GDT", msr: "MSRs", call: "The call", child: "The child",
  enter: "New program" };
const VIEWS = [["source", "Source"], ["registers", "Registers"],
  ["machine", "Stack"], ["ran", "Steps"]];

const PAGE = `
<div class="app">
  <button class="skip" data-do="skip">To the step buttons</button>
  <header>
    <h1></h1>
    <nav class="sections" aria-label="Parts of the trace"></nav>
    <div class="tools" role="group" aria-label="Tools">
      <button class="tool" data-do="predict" aria-pressed="false">Predict</button>
      <label class="file">Compare…<span class="hush"> with another trace</span>
        <input class="hush" type="file" accept=".json,application/json" data-open="other"></label>
      <label class="file">Open…<span class="hush"> a trace</span>
        <input class="hush" type="file" accept=".json,application/json" data-open="mine"></label>
      <button class="tool icon" data-do="theme"><svg viewBox="0 0 16 16" aria-hidden="true"><circle cx="8" cy="8" r="6.5"/><path d="M8 1.5a6.5 6.5 0 0 1 0 13z"/></svg><span class="hush"></span></button>
      <button class="tool" data-do="help">Keys</button>
    </div>
  </header>
  <div><div class="card parting" role="region" aria-label="Comparison" hidden></div>
    <nav class="views" aria-label="What is shown"></nav></div>
  <main data-view="source">
    <section class="panel source" aria-labelledby="h-source">
      <h2 id="h-source">Source <span></span></h2>
      <div class="scroll" tabindex="0" role="group" aria-label="Lines of the source"></div>
    </section>
    <section class="panel ran" aria-labelledby="h-ran">
      <h2 id="h-ran">Steps <span></span></h2>
      <div class="scroll"></div>
    </section>
    <section class="panel machine" aria-labelledby="h-machine">
      <h2 id="h-machine">Where the CPU is <span></span></h2>
      <div class="drawing"></div>
    </section>
    <section class="panel registers" aria-labelledby="h-registers">
      <h2 id="h-registers">Registers <span>a value leads to its writer</span></h2>
      <div class="scroll"></div>
    </section>
    <section class="panel stack" aria-labelledby="h-stack">
      <h2 id="h-stack">Kernel stack <span></span></h2>
      <div class="scroll" tabindex="0" role="group" aria-label="Words in memory"></div>
    </section>
  </main>
  <form class="card ask" aria-label="Prediction" hidden></form>
  <footer>
    <div class="said"><span class="ring"></span>
      <p role="status" aria-live="polite"></p><span class="where"></span></div>
    <p class="note" hidden></p>
    <div class="track"><div class="bar"></div>
      <input type="range" min="0" step="1" aria-label="Position in the trace"></div>
    <div class="controls">
      <div class="steps" role="group" aria-label="Stepping">
        <button data-do="first" title="To the beginning (Home)"><svg viewBox="0 0 16 16" aria-hidden="true"><path d="M3 2v12M13 3 6 8l7 5z"/></svg><span class="hush">To the beginning</span></button>
        <button data-do="before" title="One step back (Left)"><svg viewBox="0 0 16 16" aria-hidden="true"><path d="M12 2 4 8l8 6z"/></svg><span class="hush">One step back</span></button>
        <button data-do="after" class="main" title="One step on (Right, or Space)"><svg viewBox="0 0 16 16" aria-hidden="true"><path d="M4 2l8 6-8 6z"/></svg>Step</button>
        <button data-do="last" title="To the end (End)"><svg viewBox="0 0 16 16" aria-hidden="true"><path d="M13 2v12M3 3l7 5-7 5z"/></svg><span class="hush">To the end</span></button>
        <button data-do="play" title="Play, a step each second (R)" aria-pressed="false"><svg viewBox="0 0 16 16" aria-hidden="true"><path d="M2 3l6 5-6 5zM8 3l6 5-6 5z"/></svg><span class="hush">Play</span></button>
        <button data-do="back" title="Back to before the jump (B)"><svg viewBox="0 0 16 16" aria-hidden="true"><path class=bare d="M6 2 2 6l4 4M2 6h7a4 4 0 0 1 0 8H6"/></svg><span class="hush">Back to before the jump</span></button>
      </div>
      <nav class="marks" aria-label="Marks"></nav>
    </div>
  </footer>
</div>
<dialog aria-labelledby="h-keys"><h2 id="h-keys">Keys</h2><dl>
  <dt><kbd>→</kbd> <kbd>←</kbd></dt><dd>one step on, one step back; <kbd>Space</kbd> is a step on, too</dd>
  <dt><kbd>R</kbd></dt><dd>run: a step each second, until you stop it</dd>
  <dt><kbd>Page Down</kbd> <kbd>Page Up</kbd></dt><dd>to the next mark, to the one before</dd>
  <dt><kbd>Home</kbd> <kbd>End</kbd></dt><dd>to the beginning, to the end</dd>
  <dt><kbd>Tab</kbd></dt><dd>to the next panel; <kbd>↑</kbd> <kbd>↓</kbd> from value to value in it</dd>
  <dt><kbd>Enter</kbd></dt><dd>on a value: to the instruction that wrote it</dd>
  <dt><kbd>B</kbd></dt><dd>back to before the jump</dd>
  <dt><kbd>P</kbd></dt><dd>predict, then reveal: on or off</dd>
  <dt><kbd>D</kbd></dt><dd>to the first divergence of two traces</dd>
  <dt><kbd>X</kbd></dt><dd>show the other of two traces</dd>
</dl><p>The line with <b>▶</b> is the next to run, as in GDB; the one with <b>✓</b> has
just run. What it changed has a <b>●</b>.
The address of the page names the step: a link to it leads there again.</p>
<form method="dialog"><button class="tool">Close</button></form></dialog>
`;
