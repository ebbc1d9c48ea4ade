// Give each cell of a wide table the heading of its column, which website.css shows on a telephone.
document.addEventListener("DOMContentLoaded", () => {
  for (const table of document.querySelectorAll("table.docutils")) {
    const headings = [...table.querySelectorAll("thead th")].map((cell) => cell.textContent.trim());
    if (headings.length < 3) continue;
    table.classList.add("stacked");
    for (const row of table.querySelectorAll("tbody tr")) {
      [...row.cells].forEach((cell, column) => {
        cell.dataset.heading = headings[column];
        cell.classList.toggle("empty", !cell.textContent.trim());
      });
    }
  }
});
