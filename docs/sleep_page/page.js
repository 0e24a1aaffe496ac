"use strict";
// The page draws what srcnb.trace recorded. k counts the steps done: 0 is before the sleep, and
// k = 1 is step 0 of the trace. Within a step there are four phases, in the order of the equations.
const DATA = JSON.parse(document.getElementById("data").textContent);
const { config, units, sizes } = DATA;
const N = config.n_steps, [N_IN, N_HIDDEN, N_OUT] = sizes, SIDE = 10;
const LETTERS = "ABCD", N_OLD = 2, ALL = 4; // classes of the old task; the last phase
const PHASES = ["", "inputs fire", "membranes fill", "hidden units fire", "weights move"];
const SPEEDS = [1, 4, 15, 60]; // steps per second; at the first, phase by phase
const SCALE = [0.35, 0.9]; // weights of this size have the full colour, per layer
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const $ = (id) => document.getElementById(id);
const state = { seed: 0, gate: "additive", k: 0, phase: ALL, unit: "h0", speed: 4 };
let S, sleep, story, playing = null, dots = null, scene = "learn";
let theirs = false; // whether the reader chose the step, not the story

// ---------- data ----------
function unpack(text, Kind) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  return new Kind(bytes.buffer);
}
function spikeLists(packed) { // k → the neurons that fire in it
  const at = Array.from({ length: N + 1 }, () => []);
  const steps = unpack(packed.step, Uint16Array), neurons = unpack(packed.neuron, Uint8Array);
  steps.forEach((step, i) => at[step + 1].push(neurons[i]));
  return at;
}
function readSeed(raw) {
  const input = spikeLists(raw.input);
  const initial = raw.weights.map((w) => unpack(w, Int16Array));
  const sleeps = {};
  for (const [gate, one] of Object.entries(raw.sleeps)) {
    const layers = one.layers.map((layer, l) => {
      const n = sizes[l + 1], at = spikeLists(layer.spikes);
      const firings = Array.from({ length: n }, () => []);
      let row = 0;
      at.forEach((fired, k) => fired.forEach((u) => firings[u].push({ k, row: row++ })));
      return {
        n, nPre: sizes[l], at, firings, initial: initial[l],
        V: unpack(layer.membrane, Int32Array), I: unpack(layer.impulse, Int32Array),
        after: unpack(layer.after, Int16Array),
      };
    });
    sleeps[gate] = { ...one, layers, pre: [input, layers[0].at] };
  }
  const x = Array.from({ length: N_IN }, (_, j) =>
    raw.images.reduce((sum, image) => sum + Number(image[j]), 0) / raw.images.length);
  return { ...raw, input, sleeps, x };
}
const seeds = DATA.seeds.map(readSeed);
const gates = Object.keys(DATA.gates);
const membrane = (l, u, k) => (k ? sleep.layers[l].V[(k - 1) * sizes[l + 1] + u] * units.v : 0);
const impulse = (l, u, k) => sleep.layers[l].I[(k - 1) * sizes[l + 1] + u] * units.v;
const fires = (l, u, k) => sleep.layers[l].at[k].includes(u);
function weights(l, u, k) { // the row of a unit after k steps, in units of units.w
  const layer = sleep.layers[l];
  let last = -1;
  for (const f of layer.firings[u]) { if (f.k > k) break; last = f.row; }
  const from = last < 0 ? layer.initial : layer.after, i = last < 0 ? u : last;
  return from.subarray(i * layer.nPre, (i + 1) * layer.nPre);
}
const version = (l, u, k) => sleep.layers[l].firings[u].filter((f) => f.k <= k).length;
const parse = (name) => [name[0] === "h" ? 0 : 1, Number(name.slice(1))];
const title = (name) => {
  const [l, u] = parse(name);
  return l ? `Output ${LETTERS[u]}` : `Hidden unit ${u}`;
};
const signed = (x, digits) => (x < 0 ? "−" : "+") + Math.abs(x).toFixed(digits);
const number = (x, digits = 3) => {
  const text = Math.abs(x).toFixed(digits);
  return (x < 0 && Number(text) ? "−" : "") + text;
};
const percent = (x) => `${(100 * x).toFixed(1)} %`;

// ---------- drawing ----------
const NS = "http://www.w3.org/2000/svg";
function el(parent, tag, attributes = {}, text) {
  const e = document.createElementNS(NS, tag);
  for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, value);
  if (text !== undefined) e.textContent = text;
  parent.append(e);
  return e;
}
const set = (e, attributes) => { for (const a in attributes) e.setAttribute(a, attributes[a]); };
const grey = (x) => `rgba(var(--pixel), ${(0.62 * x).toFixed(3)})`;
function colour(w, scale) {
  const share = Math.round(100 * Math.min(1, Math.abs(w) / scale));
  return `color-mix(in srgb, var(--${w < 0 ? "neg" : "pos"}) ${share}%, var(--zero))`;
}
function cells(parent, x, y, size, n = N_IN, columns = SIDE) {
  const g = el(parent, "g"), c = size / columns;
  const rects = Array.from({ length: n }, (_, j) => el(g, "rect", {
    x: (x + (j % columns) * c).toFixed(2), y: (y + Math.floor(j / columns) * c).toFixed(2),
    width: (c + 0.05).toFixed(2), height: (c + 0.05).toFixed(2),
  }));
  return rects;
}
const paint = (rects, row, scale, unit = units.w) =>
  rects.forEach((r, j) => { r.style.fill = colour(row[j] * unit, scale); });

const PIXEL = 11.5, X_IN = 2, Y_IN = 130, X_H = 168, X_O = 318, PITCH = 30, TOP = 24;
const yHidden = (u) => TOP + u * PITCH, yOut = (u) => TOP + 24 + u * 90;
const pixelAt = (j) => [X_IN + (j % SIDE + 0.5) * PIXEL, Y_IN + (Math.floor(j / SIDE) + 0.5) * PIXEL];
const W_BAR = 42;
const PARTS = {}; // the parts of the network's picture
function buildNet() {
  const svg = $("net");
  svg.dataset.focus = "";
  const beams = el(svg, "g", { class: "part p-hidden", "aria-hidden": "true" });
  const wires = el(svg, "g", { class: "part p-output", "aria-hidden": "true" });
  const input = el(svg, "g", { class: "part p-input" });
  const hidden = el(svg, "g", { class: "part p-hidden" });
  const output = el(svg, "g", { class: "part p-output" });
  el(input, "text", { x: X_IN, y: 12, class: "head" }, "Input");
  el(input, "text", { x: X_IN, y: Y_IN - 10, class: "quiet" }, "mean image x");
  el(hidden, "text", { x: X_H, y: 12, class: "head" }, "Hidden units");
  el(output, "text", { x: X_O, y: 12, class: "head" }, "Outputs");
  PARTS.pixels = Array.from({ length: N_IN }, (_, j) => el(input, "rect", {
    class: "pixel", x: X_IN + (j % SIDE) * PIXEL, y: Y_IN + Math.floor(j / SIDE) * PIXEL,
    width: PIXEL, height: PIXEL,
  }));
  PARTS.inputCount = el(input, "text", { x: X_IN, y: Y_IN + SIDE * PIXEL + 16, class: "quiet" });
  PARTS.beams = beams;
  PARTS.wires = [];
  for (let o = 0; o < N_OUT; o++) {
    for (let h = 0; h < N_HIDDEN; h++) {
      const [x0, y0, x1, y1] = [X_H + 100, yHidden(h) + 13, X_O - 2, yOut(o) + 15];
      const d = `M${x0} ${y0}C${x0 + 22} ${y0} ${x1 - 22} ${y1} ${x1} ${y1}`;
      PARTS.wires.push(el(wires, "path", { d, class: "wire" }));
    }
  }
  PARTS.units = {};
  const unit = (parent, name, x, y, width, rows) => {
    const g = el(parent, "g", { class: "unit", role: "button", tabindex: "0", "data-unit": name });
    el(g, "rect", { class: "hit", x: x - 4, y: y - 2, width, height: rows, rx: 5 });
    g.addEventListener("click", () => { state.unit = name; render(); save(); });
    g.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      event.stopPropagation(); // the space is not for playing here
      state.unit = name;
      render();
      save();
    });
    PARTS.units[name] = { g };
    return g;
  };
  const gauge = (g, name, x, y) => {
    el(g, "rect", { class: "bar", x, y, width: W_BAR, height: 9, rx: 2 });
    const level = el(g, "rect", { class: "level", x, y, width: 0, height: 9, rx: 2 });
    el(g, "path", { class: "threshold", d: `M${x + W_BAR} ${y - 2.5}v14` });
    const value = el(g, "text", { class: "value", x: x + W_BAR, y: y + 21, "text-anchor": "end" });
    el(g, "circle", { class: "node", cx: x + W_BAR + 12, cy: y + 5, r: 6 });
    Object.assign(PARTS.units[name], { level, value });
  };
  for (let u = 0; u < N_HIDDEN; u++) {
    const name = `h${u}`, y = yHidden(u), g = unit(hidden, name, X_H, y, 104, 29);
    PARTS.units[name].cells = cells(g, X_H, y, 25);
    el(g, "rect", { class: "cells", x: X_H, y, width: 25, height: 25 });
    gauge(g, name, X_H + 33, y + 3);
  }
  for (let u = 0; u < N_OUT; u++) {
    const name = `o${u}`, y = yOut(u), g = unit(output, name, X_O, y - 20, 104, 56);
    el(g, "text", { class: u < N_OLD ? "oldtext" : "newtext", x: X_O + 4, y: y - 6 },
      `${LETTERS[u]} ${u < N_OLD ? "old" : "new"}`);
    PARTS.units[name].icon = cells(g, X_O + 68, y - 1, 28);
    el(g, "rect", { class: "frame", x: X_O + 68, y: y - 1, width: 28, height: 28 });
    gauge(g, name, X_O + 2, y + 2);
  }
}
function drawImages() { // what depends on the seed only
  for (let u = 0; u < N_OUT; u++) {
    PARTS.units[`o${u}`].icon.forEach((r, j) => { r.style.fill = grey(Number(S.images[u][j])); });
  }
  $("patches").replaceChildren(...S.images.map((image, u) => {
    const figure = document.createElement("div"), svg = el(figure, "svg", { viewBox: "0 0 100 100" });
    cells(svg, 0, 0, 100).forEach((r, j) => { r.style.fill = grey(Number(image[j])); });
    el(svg, "rect", { class: "frame", x: 0.5, y: 0.5, width: 99, height: 99 });
    const label = document.createElement("span");
    label.className = u < N_OLD ? "old" : "new";
    label.textContent = LETTERS[u];
    figure.append(label);
    return figure;
  }));
}

const done = () => (state.phase < ALL ? Math.max(0, state.k - 1) : state.k); // whole steps done
function drawNet() {
  const { k, phase } = state, fired = k && phase >= 1 ? S.input[k] : [];
  set($("net"), { "data-k": k, "data-phase": phase, "data-seed": S.seed, "data-gate": state.gate });
  PARTS.pixels.forEach((r, j) => {
    const on = fired.includes(j);
    r.classList.toggle("fired", on);
    r.style.fill = on ? "" : grey(S.x[j]);
    r.dataset.spike = on ? 1 : 0;
  });
  PARTS.inputCount.textContent = k ? `${fired.length} of 100 fire` : "no spikes yet";
  for (const [name, part] of Object.entries(PARTS.units)) {
    const [l, u] = parse(name), at = k && phase >= (l ? 3 : 2) ? k : Math.max(0, k - 1);
    const shown = at === k, v = membrane(l, u, at);
    const spike = at > 0 && fires(l, u, at), showsSpike = spike && shown && phase >= (l ? 4 : 3);
    const now = shown || !spike ? v : 0; // a spike of the step before has reset it
    part.level.setAttribute("width", (W_BAR * Math.max(0, Math.min(1, now / config.beta[l]))).toFixed(2));
    const close = !spike && now.toFixed(2) >= config.beta[l]; // only rounded to the threshold
    part.value.textContent = number(now, close ? 3 : 2);
    part.g.classList.toggle("fired", showsSpike);
    part.g.classList.toggle("moving", showsSpike && phase >= ALL);
    part.g.classList.toggle("chosen", state.unit === name);
    set(part.g, {
      "data-membrane": v.toFixed(3), "data-spike": showsSpike ? 1 : 0, "aria-pressed": state.unit === name,
      "aria-label": `${title(name)}: membrane ${number(now, 2)} of ${config.beta[l]}${showsSpike ? ", fires" : ""}`,
    });
    const id = `${S.seed} ${state.gate} ${version(l, u, done())}`;
    if (part.version !== id) {
      part.version = id;
      const row = weights(l, u, done());
      if (l) drawWires(u, row); else paint(part.cells, row, SCALE[0]);
    }
  }
  drawBeams(fired);
}
function drawWires(o, row) {
  for (let h = 0; h < N_HIDDEN; h++) {
    const w = row[h] * units.w, share = Math.min(1, Math.abs(w) / SCALE[1]);
    set(PARTS.wires[o * N_HIDDEN + h], {
      class: `wire ${w < 0 ? "neg" : "pos"}`, "stroke-width": (0.3 + 3 * share).toFixed(2),
      opacity: (0.15 + 0.55 * share).toFixed(2),
    });
  }
}
function drawBeams(fired) { // spikes on their way, of the phase that is shown
  const { k, phase } = state, lines = [];
  if (k && (phase === 1 || phase === 2)) {
    for (const j of fired) for (let u = 0; u < N_HIDDEN; u++) lines.push([pixelAt(j), [X_H, yHidden(u) + 12]]);
  } else if (k && phase >= 3) {
    for (const h of sleep.layers[0].at[k]) {
      for (let o = 0; o < N_OUT; o++) lines.push([[X_H + 99, yHidden(h) + 13], [X_O, yOut(o) + 12], " out"]);
    }
    const inputs = phase === 3 ? [] : fired; // with the weights that move, what they came from
    for (const h of sleep.layers[0].at[k]) for (const j of inputs) lines.push([pixelAt(j), [X_H, yHidden(h) + 12]]);
  }
  PARTS.beams.replaceChildren();
  for (const [[x1, y1], [x2, y2], out = ""] of lines) el(PARTS.beams, "line", { class: `beam${out}`, x1, y1, x2, y2 });
  cancelAnimationFrame(dots);
  if (calm.matches || state.speed > SPEEDS[0] || !lines.length || (phase !== 1 && phase !== 3)) return;
  const moving = lines.map(([[cx, cy]]) => el(PARTS.beams, "circle", { class: "dot", r: 2, cx, cy }));
  const start = performance.now();
  const move = (time) => {
    const t = Math.min(1, (time - start) / 450);
    moving.forEach((dot, i) => {
      const [[x1, y1], [x2, y2]] = lines[i];
      set(dot, { cx: x1 + t * (x2 - x1), cy: y1 + t * (y2 - y1) });
    });
    if (t < 1) dots = requestAnimationFrame(move); else moving.forEach((dot) => dot.remove());
  };
  dots = requestAnimationFrame(move);
}

const X0 = 34, X1 = 322, Y0 = 70, Y1 = 10;
const xStep = (k) => X0 + (k / N) * (X1 - X0), yShare = (a) => Y0 - a * (Y0 - Y1);
function measuredAt() { return Math.floor(done() / DATA.every); }
function drawChart() {
  const svg = $("chart"), m = measuredAt();
  svg.replaceChildren();
  for (const a of [0, 0.5, 1]) {
    el(svg, "path", { class: "grid", d: `M${X0} ${yShare(a)}H${X1}` });
    el(svg, "text", { class: "quiet", x: X0 - 5, y: yShare(a) + 4, "text-anchor": "end" }, `${100 * a}`);
  }
  el(svg, "text", { class: "quiet", x: X0, y: 83 }, "accuracy, %, over the steps");
  el(svg, "text", { class: "quiet", x: X1, y: 83, "text-anchor": "end" }, N);
  const curve = (from, to, i) => sleep.accuracy.slice(from, to + 1).map((a, j) =>
    `${j ? "L" : "M"}${xStep((from + j) * DATA.every).toFixed(1)} ${yShare(a[i]).toFixed(1)}`).join("");
  const last = sleep.accuracy.length - 1;
  ["newline", "oldline"].forEach((name, n) => {
    el(svg, "path", { class: `${name} ahead`, d: curve(m, last, 1 - n) });
    el(svg, "path", { class: name, d: curve(0, m, 1 - n) });
  });
  el(svg, "path", { class: "cursor", d: `M${xStep(done()).toFixed(1)} ${Y1 - 5}V${Y0}` });
  const [a, b] = sleep.accuracy[m];
  let [ya, yb] = [yShare(a) + 4, yShare(b) + 4];
  if (Math.abs(ya - yb) < 14) { const c = Math.max((ya + yb) / 2, 22); [ya, yb] = a > b ? [c - 7, c + 7] : [c + 7, c - 7]; }
  el(svg, "text", { class: "oldtext", x: X1 + 8, y: ya }, `old ${percent(a)}`);
  el(svg, "text", { class: "newtext", x: X1 + 8, y: yb }, `new ${percent(b)}`);
  set(svg, {
    "data-old": a, "data-new": b,
    "aria-label": `Accuracy after ${m * DATA.every} steps: old task ${percent(a)}, new task ${percent(b)}`,
  });
  const answers = sleep.answers[m];
  $("answers").innerHTML = "<span>Answers:</span>" + answers.map((c, u) =>
    `<span class="${c === u ? "" : "wrong"}"><b class="${u < N_OLD ? "old" : "new"}">${LETTERS[u]}</b> → ${LETTERS[c]} ${c === u ? "✓" : "✗"}</span>`).join("");
  $("answers").setAttribute("aria-label", "Answers to the four images: " + answers.map((c, u) => `${LETTERS[u]} taken for ${LETTERS[c]}`).join(", "));
}
function drawStatus() {
  const { k, phase } = state;
  $("status-step").textContent = `Step ${k} of ${N}`;
  let what = k ? PHASES[phase] : "before the sleep";
  if (k && phase === ALL) {
    const h = sleep.layers[0].at[k].length, o = sleep.layers[1].at[k].length;
    const who = o ? `${h} hidden, ${o} output` : `${h} hidden`;
    what = h ? `${who} fired` : "no unit fired";
  } else if (k && phase === 3 && !sleep.layers[0].at[k].length) what = "no hidden unit fires";
  $("status-what").textContent = what;
  $("slider").value = k;
  $("slider").setAttribute("aria-valuetext", `step ${k} of ${N}`);
}

// ---------- one unit ----------
function reasonOf(l, u, k) { // how many weights grew and shrank at step k, and by how much
  const pre = new Set(sleep.pre[l][k]), before = weights(l, u, k - 1), after = weights(l, u, k);
  const grew = [], shrank = [];
  after.forEach((w, j) => (pre.has(j) ? grew : shrank).push((w - before[j]) * units.w));
  return { pre, before, after, grew, shrank };
}
const mean = (a) => (a.length ? a.reduce((x, y) => x + y, 0) / a.length : 0);
let mapped = [], read = -1; // the cells of the map; the weight that is read
function buildMap(l) {
  const svg = $("unit-map");
  svg.replaceChildren();
  const n = sizes[l], columns = l ? 4 : SIDE;
  set(svg, { viewBox: l ? "0 0 150 113" : "0 0 150 150" });
  mapped = cells(svg, 0, 0, 150, n, columns);
  mapped.forEach((r, j) => r.addEventListener("pointerenter", () => readWeight(j)));
  mapped.forEach((r, j) => r.addEventListener("click", () => readWeight(j)));
}
function readWeight(j) {
  read = j;
  if (read < 0) { $("weight-readout").textContent = "Point at a weight, or tap it, to read it."; return; }
  const [l] = parse(state.unit), cell = mapped[j];
  const from = l ? `hidden unit ${j}` : `pixel ${j} (row ${Math.floor(j / SIDE)}, column ${j % SIDE})`;
  const d = Number(cell.dataset.change);
  let text = `From ${from}: w = ${number(Number(cell.dataset.w), 4)}`;
  if (cell.dataset.cause) {
    const size = cell.dataset.cause === "inc" ? config.inc : config.dec, sign = cell.dataset.cause === "inc" ? "+" : "−";
    text += `, moved by ${signed(d, 4)} = ${sign} ${cell.dataset.cause} · g, g = ${(Math.abs(d) / size).toFixed(2)}`;
  } else if (cell.dataset.fired) text += ", did not move: its gate is about 0";
  $("weight-readout").textContent = `${text}.`;
}
let mapFor = "";
function drawUnit() {
  const [l, u] = parse(state.unit), k = done(), beta = config.beta[l];
  $("unit-name").textContent = title(state.unit);
  $("unit").value = state.unit;
  const svg = $("membrane"), from = Math.max(0, Math.min(N - 60, k - 45)), to = from + 60;
  const vs = []; // the membrane of 60 steps
  for (let i = from; i <= to; i++) vs.push(membrane(l, u, i));
  const low = Math.min(0, ...vs), high = Math.max(beta * 1.15, ...vs);
  const x = (i) => 40 + ((i - from) / 60) * 290, y = (v) => 88 - ((v - low) / (high - low)) * 78;
  svg.replaceChildren();
  el(svg, "path", { class: "grid", d: `M40 ${y(0)}H330` });
  el(svg, "path", { class: "threshold", "stroke-dasharray": "4 3", d: `M40 ${y(beta)}H330` });
  el(svg, "text", { x: 36, y: y(beta) + 4, "text-anchor": "end" }, `β ${beta}`);
  el(svg, "text", { class: "quiet", x: 36, y: y(0) + 4, "text-anchor": "end" }, "0");
  if (low < -0.25 * (high - low)) el(svg, "text", { class: "quiet", x: 36, y: 92, "text-anchor": "end" }, number(low, 1));
  el(svg, "text", { class: "quiet", x: 40, y: 106 }, `step ${from}`);
  el(svg, "text", { class: "quiet", x: 330, y: 106, "text-anchor": "end" }, to);
  let d = "", ahead = "";
  for (let i = from; i <= to; i++) {
    const reset = i > 0 && fires(l, u, i), point = `${x(i).toFixed(1)} ${y(vs[i - from]).toFixed(1)}`;
    const piece = `${i === from ? "M" : "L"}${point}${reset ? `L${x(i).toFixed(1)} ${y(0).toFixed(1)}` : ""}`;
    if (i <= k) { d += piece; ahead = `M${x(i).toFixed(1)} ${y(reset ? 0 : vs[i - from]).toFixed(1)}`; } else ahead += piece;
    if (reset) el(svg, "circle", { class: i <= k ? "spikedot" : "spikedot ahead", cx: x(i), cy: y(vs[i - from]), r: 4 });
  }
  el(svg, "path", { class: "trace ahead", d: ahead });
  el(svg, "path", { class: "trace", d });
  el(svg, "path", { class: "cursor", d: `M${x(k).toFixed(1)} 4V92` });
  set(svg, { "aria-label": `Membrane of ${title(state.unit)}, steps ${from} to ${to}; now ${number(membrane(l, u, k), 3)}` });
  $("unit-equation").textContent = equation(l, u, k);
  const id = state.unit;
  if (mapFor !== id) { buildMap(l); mapFor = id; read = -1; }
  drawMap(l, u, k);
  readWeight(read);
}
function equation(l, u, k) {
  if (!k) return "v = 0 before the sleep";
  const before = k > 1 && !fires(l, u, k - 1) ? membrane(l, u, k - 1) : 0, I = impulse(l, u, k);
  const v = membrane(l, u, k), spike = fires(l, u, k);
  return `v = ${config.decay} · ${before < 0 ? `(${number(before)})` : number(before)} ${I < 0 ? "−" : "+"} ${Math.abs(I).toFixed(3)} = ${number(v)} ${spike ? "≥" : "<"} β = ${config.beta[l]}: ${spike ? "a spike, then v = 0" : "no spike"}`;
}
function drawMap(l, u, k) {
  const row = weights(l, u, k), fired = k > 0 && fires(l, u, k);
  const { pre, before, grew, shrank } = k ? reasonOf(l, u, k) : { pre: new Set(), before: row, grew: [], shrank: [] };
  const svg = $("unit-map");
  svg.querySelectorAll(".mark").forEach((m) => m.remove());
  paint(mapped, row, SCALE[l]);
  const size = l ? 37.5 : 15, columns = l ? 4 : SIDE;
  mapped.forEach((r, j) => {
    r.dataset.w = (row[j] * units.w).toFixed(4);
    r.dataset.change = ((row[j] - before[j]) * units.w).toFixed(4);
    r.dataset.fired = fired ? 1 : "";
    r.dataset.cause = fired && row[j] !== before[j] ? (pre.has(j) ? "inc" : "dec") : "";
    if (fired && pre.has(j)) {
      const cx = ((j % columns) + 0.5) * size, cy = (Math.floor(j / columns) + 0.5) * size, r2 = size * 0.28;
      el(svg, "path", { class: "mark", d: `M${cx - r2} ${cy}h${2 * r2}M${cx} ${cy - r2}v${2 * r2}` });
    }
  });
  set(svg, { "aria-label": `Weights of ${title(state.unit)}, one cell for each of ${sizes[l]} inputs` });
  $("unit-reason").innerHTML = !k ? "Its weights before the sleep." : !fired
    ? "It does not fire at this step, so none of its weights moves."
    : `It fires. <b class="grow">${grew.length}</b> of its inputs fired too (marked +): + inc · g, on average ${signed(mean(grew), 4)}. <b class="shrink">${shrank.length}</b> did not: − dec · g, on average ${signed(mean(shrank), 4)}.`;
}

// ---------- the story ----------
function findStory() { // the moments that the text speaks of
  const [hidden, output] = sleep.layers, first = (at) => at.findIndex((fired) => fired.length);
  const k = Math.max(first(hidden.at), 1), u = hidden.at[k][0] ?? 0;
  const outK = first(output.at), o = outK > 0 ? output.at[outK][0] : 0;
  story = { k, u, outK, o };
}
function fill() {
  findStory();
  const { k, u, outK, o } = story, { grew, shrank, before, after } = reasonOf(0, u, k);
  const [start, end] = [sleep.accuracy[0], sleep.accuracy.at(-1)];
  const count = (l) => sleep.layers[l].at.reduce((sum, fired) => sum + fired.length, 0);
  const moved = after.filter((w, j) => w !== before[j]).length;
  let outputText = "With this seed and gate no output ever fires, so that the output weights stay as they are.";
  if (outK > 0) {
    const r = reasonOf(1, o, outK);
    outputText = `At step ${outK} output ${LETTERS[o]} is the first that passes its threshold, β = ${config.beta[1]}. ${r.grew.length} hidden ${r.grew.length === 1 ? "unit fires" : "units fire"} with it: + inc · g. ${r.shrank.length} do not: − dec · g.`;
  }
  const values = {
    overlap: DATA.overlap, afterFirst: percent(S.afterFirst), oldBefore: percent(start[0]), newBefore: percent(start[1]),
    oldAfter: percent(end[0]), newAfter: percent(end[1]), inputRate: (2 * config.dt * config.max_rate).toFixed(2),
    dt: config.dt, maxRate: config.max_rate,
    inputCount: S.input[1].length, hidden: N_HIDDEN, decay: config.decay, alpha: config.alpha[0], beta1: config.beta[0],
    spikeStep: k, spikeUnit: u, spikeEquation: equation(0, u, k), inc: config.inc, dec: config.dec,
    nPre: grew.length, nOnlyPost: shrank.length, rho: (config.dec / (config.inc + config.dec)).toFixed(2),
    width: config.gate_width, gate: state.gate, moved, outputText, nSteps: N, every: DATA.every,
    hiddenSpikes: count(0), outputSpikes: count(1), nMore: DATA.more.n, verdict: verdict(),
  };
  document.querySelectorAll("[data-fill]").forEach((e) => { e.textContent = values[e.dataset.fill]; });
  const maps = { "rule-before": before, "rule-after": after, "rule-change": after.map((w, j) => w - before[j]) };
  for (const [id, row] of Object.entries(maps)) {
    const svg = $(id);
    svg.replaceChildren();
    paint(cells(svg, 0, 0, 100), row, id === "rule-change" ? config.inc : SCALE[0]);
    el(svg, "rect", { class: "frame", x: 0.5, y: 0.5, width: 99, height: 99 });
  }
  drawGates();
  drawTable();
}
function verdict() {
  const { more } = DATA, p = (pair) => `${(100 * pair[0][0]).toFixed(0)} %`;
  const best = gates.reduce((a, b) => (more.sleeps[a][0][0] >= more.sleeps[b][0][0] ? a : b));
  return `Over ${more.n} seeds the old task has ${p(more.before)} before, ${p(more.sleeps[best])} after the best of these sleeps (${best}), ${p(more.onlyDec[best])} after the same with inc = 0, and ${p(more.homeostasis)} with homeostasis.`;
}
function drawGates() {
  const svg = $("gates"), x = (w) => 34 + ((w + 0.5) / 1) * 226, y = (g) => 118 - (g / 2) * 98;
  svg.replaceChildren();
  for (const g of [0, 1, 2]) {
    el(svg, "path", { class: "grid", d: `M34 ${y(g)}H260` });
    el(svg, "text", { class: "quiet", x: 28, y: y(g) + 4, "text-anchor": "end" }, g);
  }
  for (const w of [-0.5, 0, 0.5]) el(svg, "text", { class: "quiet", x: x(w), y: 134, "text-anchor": "middle" }, number(w, w ? 1 : 0));
  el(svg, "text", { class: "quiet", x: x(0), y: 148, "text-anchor": "middle" }, "weight w");
  el(svg, "text", { class: "quiet", x: 40, y: 11 }, "gate g(w)");
  for (const gate of gates) {
    const points = DATA.gates[gate].filter(([w]) => Math.abs(w) <= 0.5), on = gate === state.gate;
    el(svg, "path", { class: `gateline ${on ? "on" : ""}`, d: points.map(([w, g], i) => `${i ? "L" : "M"}${x(w).toFixed(1)} ${y(g).toFixed(1)}`).join("") });
    el(svg, "text", { x: 266, y: y(points.at(-1)[1]) + 4, class: on ? "head" : "quiet" }, gate);
  }
}
function drawTable() {
  const p = (a) => (100 * a).toFixed(0), { more } = DATA;
  const cell = ([old, fresh]) => `<td>${p(old)} <small>(${p(fresh)})</small></td>`;
  const spread = ([old, fresh]) => `<td>${p(old[0])} ± ${p(old[1])} <small>(${p(fresh[0])})</small></td>`;
  const line = (name, values, last, on) => `<tr class="${on ? "on" : ""}"><th scope="row">${name.replaceAll(" = ", "\u00a0=\u00a0")}</th>${values.map(cell).join("")}${spread(last)}</tr>`;
  $("table").innerHTML =
    `<thead><tr><th scope="col"></th>${seeds.map((s) => `<th scope="col">seed ${s.seed}</th>`).join("")}<th scope="col">${more.n} seeds</th></tr></thead><tbody>` +
    line("before", seeds.map((s) => s.sleeps[gates[0]].accuracy[0]), more.before) +
    gates.map((g) => line(g, seeds.map((s) => s.sleeps[g].accuracy.at(-1)), more.sleeps[g], g === state.gate)).join("") +
    gates.map((g) => line(`${g}, inc = 0`, seeds.map((s) => s.sleeps[g].onlyDec), more.onlyDec[g])).join("") +
    line("homeostasis", seeds.map((s) => s.homeostasis), more.homeostasis) + "</tbody>";
}
const unitOf = (l, u) => (l ? "o" : "h") + u;
const scenes = {
  learn: () => show(0),
  input: () => show(1, 1),
  fill: () => (calm.matches ? show(story.k - 1) : (show(0), play(3, Math.max(0, story.k - 1)))),
  spike: () => { state.unit = unitOf(0, story.u); show(story.k, 3); },
  rule: () => { state.unit = unitOf(0, story.u); show(story.k); },
  gate: () => { state.unit = unitOf(0, story.u); show(story.k); },
  output: () => { if (story.outK > 0) state.unit = unitOf(1, story.o); show(Math.max(0, story.outK)); },
  whole: () => (calm.matches ? show(N) : (show(0), play(40, N))),
  doubt: () => show(N),
  play: () => {},
};
const FOCUS = { input: "input", fill: "hidden", rule: "hidden", gate: "hidden", output: "output" };
function enter(article) {
  if (article.classList.contains("on")) return;
  document.querySelectorAll("article").forEach((a) => a.classList.toggle("on", a === article));
  scene = article.dataset.scene;
  $("net").dataset.focus = FOCUS[scene] ?? "";
  theirs = scene === "play";
  if (!theirs) pause();
  scenes[scene]();
}

// ---------- what the reader does ----------
function show(k, phase = ALL) {
  state.k = Math.max(0, Math.min(N, k));
  state.phase = state.k ? phase : ALL;
  render();
}
function render() {
  drawNet();
  drawChart();
  drawStatus();
  drawUnit();
}
function choose(seed, gate) {
  S = seeds.find((s) => s.seed === seed) ?? seeds[0];
  state.seed = S.seed;
  state.gate = gates.includes(gate) ? gate : "additive";
  sleep = S.sleeps[state.gate];
  $("seed").value = state.seed;
  $("gate").value = state.gate;
  drawImages();
  fill();
}
function pause() {
  clearTimeout(playing);
  playing = null;
  $("play").textContent = "Play";
}
function phased() { return state.speed === SPEEDS[0] && !calm.matches; }
// From phase to phase of this step, then ``after``.
function finish(after, wait = 520) {
  playing = setTimeout(() => {
    if (state.phase < ALL) { show(state.k, state.phase + 1); finish(after, wait); } else after();
  }, state.phase < ALL ? wait : wait / 2);
}
function play(perSecond, until = N) {
  pause();
  $("play").textContent = "Pause";
  const start = performance.now(), from = state.k;
  const tick = () => {
    const k = Math.min(until, from + Math.floor(((performance.now() - start) / 1000) * perSecond));
    if (k !== state.k) show(k);
    if (k >= until) { pause(); if (scene === "play") save(); return; }
    playing = setTimeout(tick, 1000 / Math.min(60, perSecond * 2));
  };
  tick();
}
function playSlowly() {
  pause();
  $("play").textContent = "Pause";
  const next = () => {
    if (state.k >= N) { pause(); save(); return; }
    show(state.k + 1, 1);
    finish(next);
  };
  if (state.phase < ALL) finish(next); else next();
}
function toggle() {
  theirs = true;
  if ($("play").textContent === "Pause") { pause(); save(); return; }
  $("net").dataset.focus = "";
  if (state.k >= N) show(0);
  if (phased()) playSlowly(); else play(state.speed);
}
function move(by) {
  theirs = true;
  pause();
  $("net").dataset.focus = "";
  if (by === 1 && phased() && state.k < N) { show(state.k + 1, 1); finish(pause, 350); } else {
    show(state.k + by);
  }
  save();
}
function go(k) { theirs = true; pause(); $("net").dataset.focus = ""; show(k); save(); }
function again(seed, gate) {
  choose(seed, gate);
  // The text now speaks of other steps: the picture shows them, but where the reader chose the step.
  if (theirs) render(); else scenes[scene]();
  save();
}

// ---------- the address ----------
let saving = null;
function save() { // a little later: browsers refuse too many changes in a row
  clearTimeout(saving);
  saving = setTimeout(() => {
    const { seed, gate, k, unit, speed } = state;
    history.replaceState(null, "", `#seed=${seed}&gate=${gate}&step=${k}&unit=${unit}&speed=${speed}`);
  }, 120);
}
function load() { // whether the address holds a state
  const given = new URLSearchParams(location.hash.slice(1));
  if (!["seed", "gate", "step", "unit"].some((name) => given.has(name))) return false;
  const whole = (name, fallback) => (/^\d+$/.test(given.get(name) ?? "") ? Number(given.get(name)) : fallback);
  const unit = given.get("unit") ?? "";
  state.unit = Object.hasOwn(PARTS.units, unit) ? unit : "h0";
  state.speed = SPEEDS.includes(whole("speed")) ? whole("speed") : state.speed;
  $("speed").value = state.speed;
  theirs = true;
  pause();
  choose(whole("seed", 0), given.get("gate"));
  show(whole("step", 0));
  return true;
}

// ---------- start ----------
function option(select, value, text) { select.append(new Option(text, value)); }
seeds.forEach((s) => option($("seed"), s.seed, s.seed));
gates.forEach((g) => option($("gate"), g, g));
SPEEDS.forEach((s) => option($("speed"), s, s === 1 ? "1 step/s, phases" : `${s} steps/s`));
for (let u = 0; u < N_HIDDEN; u++) option($("unit"), `h${u}`, `hidden ${u}`);
for (let u = 0; u < N_OUT; u++) option($("unit"), `o${u}`, `output ${LETTERS[u]}`);
$("slider").max = N;
$("speed").value = state.speed;
document.documentElement.classList.add("js");
buildNet();
choose(0, state.gate);
$("reset").onclick = () => go(0);
$("back").onclick = () => move(-1);
$("forward").onclick = () => move(1);
$("play").onclick = toggle;
$("slider").oninput = () => go(Number($("slider").value));
$("seed").onchange = () => again(Number($("seed").value), state.gate);
$("gate").onchange = () => again(state.seed, $("gate").value);
$("unit").onchange = () => { state.unit = $("unit").value; render(); save(); };
$("speed").onchange = () => { faster(0, Number($("speed").value)); };
$("choices").onsubmit = (event) => event.preventDefault();
function faster(by, to) {
  const i = to ? SPEEDS.indexOf(to) : SPEEDS.indexOf(state.speed) + by;
  const was = playing;
  pause();
  state.speed = SPEEDS[Math.max(0, Math.min(SPEEDS.length - 1, i))];
  $("speed").value = state.speed;
  if (was) toggle(); else save();
}
const cycle = (list, value) => list[(list.indexOf(value) + 1) % list.length];
document.addEventListener("keydown", (event) => {
  const at = event.target;
  // The slider moves by these keys as the page does; a list of choices and a wide table have their own.
  if (event.ctrlKey || event.metaKey || event.altKey || at.matches("select, .scroll")) return;
  const step = event.shiftKey ? 10 : 1;
  const keys = {
    ArrowRight: () => move(step), ArrowLeft: () => move(-step), Home: () => go(0), End: () => go(N),
    " ": toggle, "+": () => faster(1), "-": () => faster(-1),
    s: () => again(cycle(seeds.map((s) => s.seed), state.seed), state.gate),
    g: () => again(state.seed, cycle(gates, state.gate)),
  };
  const act = keys[event.key] ?? keys[event.key.toLowerCase()];
  // Space on a button or a summary is that button's.
  if (!act || (event.key === " " && at.matches("button, summary, a"))) return;
  event.preventDefault();
  act();
});
addEventListener("hashchange", load);
const articles = document.querySelectorAll("article");
if (load()) {
  scene = "play";
  history.scrollRestoration = "manual"; // a reload goes to the state too, not to the story
  $("your-turn").classList.add("on");
  $("your-turn").scrollIntoView({ behavior: "instant" });
} else show(0);
// An article is on when it crosses a line: in the middle, or on small screens below the picture.
const small = matchMedia("(max-width: 860px)");
let observer = null;
function watch() {
  observer?.disconnect();
  const line = small.matches ? "-80% 0px -19% 0px" : "-50% 0px -49% 0px";
  observer = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) enter(entry.target);
  }, { rootMargin: line });
  articles.forEach((article) => observer.observe(article));
}
small.addEventListener("change", watch);
watch();
