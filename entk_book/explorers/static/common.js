// What the explorers share: arrays out of bytes, controls, a small plot. Each explorer's
// module is this file with its own part behind it.

const SVG = "http://www.w3.org/2000/svg";
const TYPES = { float32: Float32Array, uint8: Uint8Array, int8: Int8Array };

/** All arrays of a model, each with its shape; stored steps are turned into values. */
function arraysOf(model) {
  const view = model.get("data");
  const arrays = {};
  for (const [name, where] of Object.entries(model.get("spec").arrays)) {
    const length = where.shape.reduce((product, size) => product * size, 1);
    const Type = TYPES[where.dtype];
    const start = view.byteOffset + where.offset;
    const stored = new Type(view.buffer.slice(start, start + length * Type.BYTES_PER_ELEMENT));
    const values = Float32Array.from(stored, (value) => value * where.step);
    arrays[name] = { values, shape: where.shape };
  }
  return arrays;
}

/** The part of an array at the given leading indices, as a flat array. */
function part(array, ...indices) {
  let size = array.values.length;
  let offset = 0;
  indices.forEach((index, axis) => {
    size /= array.shape[axis];
    offset += index * size;
  });
  return array.values.subarray(offset, offset + size);
}

function element(parent, tag, attributes = {}, text = "") {
  const made = parent.namespaceURI === SVG || tag === "svg"
    ? document.createElementNS(SVG, tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text) made.textContent = text;
  parent.append(made);
  return made;
}

// Several explorers share a page, each with its own copy of this module: ids must differ.
const own = Math.random().toString(36).slice(2);
let made = 0;

/** A labelled slider over texts; calls back with the index. */
function slider(parent, label, texts, start, onInput) {
  const box = element(parent, "div", { class: "dial" });
  const id = `dial-${own}-${made++}`;
  element(box, "label", { for: id }, label);
  const input = element(box, "input", {
    type: "range", id, min: 0, max: texts.length - 1, step: 1, value: start,
  });
  const told = element(box, "span", { class: "value", "aria-hidden": "true" });
  const show = () => {
    told.textContent = texts[input.value];
    input.setAttribute("aria-valuetext", texts[input.value]);
  };
  input.disabled = texts.length < 2;
  input.addEventListener("input", () => {
    show();
    onInput(Number(input.value));
  });
  show();
}

/** A labelled list to choose from; calls back with the index. */
function choice(parent, label, texts, start, onChange) {
  const box = element(parent, "div", { class: "dial" });
  const id = `dial-${own}-${made++}`;
  element(box, "label", { for: id }, label);
  const select = element(box, "select", { id });
  texts.forEach((text, index) => element(select, "option", { value: index }, text));
  select.value = start;
  select.addEventListener("change", () => onChange(Number(select.value)));
}

function ticksOf([low, high], log) {
  if (log) {
    const ticks = [];
    for (let p = Math.ceil(Math.log10(low) - 1e-9); p <= Math.log10(high) + 1e-9; p++) ticks.push(10 ** p);
    return ticks;
  }
  const raw = (high - low) / 4;
  const unit = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * unit).find((s) => s >= raw);
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) ticks.push(i * step);
  return ticks;
}

const EXPONENT = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

function tickText(value, log) {
  if (!log) return String(Number(value.toPrecision(6)));
  const power = Math.round(Math.log10(value));
  return "10" + [...String(power)].map((sign) => EXPONENT[sign]).join("");
}

/** Axes in an SVG; every series is a group that can be drawn anew. */
class Plot {
  constructor(parent, { x, y, logY = false, xLabel, yLabel, xTicks }) {
    Object.assign(this, { x, y, logY, width: 340, height: 250 });
    this.frame = { left: 40, right: 322, top: 26, bottom: 206 };
    this.svg = element(parent, "svg", {
      viewBox: `0 0 ${this.width} ${this.height}`, role: "img", class: "plot",
    });
    this.axes(xLabel, yLabel, xTicks);
  }

  axes(xLabel, yLabel, xTicks) {
    const { left, right, top, bottom } = this.frame;
    const group = element(this.svg, "g", { class: "axes" });
    for (const { at, text } of xTicks ?? ticksOf(this.x).map((at) => ({ at, text: tickText(at) }))) {
      element(group, "text", { x: this.X(at), y: bottom + 16, "text-anchor": "middle", "data-axis": "x" }, text);
    }
    for (const at of ticksOf(this.y, this.logY)) {
      element(group, "line", { x1: left, x2: right, y1: this.Y(at), y2: this.Y(at), class: "grid" });
      element(group, "text", { x: left - 6, y: this.Y(at) + 4, "text-anchor": "end", "data-axis": "y" }, tickText(at, this.logY));
    }
    element(group, "path", { d: `M${left},${top}V${bottom}H${right}`, class: "frame" });
    element(group, "text", { x: (left + right) / 2, y: bottom + 36, "text-anchor": "middle" }, xLabel);
    element(group, "text", { x: 2, y: top - 12 }, yLabel);
  }

  X(value) {
    const { left, right } = this.frame;
    return left + ((value - this.x[0]) / (this.x[1] - this.x[0])) * (right - left);
  }

  Y(value) {
    const { top, bottom } = this.frame;
    const scale = this.logY ? Math.log10 : (v) => v;
    const share = (scale(value) - scale(this.y[0])) / (scale(this.y[1]) - scale(this.y[0]));
    return bottom - share * (bottom - top);
  }

  group(name, color) {
    this.svg.querySelector(`[data-series="${name}"]`)?.remove();
    return element(this.svg, "g", { "data-series": name, class: color });
  }

  /** Points at 1, 2, 3, ...; zeros stand for nothing, and are left out. */
  points(name, color, values, square = false) {
    const group = this.group(name, color);
    values.forEach((value, index) => {
      if (!(value >= this.y[0])) return;
      const [x, y] = [this.X(index + 1), this.Y(value)];
      if (square) element(group, "rect", { x: x - 2, y: y - 2, width: 4, height: 4 });
      else element(group, "circle", { cx: x, cy: y, r: 2.4 });
    });
  }

  curve(name, color, xs, ys, dash = "") {
    const points = [...ys].map((y, i) => `${this.X(xs[i]).toFixed(3)},${this.Y(y).toFixed(3)}`);
    element(this.group(name, `${color} curve`), "polyline", { points: points.join(" "), "stroke-dasharray": dash });
  }

  bars(name, color, first, values) {
    const group = this.group(name, color);
    const width = (this.X(1) - this.X(0)) * 0.8;
    values.forEach((value, i) => element(group, "rect", {
      x: this.X(first + i) - width / 2, width, y: this.Y(value), height: this.Y(this.y[0]) - this.Y(value),
    }));
  }

  across(name, color, y, text) {
    const { left, right, top } = this.frame;
    const group = this.group(name, `${color} ruler`);
    element(group, "line", { x1: left, x2: right, y1: this.Y(y), y2: this.Y(y) });
    if (text) element(group, "text", { x: right, y: Math.max(this.Y(y) - 4, top + 8), "text-anchor": "end" }, text);
  }

  upright(name, color, places) {
    const { top, bottom } = this.frame;
    const group = this.group(name, `${color} ruler`);
    for (const { at, text } of places) {
      element(group, "line", { x1: this.X(at), x2: this.X(at), y1: top, y2: bottom });
      if (text) element(group, "text", { x: this.X(at) + 3, y: top + 10 }, text);
    }
  }

  tell(text) {
    this.svg.setAttribute("aria-label", text);
  }
}

/** Which series is which, below a plot: a dot, a square, or a line with its dashes. */
function legend(parent, entries) {
  const list = element(parent, "p", { class: "legend" });
  for (const [color, text, kind = "dot"] of entries) {
    const entry = element(list, "span");
    const swatch = element(entry, "svg", { class: color, width: 26, height: 12, "aria-hidden": "true" });
    if (kind === "dot") element(swatch, "circle", { cx: 18, cy: 7, r: 4 });
    else if (kind === "square") element(swatch, "rect", { x: 14, y: 3, width: 8, height: 8 });
    else element(swatch, "line", { x1: 0, x2: 24, y1: 7, y2: 7, "stroke-dasharray": kind === "line" ? "" : kind });
    entry.append(text);
  }
}

/** A matrix as coloured cells on a canvas, row 0 on top. */
function paint(canvas, values, columns, color) {
  canvas.width = columns;
  canvas.height = values.length / columns;
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  values.forEach((value, i) => image.data.set([...color(value), 255], 4 * i));
  context.putImageData(image, 0, 0);
}

const mix = (from, to, share) => from.map((v, i) => Math.round(v + (to[i] - v) * share));
const WHITE = [255, 255, 255];
const sequential = (value) => mix(WHITE, [0, 68, 136], value);
const diverging = (value) => mix(WHITE, value < 0 ? [0, 84, 148] : [178, 24, 43], Math.abs(value));

/** A box with the parts that every explorer has; draws anew when the data change. */
function explorer(model, el, name, build) {
  const draw = () => {
    el.replaceChildren();
    const box = element(el, "div", { class: "entk-explorer", role: "group", "aria-label": name });
    const dials = element(box, "div", { class: "dials" });
    const status = element(box, "p", { role: "status" });
    const panels = element(box, "div", { class: "panels" });
    build({ dials, panels, status, spec: model.get("spec"), arrays: arraysOf(model) });
  };
  draw();
  model.on("change:spec", draw);
  return () => model.off("change:spec", draw);
}

function panel(parent, title) {
  const box = element(parent, "div", { class: "panel" });
  element(box, "p", { class: "title" }, title);
  return box;
}
