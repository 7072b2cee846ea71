// Makes the explorers of a page work without a kernel: reads the state that the notebook
// stores, and lets each explorer's own module take the place of its static figure.

(() => {
  const bytes = (base64) => new DataView(Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)).buffer);

  async function start({ state, buffers = [] }) {
    const figure = document.getElementById(state.figure_name);
    const picture = figure?.querySelector("img");
    if (!picture || !state._esm) return;
    const values = { ...state };
    for (const { path: [name], data } of buffers) values[name] = bytes(data);
    const model = {
      get: (name) => values[name],
      on: () => {},
      off: () => {},
    };
    const style = document.createElement("style");
    style.textContent = state._css;
    document.head.append(style);
    const source = URL.createObjectURL(new Blob([state._esm], { type: "text/javascript" }));
    const place = document.createElement("div");
    (await import(source)).default.render({ model, el: place });
    // Only now: an explorer that fails leaves the picture where it is.
    (picture.closest("a") ?? picture).replaceWith(place);
  }

  document.addEventListener("DOMContentLoaded", () => {
    const stored = document.querySelector('script[type="application/vnd.jupyter.widget-state+json"]');
    if (!stored) return;
    Object.values(JSON.parse(stored.textContent).state).forEach(start);
  });
})();
