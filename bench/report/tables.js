// Lets a reader sort a table by its columns, by pointer or Enter, and filter the rows of a long one.
"use strict";
{
  const number = text => parseFloat(text.replaceAll(",", "").replace("−", "-"));
  const missing = text => text === "-" || text === "";

  function compare(a, b, numbers) {
    if (missing(a) || missing(b)) return missing(a) - missing(b);
    return numbers ? number(a) - number(b) : a.localeCompare(b, "en", { numeric: true });
  }

  function sortable(body, rows, heads) {
    const text = (row, k) => row.cells[k].textContent.trim();
    heads.forEach((head, k) => {
      const texts = rows.map(row => text(row, k)).filter(t => !missing(t));
      const numbers = texts.length > 0 && texts.every(t => !Number.isNaN(number(t)));
      function turn() {
        const order = { none: "ascending", ascending: "descending", descending: "none" }[head.ariaSort];
        heads.forEach(other => { other.ariaSort = "none"; });
        head.ariaSort = order;
        const sign = order === "descending" ? -1 : 1;
        body.append(...(order === "none" ? rows : rows.toSorted((a, b) => {
          const [s, t] = [text(a, k), text(b, k)];
          return missing(s) || missing(t) ? compare(s, t) : sign * compare(s, t, numbers);
        })));
      }
      head.tabIndex = 0;
      head.ariaSort = "none";
      head.addEventListener("click", turn);
      head.addEventListener("keydown", event => { if (event.key === "Enter") turn(); });
    });
  }

  function filterable(table, rows) {
    const box = document.createElement("input");
    box.type = "search";
    box.className = "filter";
    box.placeholder = box.ariaLabel = `Filter ${rows.length} rows`;
    box.addEventListener("input", () => {
      const words = box.value.toLowerCase().split(/\s+/);
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every(word => text.includes(word));
      }
    });
    (table.closest(".scroll") ?? table).before(box);
  }

  for (const table of document.querySelectorAll("table")) {
    const body = table.tBodies[0], rows = [...body.rows], heads = [...table.tHead.rows[0].cells];
    if (rows.length < 3 || heads.length < 3) continue;
    sortable(body, rows, heads);
    if (rows.length >= 12) filterable(table, rows);
  }
}
