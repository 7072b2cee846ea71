// The laboratory: a network that trains in the page, with its dials and buttons.

const STEPS_A_FRAME = 2;
const STEPS_A_RUN = 2000;
const TRAIL = 90;

/** The power of ten below all eigenvalues, relative to the largest: where the axis ends. */
function reach(values, atMost) {
  const least = values.reduce((low, value) => Math.min(low, value / values[0]), 1);
  return Math.min(atMost, Math.max(1e-5, 10 ** Math.floor(Math.log10(least))));
}

/** A network at its start, with its data and all that is read off it. */
function begin(settings) {
  const data = makeData(settings);
  const network = makeNetwork(settings);
  const importances = Array.from({ length: settings.features }, (_, i) => settings.decay ** i);
  const measured = measure(network, data);
  const grads = gradients(network, data, importances);
  return {
    settings, data, network, importances, measured, untrained: measured.values,
    lowest: reach(measured.values, 1e-2), adam: new Adam(network, settings.rate), grads, first: grads.loss, step: 0, diverged: false,
    size: network.weight.length + network.bias.length, angle: 0.5,
    trails: Array.from({ length: settings.features }, () => []),
  };
}

/** One step of training; a loss that has run away stops it, and nothing of it is drawn. */
function advance(state) {
  if (state.diverged) return;
  const { network, trails } = state;
  const before = { weight: Float64Array.from(network.weight), bias: Float64Array.from(network.bias) };
  state.adam.step(network, state.grads);
  const grads = gradients(network, state.data, state.importances);
  state.step += 1;
  if (!(grads.loss < 100 * state.first)) {
    Object.assign(network, before);
    state.diverged = true;
    return;
  }
  state.grads = grads;
  if (state.step % STEPS_A_FRAME) return;
  projected(network, 0).forEach((tip, i) => {
    trails[i].push(tip);
    if (trails[i].length > TRAIL) trails[i].shift();
  });
}

function button(parent, name, text, onClick, attributes = {}) {
  const made = element(parent, "button", { type: "button", class: name, ...attributes }, text);
  made.addEventListener("click", onClick);
  return made;
}

/** What a picture shows, for those who hear it. */
function spoken({ network, measured, untrained }) {
  const kept = measured.features.flatMap((f, i) => (f.kept ? [i + 1] : []));
  const found = measured.features.flatMap((f, i) => (f.found ? [i + 1] : []));
  const list = (numbers) => numbers.join(", ") || "none";
  return {
    directions: `Directions of ${network.n} features in ${network.m} hidden units. Kept: ${list(kept)}. Found by an eigenvector: ${list(found)}.`,
    spectrum: `${measured.values.length} eigenvalues of the tangent kernel on a logarithmic scale; ${untrained.length} before training. Cliffs after: ${list(measured.cliffs.map((c) => c.stop))}.`,
  };
}

/**
 * Builds the laboratory in a box.
 *
 * `changed` hears of new settings; `share` gives the text to copy. Returns a function that
 * takes other settings.
 */
function laboratory(el, first, { changed, share }) {
  const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  let state;
  let running = false;
  let frames = 0;
  let matrix = false;

  el.replaceChildren();
  const box = element(el, "div", {
    class: "entk-explorer entk-laboratory", role: "group", tabindex: 0,
    "aria-label": "Laboratory: a network that trains in this page. Space starts and pauses it.",
  });
  const panels = element(box, "div", { class: "panels" });
  const left = panel(panels, "Features, as directions");
  const toggle = button(left.querySelector(".title"), "matrix", "WᵀW", () => {
    matrix = !matrix;
    toggle.setAttribute("aria-pressed", matrix);
    left.querySelector(".title").firstChild.textContent = matrix ? "Inner products: red +, blue −" : "Features, as directions";
    draw();
  }, { "aria-pressed": false, title: "Show the inner products of all directions", "aria-label": "show as a matrix of inner products" });
  const directions = new Directions(left, "directions", () => state && draw());
  const right = panel(panels, "Spectrum of its tangent kernel");
  const spectrum = new Spectrum(right, "spectrum", () => state && drawAll());

  const buttons = element(box, "div", { class: "buttons" });
  const start = button(buttons, "start", "Train", () => toggleRun());
  button(buttons, "step", "Step", () => { run(false); advance(state); look(true); });
  button(buttons, "reset", "Reset", () => begun(state.settings));
  const sharing = button(buttons, "share", "Share", () => shared());
  const status = element(box, "p", { class: "seen" });
  const said = element(box, "p", { class: "said", role: "status" });
  const dials = element(box, "div", { class: "dials" });
  const key = element(box, "p", { class: "key" });
  key.innerHTML = '<span class="sign f1">2</span> found by an eigenvector <span class="sign plain"></span> other eigenvectors <span class="sign before"></span> before training <span class="sign unit"></span> length 1';

  function run(on) {
    if (on === running || (on && state.diverged)) return;
    running = on;
    start.textContent = on ? "Pause" : state.step ? "Go on" : "Train";
    if (on) requestAnimationFrame(frame);
  }

  function toggleRun() {
    run(!running);
    if (!running) look(true);
  }

  function frame() {
    if (!running) return;
    const began = performance.now();
    // A slow machine takes fewer steps a frame rather than fewer frames a second.
    for (let k = 0; k < STEPS_A_FRAME && running; k++) {
      advance(state);
      if (state.diverged || state.step % STEPS_A_RUN === 0) run(false);
      if (performance.now() - began > 12) break;
    }
    if (!still) state.angle += 0.006;
    frames += 1;
    // The spectrum of 60 parameters takes longer than a frame: now and then is enough.
    const often = still ? 30 : state.size > 30 ? 6 : 2;
    if (!running || frames % often === 0) look(!running);
    else if (!still) draw();
    if (running) requestAnimationFrame(frame);
  }

  /** Reads the network anew, draws it, and says so; aloud only where training rests. */
  function look(aloud) {
    if (!state.diverged) state.measured = measure(state.network, state.data);
    state.lowest = reach(state.measured.values, state.lowest); // wider if need be, never back
    drawAll();
    status.textContent = words(state);
    start.disabled = state.diverged;
    if (!aloud) return;
    said.textContent = words(state);
    turn(); // training has turned it
  }

  function draw() {
    const scene = { ...state, features: state.measured.features };
    // Lengths are of now, even where the kernel is of some steps ago.
    const { n, m, weight } = state.network;
    scene.features = scene.features.map((f, i) => ({
      ...f, length: Math.hypot(...Array.from({ length: m }, (_, h) => weight[h * n + i])),
    }));
    if (matrix) directions.drawGram(scene);
    else directions.draw(scene);
  }

  /** Draws what was read off the network as well. */
  function drawAll() {
    draw();
    spectrum.draw({ ...state, features: state.measured.features });
    const told = spoken(state);
    directions.tell(told.directions);
    spectrum.tell(told.spectrum);
  }

  function begun(settings) {
    run(false);
    state = begin(settings);
    start.textContent = "Train";
    look(true);
  }

  async function shared() {
    const text = share(state.settings);
    let done = "Copied";
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      done = "In the address bar";
      said.textContent = `Not copied: ${text}`;
    }
    sharing.textContent = done;
    setTimeout(() => (sharing.textContent = "Share"), 2000);
  }

  /** Dials as the settings are, and one to turn what has more than two dimensions. */
  function build(settings) {
    dials.replaceChildren();
    for (const [name, { label, values }] of Object.entries(DIALS)) {
      slider(dials, label, values.map(String), values.indexOf(settings[name]), (index) => {
        begun({ ...state.settings, [name]: values[index] });
        changed(state.settings);
      });
    }
  }

  function turn() {
    const degrees = Array.from({ length: 37 }, (_, k) => `${10 * k}°`);
    dials.querySelector(".turn")?.remove();
    if (state.network.m === 2) return;
    const box = element(dials, "div", { class: "turn" });
    slider(box, "turn the view", degrees, Math.round((state.angle * 18) / Math.PI) % 36, (index) => {
      state.angle = (index * Math.PI) / 18;
      draw();
    });
  }

  box.addEventListener("keydown", (event) => {
    if (event.key !== " " || event.target.closest("button, select, a")) return;
    event.preventDefault();
    event.stopPropagation(); // a notebook has its own use for keys
    toggleRun();
  });
  const restore = (settings) => {
    build(settings);
    begun(settings);
  };
  restore(first);
  return restore;
}

/** The same in a live kernel, as an anywidget. */
function render({ model, el }) {
  const call = (s) => `Laboratory(${Object.keys(FIRST).map((name) => `${name}=${s[name]}`).join(", ")})`;
  const settings = () => ({ ...FIRST, ...model.get("spec").settings });
  const restore = laboratory(el, settings(), { changed: () => {}, share: call });
  const renew = () => restore(settings());
  model.on("change:spec", renew);
  return () => model.off("change:spec", renew);
}
