// Headings sort their column; arrow keys move between a table's numbers, so that Tab leaves it after one stop.

function orderOf(row, column) {
  const given = row.cells[column].dataset.order;
  if (given === undefined) return null;
  const number = Number(given.replace(/^(-?)inf$/, "$1Infinity"));
  return Number.isNaN(number) ? given : number;
}

function compare(first, second) {
  if (typeof first === "number" && typeof second === "number") return first - second;
  return String(first).localeCompare(String(second), "en");
}

function sortBy(table, column, descending) {
  const body = table.tBodies[0];
  const known = [];
  const unknown = [];
  for (const row of body.rows) {
    const order = orderOf(row, column);
    (order === null ? unknown : known).push({ row, order });
  }
  known.sort((a, b) => (descending ? -1 : 1) * compare(a.order, b.order));
  body.append(...known.map(({ row }) => row), ...unknown.map(({ row }) => row));
}

function startSorting(table) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    heading.querySelector(".sort")?.addEventListener("click", () => {
      const descending = heading.getAttribute("aria-sort") === "ascending";
      sortBy(table, column, descending);
      for (const each of headings) each.setAttribute("aria-sort", "none");
      heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
    });
  });
}

const STEPS = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };

function startMoving(table) {
  const numbers = [...table.tBodies[0].querySelectorAll("button.number")];
  numbers.forEach((button, place) => { button.tabIndex = place === 0 ? 0 : -1; });
  table.tBodies[0].addEventListener("keydown", (event) => {
    const step = STEPS[event.key];
    const cell = event.target.closest("td, th");
    if (!step || !event.target.matches("button.number") || !cell) return;
    event.preventDefault();
    let [row, column] = [cell.parentElement.sectionRowIndex, cell.cellIndex];
    for (;;) {
      [row, column] = [row + step[0], column + step[1]];
      const next = table.tBodies[0].rows[row]?.cells[column];
      if (!next) return;
      const button = next.querySelector("button.number");
      if (button) {
        event.target.tabIndex = -1;
        button.tabIndex = 0;
        button.focus();
        return;
      }
    }
  });
}

function startTables() {
  for (const table of document.querySelectorAll("table:not(.plain)")) {
    startSorting(table);
    startMoving(table);
  }
}
