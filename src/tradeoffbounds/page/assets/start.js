// Paper: everything unfolded, light colours, charts no wider than a page.

function startPrinting() {
  let unfolded = [];
  const before = () => {
    if (onPaper) return;
    onPaper = true;
    unfolded = [...document.querySelectorAll("details:not([open])")];
    for (const each of unfolded) each.open = true;
    drawAll();
  };
  const after = () => {
    if (!onPaper) return;
    onPaper = false;
    for (const each of unfolded) each.open = false;
    drawAll();
  };
  window.addEventListener("beforeprint", before);
  window.addEventListener("afterprint", after);
  window.matchMedia("print").addEventListener("change", (event) => (event.matches ? before() : after()));
}

startCharts();
for (const element of document.querySelectorAll("[data-explorer]")) startExplorer(element);
startTables();
startNotes();
startPrinting();
document.documentElement.dataset.ready = "true";
