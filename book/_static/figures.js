// Figures wait until the reader comes near them. A page on a laptop may be printed, or read on
// without a network: there, once all else is done, the others are asked for as well.

addEventListener("load", () => {
  if (matchMedia("(max-width: 800px)").matches) return;
  setTimeout(() => {
    document.querySelectorAll("img[loading=lazy]").forEach((image) => { image.loading = "eager"; });
  }, 2000);
});
