"use strict";
// Draws every chart, and draws it again when light, dark or paper asks for other colours.

const PAGE = JSON.parse(document.getElementById("page-data").textContent);
const DARK = window.matchMedia("(prefers-color-scheme: dark)");
const CONFIG = { displayModeBar: false, displaylogo: false, responsive: true, doubleClick: false, scrollZoom: false };

let onPaper = false;

function isDark() {
  return DARK.matches && !onPaper;
}

function rgb(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)).join(",");
}

const REPLACED = new Map();
for (const [light, dark] of Object.entries(PAGE.dark)) {
  REPLACED.set(light, dark);
  REPLACED.set(`rgba(${rgb(light)},`, `rgba(${rgb(dark)},`);
}

function recoloured(value) {
  if (typeof value === "string") {
    if (REPLACED.has(value)) return REPLACED.get(value);
    const cut = value.startsWith("rgba(") ? value.lastIndexOf(",") + 1 : 0;
    const head = value.slice(0, cut);
    return REPLACED.has(head) ? REPLACED.get(head) + value.slice(cut) : value;
  }
  if (Array.isArray(value)) return value.map(recoloured);
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, recoloured(item)]));
  }
  return value;
}

function themed(layout) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => (onPaper ? PAPER[name] : style.getPropertyValue(name).trim());
  const themedLayout = structuredClone(layout);
  themedLayout.font = { family: style.getPropertyValue("--font"), size: 12.5, color: colour("--ink") };
  themedLayout.hoverlabel = {
    bgcolor: colour("--paper"), bordercolor: colour("--soft"), font: { color: colour("--ink") }, align: "left",
  };
  for (const name of Object.keys(themedLayout).filter((each) => /^[xy]axis/.test(each))) {
    const given = themedLayout[name];
    const quiet = { gridcolor: colour("--rule"), linecolor: colour("--soft"), tickcolor: colour("--soft") };
    themedLayout[name] = { zerolinecolor: colour("--soft"), ...quiet, ...given };
  }
  return themedLayout;
}

const PAPER = { "--ink": "#000000", "--paper": "#ffffff", "--soft": "#555555", "--rule": "#dddddd" };

class ChartView {
  constructor(element) {
    this.element = element;
    this.spec = PAGE.charts[Number(element.dataset.chart)];
    this.at = null;
    this.drawn = false;
  }

  draw() {
    if (!onPaper && this.element.closest("[hidden]")) return;
    const data = structuredClone(this.spec.data);
    const { cursor } = this.spec;
    if (cursor !== null && this.at !== null) {
      cursor.traces.forEach((trace, place) => {
        data[trace].x = cursor.x[this.at][place];
        data[trace].y = cursor.y[this.at][place];
      });
    }
    const layout = themed(isDark() ? recoloured(this.spec.layout) : this.spec.layout);
    if (onPaper) Object.assign(layout, { width: Math.min(this.element.clientWidth || 640, 640), autosize: false });
    Plotly.react(this.element, isDark() ? recoloured(data) : data, layout, CONFIG);
    if (!this.drawn) hideFromReaders(this.element);
    this.drawn = true;
  }

  move(at) {
    this.at = at;
    const { cursor } = this.spec;
    if (!this.drawn || cursor === null) return;
    Plotly.restyle(this.element, { x: cursor.x[at], y: cursor.y[at] }, cursor.traces);
  }
}

// The drawing is one image with a label: its inner parts are noise to a screen reader.
function hideFromReaders(element) {
  for (const child of element.children) child.setAttribute("aria-hidden", "true");
}

const CHARTS = new Map();

function drawAll() {
  for (const view of CHARTS.values()) view.draw();
}

function startCharts() {
  for (const element of document.querySelectorAll("[data-chart]")) CHARTS.set(element, new ChartView(element));
  drawAll();
  DARK.addEventListener("change", drawAll);
  for (const folded of document.querySelectorAll("details")) {
    folded.addEventListener("toggle", () => window.dispatchEvent(new Event("resize")));
  }
}
