
function render({ model, el }) {
  return explorer(model, el, "Edits explorer", ({ dials, panels, status, spec, arrays }) => {
    let [change, frequency, at] = spec.start;
    const { strengths } = spec;
    const n = arrays.left.shape.at(-1);
    choice(dials, "what is changed", spec.changes, change, (chosen) => {
      change = chosen;
      draw();
    });
    slider(dials, "frequency", Array.from({ length: arrays.left.shape[1] }, (_, i) => String(i + 1)), frequency, (chosen) => {
      frequency = chosen;
      draw();
    });
    slider(dials, "strength", strengths.map(String), at, (chosen) => {
      at = chosen;
      draw();
    });

    const wavesBox = panel(panels, "Left of each wave of the sum");
    const waves = new Plot(wavesBox, { x: [0, n + 1], y: [-3, 3], xLabel: "frequency", yLabel: "1: as it was, 0: gone" });
    waves.across("one", "dotted", 1);
    waves.across("zero", "dotted", 0);
    legend(wavesBox, [["orange", "the frequency chosen", "square"], ["blue", "the others"]]);
    const accuracyBox = panel(panels, "Accuracy");
    const accuracy = new Plot(accuracyBox, {
      x: [strengths[0], strengths.at(-1)], y: [0, 1], xLabel: "strength", yLabel: "accuracy",
    });
    legend(accuracyBox, [["orange", "pairs trained on", "7 4"], ["blue", "other pairs", "line"]]);

    function draw() {
      const left = [...part(arrays.left, change, frequency, at)];
      const others = left.filter((_, i) => i !== frequency);
      waves.points("others", "blue", left.map((value, i) => (i === frequency ? NaN : value)));
      waves.points("chosen", "orange", left.map((value, i) => (i === frequency ? value : NaN)), true);
      const pairs = strengths.map((_, i) => part(arrays.accuracies, change, frequency, i));
      accuracy.curve("train", "orange", strengths, pairs.map(([train]) => train), "7 4");
      accuracy.curve("test", "blue", strengths, pairs.map(([, test]) => test));
      accuracy.upright("now", "now", [{ at: strengths[at] }]);
      const length = Math.abs(strengths[at]) * part(arrays.length, change)[frequency];
      const [train, test] = pairs[at];
      const cubic = ((1 - strengths[at] / 3) ** 3).toFixed(2);
      const expected = change === 0 ? ` (degree three says ${cubic})` : "";
      const kept = `${left[frequency].toFixed(2)} of frequency ${frequency + 1} is left${expected}`;
      const [least, most] = [Math.min(...others).toFixed(2), Math.max(...others).toFixed(2)];
      const rest = `of the others ${least === most ? least : `${least} to ${most}`}`;
      const right = `accuracy ${train.toFixed(2)} on the pairs trained on, ${test.toFixed(2)} on others`;
      status.textContent = `A change of ${(100 * length).toFixed(0)} % of the parameters' length: ${kept}, ${rest}; ${right}.`;
      waves.tell(`What is left of ${n} waves: ${kept}, ${rest}.`);
      accuracy.tell(`Accuracy over strength; at ${strengths[at]}: ${right}.`);
    }
    draw();
  });
}

export default { render };
