// What scrolls sideways in the text can be reached by keyboard, and shows that there is more.

(() => {
  const boxes = "article :is(.entk-wide, .pst-scrollable-table-container, div.highlight pre, div.math)";

  function look(box) {
    const hidden = box.scrollWidth - box.clientWidth;
    box.classList.toggle("more-right", hidden - box.scrollLeft > 8);
    if (!box.matches(".entk-wide")) return; // the theme's script does the others
    if (hidden > 4) {
      Object.assign(box, { tabIndex: 0, role: "group", ariaLabel: "Figure, scrolls sideways" });
    } else {
      ["tabindex", "role", "aria-label"].forEach((name) => box.removeAttribute(name));
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    const sizes = new ResizeObserver((changed) => changed.forEach((one) => look(one.target)));
    document.querySelectorAll(boxes).forEach((box) => {
      sizes.observe(box);
      box.addEventListener("scroll", () => look(box), { passive: true });
    });
  });
})();
