// A slider looks numbers up; it computes none.

const SPOKEN_AFTER = 500;

function valueNodes([text, interval, kind, remark, note]) {
  const nodes = [];
  const add = (name, className, content) => {
    const node = document.createElement(name);
    node.className = className;
    node.textContent = content;
    nodes.push(node, " ");
    return node;
  };
  if (note === null) {
    add("span", "number", text);
  } else {
    const button = add("button", "number", text);
    button.type = "button";
    button.dataset.note = note;
    button.setAttribute("aria-describedby", `note-${note}`);
  }
  if (interval) add("span", "interval", interval);
  if (kind) add("span", `kind kind-${kind}`, kind);
  if (remark) add("span", "remark", remark);
  return nodes;
}

class ChoiceView {
  constructor(element, choice, symbol, say) {
    Object.assign(this, { element, choice, symbol, say, at: choice.start });
    this.slider = element.querySelector("input[type=range]");
    this.position = element.querySelector(".position");
    this.places = [...element.querySelectorAll("[data-line]")];
    this.buttons = [...element.querySelectorAll("[data-at]")];
    this.slider?.addEventListener("input", () => this.move(Number(this.slider.value)));
    for (const button of this.buttons) button.addEventListener("click", () => this.move(Number(button.dataset.at)));
    // A browser may have kept the slider of an earlier visit.
    if (this.slider) this.slider.value = String(this.at);
    this.show();
  }

  move(at) {
    this.at = at;
    if (this.slider) this.slider.value = String(at);
    this.show();
    for (const place of this.places) place.replaceChildren(...valueNodes(this.choice.lines[place.dataset.line][at]));
    this.say(() => this.sentence());
  }

  show() {
    const position = this.choice.positions[this.at];
    this.position.textContent = position;
    this.slider?.setAttribute("aria-valuetext", `${this.symbol} = ${position}`);
    for (const button of this.buttons) button.setAttribute("aria-pressed", String(Number(button.dataset.at) === this.at));
    for (const chart of this.element.querySelectorAll("[data-chart]")) CHARTS.get(chart)?.move(this.at);
  }

  sentence() {
    const cards = [...this.element.querySelectorAll(".card")].map((card) => {
      const [text, interval, kind] = this.choice.lines[card.querySelector("[data-line]").dataset.line][this.at];
      const title = card.querySelector("h3, h4").textContent;
      const label = card.querySelector("dt").textContent;
      return `${title}, ${label}: ${text}${interval ? ` (${interval})` : ""} ${kind}`;
    });
    return `${this.symbol} = ${this.choice.positions[this.at]}. ${cards.join(". ")}.`;
  }
}

function startExplorer(element) {
  const spec = PAGE.explorers[Number(element.dataset.explorer)];
  const status = element.querySelector("[role=status]");
  let waiting = 0;
  // Said when the slider rests, not at every step.
  const say = (sentence) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => { status.textContent = sentence(); }, SPOKEN_AFTER);
  };
  const parts = [...element.querySelectorAll("[data-choice]")];
  const views = parts.map((part, place) => new ChoiceView(part, spec.choices[place], spec.symbol, say));
  const select = element.querySelector("select");
  if (!select) return;
  select.value = "0";
  select.addEventListener("change", () => {
    const chosen = Number(select.value);
    parts.forEach((part, place) => { part.hidden = place !== chosen; });
    for (const chart of parts[chosen].querySelectorAll("[data-chart]")) CHARTS.get(chart).draw();
    say(() => `${select.options[chosen].text}. ${views[chosen].sentence()}`);
  });
}
