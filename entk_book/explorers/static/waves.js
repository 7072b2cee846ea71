
function render({ model, el }) {
  return explorer(model, el, "Waves explorer", ({ dials, panels, status, spec, arrays }) => {
    let [span, state, index] = spec.start;
    const [, , count, waves] = arrays.powers.shape;
    const perFamily = waves / spec.families.length;
    const colors = ["orange", "purple", "blue", "green"];
    choice(dials, "eigenspace", spec.spans, span, (chosen) => {
      span = chosen;
      draw();
    });
    choice(dials, "basis", spec.states, state, (chosen) => {
      state = chosen;
      draw();
    });
    const texts = Array.from({ length: count }, (_, i) => `${i + 1} of ${count}`);
    slider(dials, "vector", texts, index, (chosen) => {
      index = chosen;
      draw();
    });

    const torusBox = panel(panels, "On all pairs: a across, b up");
    const frame = element(torusBox, "div", { class: "heatmap" });
    const canvas = element(frame, "canvas", { role: "img" });
    const scale = element(torusBox, "p", { class: "legend" });
    element(scale, "span", {}, "negative ");
    element(scale, "span", { class: "ramp diverging", "aria-hidden": "true" });
    element(scale, "span", {}, " positive");
    const powerBox = panel(panels, "Power in each wave");
    const plot = new Plot(powerBox, {
      x: [-1, waves], y: [0, 1], xLabel: `family, frequencies 1 to ${perFamily} in each`, yLabel: "share of the vector",
      xTicks: spec.families.map((name, i) => ({ at: (i + 0.5) * perFamily - 0.5, text: name })),
    });

    function draw() {
      const vector = part(arrays.vectors, span, state, index);
      const { modulus } = spec;
      // Stored with b running fastest; on the picture a runs across and b upwards.
      const rows = Float32Array.from({ length: vector.length }, (_, i) => {
        const [row, a] = [Math.floor(i / modulus), i % modulus];
        return vector[a * modulus + (modulus - 1 - row)];
      });
      paint(canvas, rows, modulus, diverging);
      const power = part(arrays.powers, span, state, index);
      spec.families.forEach((name, i) => {
        plot.bars(name, colors[i], i * perFamily, [...power.subarray(i * perFamily, (i + 1) * perFamily)]);
      });
      const best = power.indexOf(Math.max(...power));
      const wave = `${spec.families[Math.floor(best / perFamily)]}, frequency ${(best % perFamily) + 1}`;
      const total = power.reduce((sum, value) => sum + value, 0);
      const told = `strongest wave: ${wave}, with ${power[best].toFixed(2)} of the vector; all waves together ${total.toFixed(2)}`;
      status.textContent = `${spec.spans[span]}, ${spec.states[state]}, vector ${index + 1}: ${told}.`;
      canvas.setAttribute("aria-label", `Vector ${index + 1} on the torus of pairs; ${told}.`);
      plot.tell(`Power of vector ${index + 1} by family and frequency; ${told}.`);
    }
    draw();
  });
}

export default { render };
