
function render({ model, el }) {
  return explorer(model, el, "Grokking explorer", ({ dials, panels, status, spec, arrays }) => {
    let run = 0;
    let at = spec.start;
    const steps = [...part(arrays.step, 0)];
    const colors = ["orange", "purple", "blue", "green"];
    const dashes = ["8 3 2 3", "2 3", "", "7 4"];
    choice(dials, "training", spec.runs, run, (index) => {
      run = index;
      draw();
    });
    slider(dials, "step", steps.map(String), at, (index) => {
      at = index;
      draw();
    });

    const x = [steps[0], steps.at(-1)];
    const accuracyBox = panel(panels, "Accuracy");
    const accuracy = new Plot(accuracyBox, { x, y: [0, 1], xLabel: "step", yLabel: "accuracy" });
    legend(accuracyBox, [["orange", "pairs trained on", "7 4"], ["blue", "other pairs", "line"], ["ink", "chance", "2 4"]]);
    const overlapBox = panel(panels, `Overlap of modes ${spec.first}–${spec.second - 1}`);
    const overlap = new Plot(overlapBox, {
      x, y: [0, spec.size], xLabel: "step", yLabel: `dimensions, of ${spec.size}`,
    });
    legend(overlapBox, [
      ...spec.families.map((name, i) => [colors[i], name, dashes[i] || "line"]), ["ink", "chance", "2 4"],
    ]);
    const spectrumBox = panel(panels, "Spectrum of the class-averaged kernel");
    const n = arrays.eigenvalues.shape.at(-1);
    const lowest = arrays.eigenvalues.values.reduce((low, value) => (value > 1e-7 ? Math.min(low, value) : low), 1);
    const spectrum = new Plot(spectrumBox, {
      x: [0, n + 1], y: [10 ** Math.floor(Math.log10(lowest)), 1], logY: true,
      xLabel: "rank of eigenvalue", yLabel: "eigenvalue / largest",
    });
    spectrum.upright("places", "red", [spec.first, spec.second].map((stop) => ({ at: stop + 0.5, text: String(stop) })));
    legend(spectrumBox, [["blue", "this step"], ["grey", "before training", "square"], ["red", "where cliffs may be", "5 4"]]);

    const column = (array, index) => {
      const width = array.shape.at(-1);
      return steps.map((_, step) => part(array, run, step)[index % width]);
    };

    function draw() {
      accuracy.curve("train", "orange", steps, column(arrays.accuracies, 0), "7 4");
      accuracy.curve("test", "blue", steps, column(arrays.accuracies, 1));
      accuracy.across("chance", "dotted", spec.chance.accuracy);
      spec.families.forEach((name, i) => {
        overlap.curve(name, colors[i], steps, column(arrays.overlaps, i), dashes[i]);
      });
      overlap.across("chance", "dotted", spec.chance.overlaps);
      for (const plot of [accuracy, overlap]) plot.upright("now", "now", [{ at: steps[at] }]);
      spectrum.points("untrained", "grey", part(arrays.eigenvalues, run, 0), true);
      spectrum.points("spectrum", "blue", part(arrays.eigenvalues, run, at));
      const [known, others] = part(arrays.accuracies, run, at);
      const shared = part(arrays.overlaps, run, at);
      const waves = spec.families.map((name, i) => `${name} ${shared[i].toFixed(1)}`).join(", ");
      const right = `accuracy ${known.toFixed(2)} on the pairs trained on, ${others.toFixed(2)} on others`;
      const tail = `tail dimension ${part(arrays.tail, run)[at].toFixed(0)}`;
      status.textContent = `Step ${steps[at]}: ${right}; overlap ${waves}; ${tail}.`;
      accuracy.tell(`Accuracy over training; at step ${steps[at]}: ${right}.`);
      overlap.tell(`Overlap with the four families over training; at step ${steps[at]}: ${waves}.`);
      spectrum.tell(`${n} eigenvalues at step ${steps[at]} on a logarithmic scale.`);
    }
    draw();
  });
}

export default { render };
