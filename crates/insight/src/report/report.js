"use strict";
for (const box of document.querySelectorAll(".search")) {
  const input = box.querySelector("input"), output = box.querySelector("output");
  const rows = [...box.parentElement.querySelectorAll("tbody tr")];
  const texts = rows.map(row => row.textContent.normalize().toLocaleLowerCase());
  input.addEventListener("input", () => {
    const wanted = input.value.trim().normalize().toLocaleLowerCase();
    let count = 0;
    rows.forEach((row, index) => {
      row.hidden = !texts[index].includes(wanted);
      count += row.hidden ? 0 : 1;
    });
    output.textContent = wanted ? `${count} of ${rows.length} rows` : "";
  });
  box.hidden = false;
}
const number = text => {
  const value = parseFloat(text.replaceAll(",", ""));
  return Number.isNaN(value) ? -1 : value;
};
for (const table of document.querySelectorAll("table.classes")) {
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const up = head.ariaSort === "descending" || (!head.ariaSort && !head.classList.contains("number"));
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const text = row => row.cells[column].textContent;
      const compare = head.classList.contains("number")
        ? (a, b) => number(text(a)) - number(text(b))
        : (a, b) => text(a).localeCompare(text(b));
      body.append(...[...body.rows].sort((a, b) => (up ? 1 : -1) * compare(a, b)));
    });
  });
}
