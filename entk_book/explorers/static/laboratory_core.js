// The laboratory's numbers, and nothing that is drawn: data, training, kernel, cliffs,
// alignment. entk_book.studies.laboratory makes the same data and start in Python, and
// tests/browser/test_laboratory.py compares all of it with entk_lib.

const SAMPLES = 1000;

/** Numbers in [0, 1) from a 32-bit seed: the public-domain generator mulberry32. */
function uniforms(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A number of the standard normal distribution, from two uniform ones. */
function normal(uniform) {
  const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
  return radius * Math.cos(2 * Math.PI * uniform());
}

/**
 * The fixed data: a feature is absent with probability `sparsity`, else uniform on [0, 1).
 *
 * Samples without any feature are counted, not stored. `shuffled` are the same values of
 * each feature on other samples, in another order for each: of the stored samples, and
 * `shuffledBlank`, their sums over samples without any feature.
 */
function makeData({ features: n, sparsity, start }) {
  const next = uniforms(start);
  const all = Float64Array.from({ length: SAMPLES * n }, () => {
    const magnitude = next();
    return next() >= sparsity ? magnitude : 0;
  });
  const shuffledAll = new Float64Array(SAMPLES * n);
  const draw = uniforms(2000 + start);
  for (let i = 0; i < n; i++) {
    const order = Array.from({ length: SAMPLES }, (_, s) => s);
    for (let s = SAMPLES - 1; s > 0; s--) {
      const other = Math.floor(draw() * (s + 1));
      [order[s], order[other]] = [order[other], order[s]];
    }
    for (let s = 0; s < SAMPLES; s++) shuffledAll[s * n + i] = all[order[s] * n + i];
  }
  const x = [];
  const shuffled = [];
  const shuffledBlank = new Float64Array(n);
  const lengths = new Float64Array(n);
  for (let s = 0; s < SAMPLES; s++) {
    const row = all.subarray(s * n, (s + 1) * n);
    const other = shuffledAll.subarray(s * n, (s + 1) * n);
    row.forEach((value, i) => (lengths[i] += value * value));
    if (row.some((value) => value > 0)) {
      x.push(...row);
      shuffled.push(...other);
    } else other.forEach((value, i) => (shuffledBlank[i] += value));
  }
  return {
    n, count: x.length / n, blank: SAMPLES - x.length / n, shuffledBlank,
    x: Float64Array.from(x), shuffled: Float64Array.from(shuffled), lengths: lengths.map(Math.sqrt),
  };
}

/** A Xavier-normal start, biases zero: `weight` is (hidden, features), row by row. */
function makeNetwork({ features: n, hidden: m, start }) {
  const next = uniforms(1000 + start);
  const scale = Math.sqrt(2 / (n + m));
  return { n, m, weight: Float64Array.from({ length: m * n }, () => scale * normal(next)), bias: new Float64Array(n) };
}

/** Loss, the mean over samples and outputs of importance times squared error, and gradients. */
function gradients({ n, m, weight, bias }, data, importances) {
  const gradWeight = new Float64Array(m * n);
  const gradBias = new Float64Array(n);
  const z = new Float64Array(m);
  const error = new Float64Array(n);
  const scale = 1 / (SAMPLES * n);
  let loss = 0;
  for (let s = 0; s < data.count; s++) {
    const at = s * n;
    for (let h = 0; h < m; h++) {
      let sum = 0;
      for (let j = 0; j < n; j++) sum += weight[h * n + j] * data.x[at + j];
      z[h] = sum;
    }
    for (let c = 0; c < n; c++) {
      let f = bias[c];
      for (let h = 0; h < m; h++) f += weight[h * n + c] * z[h];
      const missed = (f > 0 ? f : 0) - data.x[at + c];
      loss += scale * importances[c] * missed * missed;
      error[c] = f > 0 ? 2 * scale * importances[c] * missed : 0;
      gradBias[c] += error[c];
    }
    for (let h = 0; h < m; h++) {
      let back = 0;
      for (let c = 0; c < n; c++) back += weight[h * n + c] * error[c];
      for (let j = 0; j < n; j++) gradWeight[h * n + j] += z[h] * error[j] + back * data.x[at + j];
    }
  }
  for (let c = 0; c < n; c++) {
    if (bias[c] <= 0) continue;
    loss += scale * data.blank * importances[c] * bias[c] * bias[c];
    gradBias[c] += 2 * scale * data.blank * importances[c] * bias[c];
  }
  return { loss, weight: gradWeight, bias: gradBias };
}

/** Adam with torch's defaults; changes the network it is given. */
class Adam {
  constructor(network, rate) {
    this.rate = rate;
    this.steps = 0;
    this.moments = ["weight", "bias"].map((name) => ({
      name, first: new Float64Array(network[name].length), second: new Float64Array(network[name].length),
    }));
  }

  step(network, grads) {
    this.steps += 1;
    const rate = this.rate / (1 - 0.9 ** this.steps);
    const correction = Math.sqrt(1 - 0.999 ** this.steps);
    for (const { name, first, second } of this.moments) {
      for (let i = 0; i < first.length; i++) {
        const g = grads[name][i];
        first[i] = 0.9 * first[i] + 0.1 * g;
        second[i] = 0.999 * second[i] + 0.001 * g * g;
        network[name][i] -= (rate * first[i]) / (Math.sqrt(second[i]) / correction + 1e-8);
      }
    }
  }
}

/**
 * Sums over the samples with which output c is open: of (x, 1) times (x, 1), and of (x, 1)
 * times the shuffled feature c. The Jacobian's row of sample and output is linear in (x, 1),
 * so that the whole kernel follows from them.
 */
function openSums({ n, m, weight, bias }, data) {
  const size = n + 1;
  const products = Array.from({ length: n }, () => new Float64Array(size * size));
  const withShuffled = Array.from({ length: n }, () => new Float64Array(size));
  const row = new Float64Array(size).fill(1);
  const z = new Float64Array(m);
  for (let s = 0; s < data.count; s++) {
    for (let j = 0; j < n; j++) row[j] = data.x[s * n + j];
    for (let h = 0; h < m; h++) {
      z[h] = 0;
      for (let j = 0; j < n; j++) z[h] += weight[h * n + j] * row[j];
    }
    for (let c = 0; c < n; c++) {
      let f = bias[c];
      for (let h = 0; h < m; h++) f += weight[h * n + c] * z[h];
      if (!(f > 0)) continue;
      const other = data.shuffled[s * n + c];
      for (let j = 0; j < size; j++) {
        if (row[j] === 0) continue;
        withShuffled[c][j] += other * row[j];
        for (let k = 0; k <= j; k++) products[c][j * size + k] += row[j] * row[k];
      }
    }
  }
  for (let c = 0; c < n; c++) {
    for (let j = 0; j < size; j++) for (let k = 0; k < j; k++) products[c][k * size + j] = products[c][j * size + k];
    if (bias[c] <= 0) continue;
    products[c][size * size - 1] += data.blank;
    withShuffled[c][n] += data.shuffledBlank[c];
  }
  return { products, withShuffled };
}

/** What (x, 1) gives in the Jacobian's row of output c: the derivative by every parameter. */
function jacobianRow({ n, m, weight }, c, y, out) {
  for (let h = 0; h < m; h++) {
    let z = 0;
    for (let j = 0; j < n; j++) {
      out[h * n + j] = weight[h * n + c] * y[j];
      z += weight[h * n + j] * y[j];
    }
    out[h * n + c] += z;
  }
  out[m * n + c] = y[n];
}

/** The small side of the flattened kernel, J^T J: one row per parameter, biases last. */
function smallKernel(network, { products }) {
  const { n, m } = network;
  const [size, p] = [n + 1, m * n + n];
  const kernel = new Float64Array(p * p);
  const column = new Float64Array(size);
  for (let c = 0; c < n; c++) {
    // First L A, column by column of A; then (L A) L^T, row by row: A is symmetric.
    const half = Array.from({ length: size }, (_, k) => {
      const out = new Float64Array(p);
      jacobianRow(network, c, products[c].subarray(k * size, (k + 1) * size), out);
      return out;
    });
    const row = new Float64Array(p);
    for (let i = 0; i < p; i++) {
      for (let k = 0; k < size; k++) column[k] = half[k][i];
      jacobianRow(network, c, column, row);
      for (let j = 0; j < p; j++) kernel[i * p + j] += row[j];
      row.fill(0);
    }
  }
  return kernel;
}

/** A symmetric matrix made tridiagonal by Householder reflections; rows of `turns` are the basis. */
function tridiagonal(matrix, p) {
  const a = Float64Array.from(matrix);
  const turns = new Float64Array(p * p);
  for (let i = 0; i < p; i++) turns[i * p + i] = 1;
  const v = new Float64Array(p);
  const w = new Float64Array(p);
  for (let k = 0; k < p - 2; k++) {
    let length = 0;
    for (let i = k + 1; i < p; i++) length = Math.hypot(length, a[i * p + k]);
    if (length === 0) continue;
    v.fill(0);
    for (let i = k + 1; i < p; i++) v[i] = a[i * p + k] / length;
    v[k + 1] += v[k + 1] < 0 ? -1 : 1;
    const size = Math.sqrt(2 * Math.abs(v[k + 1])); // the reflector's length, as |x| = 1
    for (let i = k + 1; i < p; i++) v[i] /= size;
    let along = 0;
    for (let i = k; i < p; i++) {
      w[i] = 0;
      for (let j = k + 1; j < p; j++) w[i] += a[i * p + j] * v[j];
      along += w[i] * v[i];
    }
    for (let i = k; i < p; i++) w[i] = 2 * (w[i] - along * v[i]);
    for (let i = k; i < p; i++) for (let j = k; j < p; j++) a[i * p + j] -= v[i] * w[j] + w[i] * v[j];
    w.fill(0);
    for (let i = k + 1; i < p; i++) for (let j = 0; j < p; j++) w[j] += 2 * v[i] * turns[i * p + j];
    for (let i = k + 1; i < p; i++) for (let j = 0; j < p; j++) turns[i * p + j] -= v[i] * w[j];
  }
  const diagonal = Float64Array.from({ length: p }, (_, i) => a[i * p + i]);
  const beside = Float64Array.from({ length: p }, (_, i) => (i + 1 < p ? a[(i + 1) * p + i] : 0));
  return { diagonal, beside, turns };
}

/** Eigenpairs of a symmetric matrix, the largest first: tridiagonal, then implicit QL. */
function eigenpairs(matrix, p) {
  const { diagonal: d, beside: e, turns } = tridiagonal(matrix, p);
  const least = Number.EPSILON * Math.max(...d.map(Math.abs), ...e.map(Math.abs));
  for (let low = 0; low < p; low++) {
    for (let round = 0; round < 60; round++) {
      let high = low;
      while (high < p - 1 && Math.abs(e[high]) > least) high++;
      if (high === low) break;
      const half = (d[low + 1] - d[low]) / (2 * e[low]);
      let g = d[high] - d[low] + e[low] / (half + (half < 0 ? -1 : 1) * Math.hypot(half, 1));
      let [sin, cos, moved] = [1, 1, 0];
      for (let i = high - 1; i >= low; i--) {
        const f = sin * e[i];
        const b = cos * e[i];
        const r = Math.hypot(f, g);
        e[i + 1] = r;
        [sin, cos] = r ? [f / r, g / r] : [0, 1];
        g = d[i + 1] - moved;
        const t = (d[i] - g) * sin + 2 * cos * b;
        moved = sin * t;
        d[i + 1] = g + moved;
        g = cos * t - b;
        for (let k = 0; k < p; k++) {
          const upper = turns[i * p + k];
          const lower = turns[(i + 1) * p + k];
          turns[(i + 1) * p + k] = sin * upper + cos * lower;
          turns[i * p + k] = cos * upper - sin * lower;
        }
      }
      d[low] -= moved;
      e[low] = g;
      e[high] = 0;
    }
  }
  const order = Array.from({ length: p }, (_, i) => i).sort((i, j) => d[j] - d[i]);
  return {
    values: order.map((i) => d[i]),
    vectors: order.map((i) => turns.subarray(i * p, (i + 1) * p)),
  };
}

/** The lower of the two middle numbers, as torch.median gives it. */
const median = (values) => [...values].sort((a, b) => a - b)[(values.length - 1) >> 1];

/** The rule of entk_lib.find_cliffs, with its defaults: stops and ratios. */
function findCliffs(eigenvalues, minRatio = 1.3, prominence = 10, window = 10) {
  const rounding = eigenvalues.length * Number.EPSILON * eigenvalues[0];
  const values = eigenvalues.filter((value) => value > rounding);
  const gaps = values.slice(0, -1).map((value, i) => Math.log(value / values[i + 1]));
  const cliffs = [];
  gaps.slice(0, -2).forEach((gap, i) => {
    if (gap < Math.log(minRatio)) return;
    const near = window >> 1;
    const around = [...gaps.slice(Math.max(0, i - window), i), ...gaps.slice(i + 1, i + 1 + window)];
    if (gaps.slice(Math.max(0, i - near), i).some((g) => g * (1 + 1e-9) >= gap)) return;
    if (gaps.slice(i + 1, i + 1 + near).some((g) => g > gap * (1 + 1e-9))) return;
    if (gap >= prominence * median(around)) cliffs.push({ stop: i + 1, ratio: values[i] / values[i + 1] });
  });
  return cliffs;
}

/** Absolute cosines of eigenvectors, rows, with a feature's vector: J^T f for unit f. */
function alignments(network, sums, data, { values, vectors }, kind) {
  const { n, m } = network;
  const pulled = Array.from({ length: n }, (_, i) => {
    const out = new Float64Array(m * n + n);
    const own = kind === "shuffled" ? sums.withShuffled[i] : sums.products[i].subarray(i * (n + 1), (i + 1) * (n + 1));
    jacobianRow(network, i, own, out);
    const length = data.lengths[i] || 1;
    return out.map((value) => value / length);
  });
  return vectors.map((vector, k) => pulled.map((pull) => {
    const dot = pull.reduce((sum, value, i) => sum + value * vector[i], 0);
    return Math.min(1, Math.abs(dot) / Math.sqrt(values[k]));
  }));
}

/**
 * All that is read off a network: eigenvalues above rounding, cliffs, which features are
 * kept, and which the leading eigenvectors find. Those are the ones above the last cliff,
 * or as many as there are features if that is more. A feature is found where one of them
 * has a cosine above 0.5 with it, and none has with its values on shuffled samples.
 */
function measure(network, data) {
  const { n, m, weight } = network;
  const p = m * n + n;
  const sums = openSums(network, data);
  const pairs = eigenpairs(smallKernel(network, sums), p);
  const floor = Math.max(p, SAMPLES * n) * Number.EPSILON * Math.max(pairs.values[0], 0);
  const rank = pairs.values.filter((value) => value > floor).length;
  const held = { values: pairs.values.slice(0, rank), vectors: pairs.vectors.slice(0, rank) };
  const cliffs = rank ? findCliffs(held.values) : [];
  const leading = Math.min(rank, Math.max(n, cliffs.at(-1)?.stop ?? 0));
  const top = { values: held.values.slice(0, leading), vectors: held.vectors.slice(0, leading) };
  const aligned = alignments(network, sums, data, top, "own");
  const byChance = alignments(network, sums, data, top, "shuffled");
  const best = (rows, i) => rows.reduce((most, row) => Math.max(most, row[i]), 0);
  const features = Array.from({ length: n }, (_, i) => {
    let own = 0;
    for (let h = 0; h < m; h++) own += weight[h * n + i] ** 2;
    const [alignment, shuffled] = [best(aligned, i), best(byChance, i)];
    return {
      kept: own >= 0.75, length: Math.sqrt(own), alignment, shuffled,
      found: alignment > 0.5 && shuffled <= 0.5, rank: aligned.findIndex((row) => row[i] === alignment),
    };
  });
  return { values: held.values, cliffs, leading, aligned, features };
}
