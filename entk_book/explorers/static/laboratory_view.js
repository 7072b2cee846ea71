// The laboratory's two pictures. Both are as large as their place, so that a word has the
// same size on a phone and on a desk; colours come from the stylesheet.

/** A picture that is drawn anew, as large as its box, whenever its owner says so. */
class Picture {
  constructor(parent, kind, redraw) {
    this.svg = element(parent, "svg", { role: "img", class: `picture ${kind}` });
    this.layers = {};
    new ResizeObserver(() => redraw()).observe(this.svg);
  }

  /** Empties the picture, and gives its width and height. */
  clear() {
    const { clientWidth: width, clientHeight: height } = this.svg;
    this.svg.setAttribute("viewBox", `0 0 ${width || 1} ${height || 1}`);
    this.svg.replaceChildren();
    return [width, height];
  }

  tell(text) {
    this.svg.setAttribute("aria-label", text);
  }
}

const place = (value) => value.toFixed(1);

/** Columns of W in the plane of the screen: as they are, or three and four units turned. */
function projected({ n, m, weight }, angle) {
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  return Array.from({ length: n }, (_, i) => {
    let [a, b, c = 0, d = 0] = Array.from({ length: m }, (_, h) => weight[h * n + i]);
    if (m > 2) [a, c] = [cos * a + sin * c, cos * c - sin * a];
    if (m > 3) [b, d] = [cos * b + sin * d, cos * d - sin * b];
    // Seen a little from above, so that the third unit shows.
    if (m > 2) [b, c] = [0.94 * b + 0.34 * c, 0.94 * c - 0.34 * b];
    return { x: a, y: b, depth: c };
  });
}

/** Points of the convex hull, in order (Andrew's monotone chain). */
function hull(points) {
  const sorted = [...points].sort((p, q) => p.x - q.x || p.y - q.y);
  const half = (all) => {
    const chain = [];
    for (const p of all) {
      while (chain.length > 1) {
        const [o, q] = chain.slice(-2);
        if ((q.x - o.x) * (p.y - o.y) - (q.y - o.y) * (p.x - o.x) > 0) break;
        chain.pop();
      }
      chain.push(p);
    }
    return chain.slice(0, -1);
  };
  return [...half(sorted), ...half(sorted.reverse())];
}

/** Where the features point: a moving picture of the columns of W. */
class Directions extends Picture {
  draw({ network, features, trails, angle }) {
    const [width, height] = this.clear();
    if (!width) return;
    const longest = Math.max(1.3, ...features.map((f) => f.length));
    const unit = (Math.min(width, height) / 2 - 14) / longest;
    const at = ({ x, y }) => ({ x: width / 2 + unit * x, y: height / 2 - unit * y });
    const path = (points) => points.map((p) => `${place(p.x)},${place(p.y)}`).join(" ");
    element(this.svg, "circle", { cx: width / 2, cy: height / 2, r: place(unit), class: "unit" });
    const tips = projected(network, angle).map((tip) => ({ ...tip, ...at(tip) }));
    const kept = tips.filter((_, i) => features[i].kept);
    if (network.m === 2 && kept.length > 2) element(this.svg, "polygon", { points: path(hull(kept)), class: "hull" });
    const order = tips.map((_, i) => i).sort((i, j) => tips[i].depth - tips[j].depth);
    for (const i of order) {
      const group = element(this.svg, "g", { class: `f${i} ${features[i].found ? "found" : ""}`, "data-feature": i + 1 });
      const { x, y, depth } = tips[i];
      const near = network.m > 2 ? 1 + 0.2 * Math.tanh(depth) : 1;
      if (network.m === 2 && trails[i].length > 1) element(group, "polyline", { points: path(trails[i].map(at)), class: "trail" });
      element(group, "line", { x1: width / 2, y1: height / 2, x2: place(x), y2: place(y) });
      const short = features[i].length < 0.3;
      if (features[i].found && !short) element(group, "circle", { cx: place(x), cy: place(y), r: place(14 * near), class: "halo" });
      element(group, "circle", { cx: place(x), cy: place(y), r: short ? 3 : place(9.5 * near), class: "tip" });
      if (!short) element(group, "text", { x: place(x), y: place(y + 4), "text-anchor": "middle" }, String(i + 1));
    }
  }

  /** The same as numbers: the Gram matrix of the columns, as cells. */
  drawGram({ network: { n, m, weight } }) {
    const [width, height] = this.clear();
    if (!width) return;
    const cell = Math.min(width - 40, height - 30) / n;
    const [left, top] = [(width - cell * n) / 2, (height - cell * n) / 2 + 6];
    for (let i = 0; i < n; i++) {
      const middle = (i + 0.5) * cell;
      element(this.svg, "text", { x: place(left + middle), y: place(top - 5), "text-anchor": "middle" }, String(i + 1));
      element(this.svg, "text", { x: place(left - 6), y: place(top + middle + 4), "text-anchor": "end" }, String(i + 1));
      for (let j = 0; j < n; j++) {
        let dot = 0;
        for (let h = 0; h < m; h++) dot += weight[h * n + i] * weight[h * n + j];
        element(this.svg, "rect", {
          x: place(left + j * cell), y: place(top + i * cell), width: place(cell - 1), height: place(cell - 1),
          class: dot < 0 ? "minus" : "plus", "fill-opacity": Math.min(1, Math.abs(dot)).toFixed(2),
        });
      }
    }
  }
}

/** Eigenvalues over their rank, on a logarithmic scale, with the cliffs found in them. */
class Spectrum extends Picture {
  draw({ size, step, lowest, untrained, measured }) {
    const [width, height] = this.clear();
    if (!width) return;
    const frame = { left: 34, right: width - 8, top: size > 30 ? 44 : 36, bottom: height - 30 };
    const X = (rank) => frame.left + ((rank - 0.2) / (size + 0.3)) * (frame.right - frame.left);
    const Y = (value) => frame.top + (Math.log10(value) / Math.log10(lowest)) * (frame.bottom - frame.top);
    for (let power = 0; power >= Math.round(Math.log10(lowest)); power--) {
      const y = place(Y(10 ** power));
      element(this.svg, "line", { x1: frame.left, x2: place(frame.right), y1: y, y2: y, class: "grid" });
      element(this.svg, "text", { x: frame.left - 5, y: Number(y) + 4, "text-anchor": "end" }, tickText(10 ** power, true));
    }
    const { cliffs, values, features } = measured;
    this.axis(size, X, frame);
    for (const [index, { stop }] of cliffs.entries()) {
      const x = X(stop + 0.5);
      const group = element(this.svg, "g", { class: "cliff", "data-cliff": stop });
      if (index === cliffs.length - 1) {
        element(group, "rect", { x: frame.left, y: frame.top, width: place(x - frame.left), height: place(frame.bottom - frame.top) });
      }
      element(group, "line", { x1: place(x), x2: place(x), y1: frame.top, y2: frame.bottom });
      const end = x > width - 90;
      element(group, "text", { x: place(x + (end ? -4 : 4)), y: frame.top - 6, "text-anchor": end ? "end" : "start" },
        cliffs.length === 1 ? `cliff after ${stop}` : String(stop));
    }
    (step ? untrained : []).forEach((value, k) => {
      if (value / untrained[0] < lowest) return;
      const [x, y] = [X(k + 1), Y(value / untrained[0])];
      element(this.svg, "rect", { x: place(x - 2.2), y: place(y - 2.2), width: 4.4, height: 4.4, class: "before" });
    });
    values.forEach((value, k) => {
      const relative = value / values[0];
      if (relative < lowest) return;
      const [x, y] = [X(k + 1), Y(relative)];
      const dot = (name, radius, up, text) => {
        const group = element(this.svg, "g", { class: name, "data-rank": k + 1 });
        element(group, "circle", { cx: place(x), cy: place(y - up), r: radius, "data-value": relative.toPrecision(9) });
        // Where dots are small their numbers stand above, in three rows.
        const at = size > 30 ? y - 9 - 10 * (k % 3) - up : y - up + 4;
        if (text) element(group, "text", { x: place(x), y: place(at), "text-anchor": "middle", class: size > 30 ? "above" : "" }, text);
      };
      // One eigenvector may be the best for two features: then it does not part them.
      const own = features.flatMap((f, i) => (f.found && f.rank === k ? [i] : []));
      if (!own.length) dot("plain", 3, 0);
      own.forEach((i, above) => dot(`f${i} found`, size > 30 ? 4.5 : 8, above * (size > 30 ? 8 : 18), String(i + 1)));
    });
    if (!values.length) element(this.svg, "text", { x: place(width / 2), y: place(height / 2), "text-anchor": "middle" }, "no eigenvalue above zero");
  }

  axis(size, X, { left, right, bottom, top }) {
    element(this.svg, "path", { d: `M${left},${top}V${bottom}H${place(right)}`, class: "frame" });
    const step = size > 30 ? 10 : 5;
    for (let rank = step; rank <= size; rank += step) {
      element(this.svg, "text", { x: place(X(rank)), y: bottom + 14, "text-anchor": "middle" }, String(rank));
    }
    element(this.svg, "text", { x: place((left + right) / 2), y: bottom + 27, "text-anchor": "middle" }, "rank of eigenvalue");
    element(this.svg, "text", { x: place(right), y: 12, "text-anchor": "end" }, "eigenvalue / largest");
  }
}
