// Terms of the glossary and citations say in place what they mean: on hovering, on focus, and
// on a first tap. book/notes.py stores the definitions in the page; without this script, or
// without them, the links lead where they always led.

(() => {
  const box = document.createElement("div");
  Object.assign(box, { id: "entk-note", className: "entk-note", hidden: true });
  box.setAttribute("role", "tooltip");
  let shown = null, waiting = 0, touched = false;

  function hide() {
    clearTimeout(waiting);
    shown?.removeAttribute("aria-describedby");
    shown = null;
    box.hidden = true;
  }

  // A little later, so that the pointer can move from the link into the note.
  const leave = () => { clearTimeout(waiting); waiting = setTimeout(hide, 200); };

  function show(link, fill) {
    clearTimeout(waiting);
    if (shown === link) return;
    hide();
    shown = link;
    fill();
    box.hidden = false;
    link.setAttribute("aria-describedby", box.id);
    const line = link.getClientRects()[0], page = document.documentElement;
    const left = Math.min(line.left, page.clientWidth - box.offsetWidth - 8);
    const below = line.bottom + box.offsetHeight + 6 < page.clientHeight || line.top < box.offsetHeight;
    box.style.left = `${Math.max(8, left) + scrollX}px`;
    box.style.top = `${(below ? line.bottom + 4 : line.top - box.offsetHeight - 4) + scrollY}px`;
  }

  function prepare(link, terms) {
    const definition = terms[decodeURIComponent(link.hash.slice(1))], title = link.title;
    if (!definition && !title) return;
    const fill = () => { if (definition) box.innerHTML = definition; else box.textContent = title; };
    const open = () => show(link, fill);
    link.removeAttribute("title");
    link.classList.add("has-note");
    link.addEventListener("pointerenter", (e) => { if (e.pointerType !== "touch") open(); });
    link.addEventListener("pointerleave", (e) => { if (e.pointerType !== "touch") leave(); });
    link.addEventListener("focus", () => { if (!touched) open(); });
    link.addEventListener("blur", leave);
    link.addEventListener("click", (e) => {
      // The first tap opens the note, the second follows the link.
      if (touched && shown !== link) { e.preventDefault(); open(); }
    });
  }

  document.addEventListener("DOMContentLoaded", () => {
    const stored = document.getElementById("entk-terms");
    const terms = stored ? JSON.parse(stored.textContent) : {};
    const links = 'article a.internal:is([href*="#term-"], [href*="bibliography.html#"])';
    document.querySelectorAll(links).forEach((link) => prepare(link, terms));
    document.body.append(box);
  });
  box.addEventListener("pointerenter", () => clearTimeout(waiting));
  box.addEventListener("pointerleave", leave);
  document.addEventListener("keydown", (e) => { if (e.key === "Escape") hide(); });
  document.addEventListener("pointerdown", (e) => {
    touched = e.pointerType === "touch";
    if (shown && !box.contains(e.target) && !shown.contains(e.target)) hide();
  }, true);
})();
