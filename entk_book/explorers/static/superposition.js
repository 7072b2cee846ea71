
function render({ model, el }) {
  return explorer(model, el, "Superposition explorer", ({ dials, panels, status, spec, arrays }) => {
    const chosen = [...spec.start];
    const n = arrays["trained eigenvalues"].shape.at(-1);
    const features = arrays["trained alignment"].shape.at(-1);
    spec.dials.forEach(({ label, texts }, axis) => {
      slider(dials, label, texts, chosen[axis], (index) => {
        chosen[axis] = index;
        draw();
      });
    });

    const spectrumBox = panel(panels, "Spectrum of the flattened kernel");
    const positive = arrays["trained eigenvalues"].values.filter((v) => v > 1e-7);
    const least = positive.reduce((low, value) => Math.min(low, value), 1);
    const lowest = Math.max(1e-6, 10 ** Math.floor(Math.log10(least)));
    const plot = new Plot(spectrumBox, {
      x: [0, n + 1], y: [lowest, 1], logY: true,
      xLabel: "rank of eigenvalue", yLabel: "eigenvalue / largest",
    });
    legend(spectrumBox, [["blue", "trained"], ["orange", "untrained", "square"], ["red", "cliff after", "5 4"]]);

    const heatmapBox = panel(panels, "Alignment, eigenvectors down, features across");
    const frame = element(heatmapBox, "div", { class: "heatmap" });
    const canvas = element(frame, "canvas", { role: "img" });
    const scale = element(heatmapBox, "p", { class: "legend" });
    element(scale, "span", {}, "|cosine| 0 ");
    element(scale, "span", { class: "ramp", "aria-hidden": "true" });
    element(scale, "span", {}, " 1");

    const stops = (state) => [...part(arrays[`${state} cliffs`], ...chosen)].filter((stop) => stop > 0);
    const list = (state) => stops(state).join(", ") || "none";

    function draw() {
      plot.points("untrained", "orange", part(arrays["untrained eigenvalues"], ...chosen), true);
      plot.points("trained", "blue", part(arrays["trained eigenvalues"], ...chosen));
      plot.upright("cliffs", "red", stops("trained").map((stop) => ({ at: stop + 0.5, text: String(stop) })));
      paint(canvas, part(arrays["trained alignment"], ...chosen), features, sequential);
      const kept = part(arrays.reconstructed, chosen[0], chosen[1])[0];
      const passing = part(arrays["trained passing"], ...chosen)[0];
      const before = part(arrays["untrained passing"], ...chosen)[0];
      const cliffs = `cliffs after: ${list("trained")} (untrained: ${list("untrained")})`;
      const found = `${passing} features align above 0.5 (untrained: ${before})`;
      status.textContent = `${kept} of ${features} features reconstructed; ${found}; ${cliffs}.`;
      plot.tell(`Eigenvalues on a logarithmic scale; ${cliffs}.`);
      canvas.setAttribute("aria-label", `Alignment of ${features} eigenvectors with ${features} features; ${found}.`);
    }
    draw();
  });
}

export default { render };
