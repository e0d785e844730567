// What is folded away is printed all the same.
addEventListener("beforeprint", () => {
  for (const folded of document.querySelectorAll("details")) folded.open = true;
});

// Sorts a table by the column whose heading is pressed; once more turns the order around.
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  headings.forEach((heading, column) => {
    const isNumber = heading.classList.contains("number");
    const value = (row) => row.cells[column].dataset.sort;
    const compare = (a, b) => {
      const [x, y] = [value(a), value(b)];
      if (!isNumber) return x.localeCompare(y, "en", { numeric: true });
      const [m, n] = [parseFloat(x), parseFloat(y)];
      return isNaN(m) ? (isNaN(n) ? 0 : 1) : isNaN(n) ? -1 : m - n;
    };
    heading.querySelector("button").addEventListener("click", () => {
      const sign = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      const missing = (row) => isNumber && isNaN(parseFloat(value(row)));
      const rows = [...body.rows].sort((a, b) =>
        missing(a) || missing(b) ? compare(a, b) : sign * compare(a, b));
      headings.forEach((other) => other.setAttribute("aria-sort", "none"));
      heading.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
      body.append(...rows);
    });
  });
}
