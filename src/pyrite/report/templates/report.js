"use strict";
// The page is complete without this: it only lets tables be sorted, opens what a link leads to, and prints what is folded.

const value = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();

const asNumber = (text) => parseFloat(text.replace("−", "-").replace(/[<,\s]/g, ""));

function sort(table, heading) {
  const column = heading.cellIndex;
  const ascending = heading.getAttribute("aria-sort") === "descending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
  const numeric = heading.classList.contains("number");
  const order = (a, b) => {
    const [x, y] = [value(a, column), value(b, column)];
    return numeric ? asNumber(x) - asNumber(y) : x.localeCompare(y, "en");
  };
  const rows = [...table.tBodies[0].rows].sort((a, b) => (ascending ? order(a, b) : order(b, a)));
  table.tBodies[0].append(...rows);
}

for (const table of document.querySelectorAll("table.sortable")) {
  for (const heading of table.tHead.querySelectorAll("th")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    button.addEventListener("click", () => sort(table, heading));
    heading.append(button);
  }
}

function reveal() {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  const folded = target && target.closest("details");
  if (folded) folded.open = true;
  if (target) target.scrollIntoView();
}

window.addEventListener("hashchange", reveal);
reveal();

let opened = [];
window.addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details.case:not([open])")];
  for (const folded of opened) folded.open = true;
});
window.addEventListener("afterprint", () => {
  for (const folded of opened) folded.open = false;
});
