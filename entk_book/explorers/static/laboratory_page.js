// On the book's front page: takes the place of the still picture, and keeps its settings
// in the address. A classic script, without imports: those are refused from a file.

document.addEventListener("DOMContentLoaded", () => {
  const picture = document.querySelector("#fig-laboratory img");
  if (!picture) return;
  const place = document.createElement("div");
  const given = () => fromHash(window.location.hash);
  const share = (settings) => {
    window.location.replace(`#${asHash(settings)}`);
    return window.location.href;
  };
  const restore = laboratory(place, given(), { changed: () => {}, share });
  // Only now: a laboratory that fails leaves the picture where it is.
  (picture.closest("a") ?? picture).replaceWith(place);
  window.addEventListener("hashchange", () => {
    if (window.location.hash.includes("features=")) restore(given());
  });
});
