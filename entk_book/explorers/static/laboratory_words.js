// What the laboratory says: its settings in an address, and in words what is seen.

const DIALS = {
  sparsity: { label: "sparsity", values: [0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.93, 0.95, 0.97, 0.99] },
  features: { label: "features", values: [5, 6, 7, 8, 9, 10, 11, 12] },
  hidden: { label: "hidden units", values: [2, 3, 4] },
  decay: { label: "importance decay", values: [0.5, 0.7, 0.8, 0.9, 0.95, 1] },
  rate: { label: "step size", values: [0.001, 0.003, 0.01, 0.03, 0.1, 10] },
  start: { label: "random start", values: Array.from({ length: 30 }, (_, i) => i) },
};
const FIRST = { features: 5, hidden: 2, sparsity: 0.95, decay: 1, rate: 0.01, start: 6 };

/** As an address's hash: features=5&hidden=2&... */
const asHash = (settings) => Object.keys(FIRST).map((name) => `${name}=${settings[name]}`).join("&");

/** Settings out of a hash; what is missing or not on its dial is as at first. */
function fromHash(hash) {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  const settings = { ...FIRST };
  for (const name of Object.keys(FIRST)) {
    const value = Number(given.get(name) ?? NaN);
    if (DIALS[name].values.includes(value)) settings[name] = value;
  }
  return settings;
}

const counted = (number) => number.toLocaleString("en-GB");
const REGULAR = { 3: "a triangle", 4: "a square", 5: "a pentagon", 6: "a hexagon", 7: "a heptagon" };

/** The shape that the kept features' directions make, if it has a name. */
function shape({ n, m, weight }, features) {
  const kept = features.flatMap((f, i) => (f.kept ? [i] : []));
  const cosine = (i, j) => {
    let dot = 0;
    for (let h = 0; h < m; h++) dot += weight[h * n + i] * weight[h * n + j];
    return dot / (features[i].length * features[j].length);
  };
  if (m === 2) {
    const angles = kept.map((i) => Math.atan2(weight[n + i], weight[i])).sort((a, b) => a - b);
    const even = (2 * Math.PI) / kept.length;
    const gaps = angles.map((a, k) => (k ? a - angles[k - 1] : a + 2 * Math.PI - angles.at(-1)));
    if (gaps.every((gap) => Math.abs(gap - even) < 0.25 * even)) return REGULAR[kept.length];
    return undefined;
  }
  const pairs = kept.flatMap((i) => kept.filter((j) => j > i).map((j) => cosine(i, j)));
  if (kept.length === m + 1 && pairs.every((c) => Math.abs(c + 1 / m) < 0.2)) return m === 3 ? "a tetrahedron" : "a simplex";
  const opposite = pairs.filter((c) => c < -0.85).length;
  const square = pairs.filter((c) => Math.abs(c) < 0.25).length;
  if (kept.length === 2 * m && opposite === m && opposite + square === pairs.length) {
    return m === 3 ? "an octahedron" : "opposite pairs";
  }
  return undefined;
}

/** How many features are kept, and as what. */
function keptWords({ network, measured }) {
  const { n, m } = network;
  const kept = measured.features.filter((f) => f.kept).length;
  const units = `${m} hidden units`;
  if (kept === 0) return `No feature is kept in ${units}.`;
  const named = shape(network, measured.features);
  const how = named ? `: ${named}` : kept > m ? ": more than there are units" : "";
  return `${units}, ${kept === n ? `all ${n}` : `${kept} of ${n}`} features kept${how}.`;
}

/** Which features the eigenvectors find, and where the spectrum falls. */
function foundWords({ measured: { values, cliffs, leading, features } }) {
  if (!values.length) return "Every output is closed: the kernel is zero, and nothing more is learned.";
  const found = features.filter((f) => f.found).length;
  const byMeans = features.filter((f) => f.alignment > 0.5 && !f.found).length;
  const stop = cliffs.at(-1)?.stop;
  const where = cliffs.length ? `Cliff after ${cliffs.map((c) => c.stop).join(" and ")}` : "No cliff";
  const which = stop === leading ? `the ${leading} eigenvectors above it` : `the first ${leading} eigenvectors`;
  const all = found === features.length ? `all ${found} features` : `${found || "none"} of ${features.length} features`;
  const means = byMeans ? ` (${byMeans} align, but on shuffled samples as well)` : "";
  return `${where}; ${which} find ${all}${means}.`;
}

/** What the dials' ends do to the data. */
function dataWords({ settings, data }) {
  const missing = [...data.lengths].flatMap((length, i) => (length ? [] : [i + 1]));
  if (missing.length) return ` No sample has feature ${missing.join(" or ")}.`;
  if (settings.sparsity === 0) return " Every sample has every feature.";
  return settings.sparsity >= 0.99 ? ` ${counted(data.blank)} of ${counted(SAMPLES)} samples are empty.` : "";
}

/** The line below the pictures. */
function words(state) {
  if (state.diverged) {
    return `Stopped at step ${counted(state.step)}: the loss has run away, the steps are too large. Turn "step size" down.`;
  }
  const when = state.step ? `Step ${counted(state.step)}.` : "Untrained.";
  return `${when} ${keptWords(state)} ${foundWords(state)}${dataWords(state)}`;
}
