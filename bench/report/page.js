// Lets a reader read the points of a figure off: by pointer, touch, or focus and arrow keys.
"use strict";
for (const store of document.querySelectorAll(".panel > script")) {
  const { names, marks } = JSON.parse(store.textContent);
  const panel = store.parentElement, svg = panel.querySelector("svg");
  const order = marks.map((_, i) => i).sort((a, b) => marks[a][0] - marks[b][0] || a - b);
  const cursor = document.createElementNS(svg.namespaceURI, "circle");
  const reading = document.createElement("dl");
  let at = -1;

  function show(place) {
    at = place;
    const [x, y, kind, values] = marks[order[at]];
    cursor.setAttribute("cx", x);
    cursor.setAttribute("cy", y);
    cursor.removeAttribute("visibility");
    reading.replaceChildren(...names[kind].flatMap((name, i) => {
      const term = document.createElement("dt"), value = document.createElement("dd");
      term.textContent = name;
      value.textContent = values[i];
      return [term, value];
    }));
    // The page below stays where it is when the next point has less to say.
    reading.style.minHeight = `${reading.offsetHeight}px`;
  }

  function nearest(event) {
    const box = svg.getBoundingClientRect(), view = svg.viewBox.baseVal;
    const x = (event.clientX - box.left) * view.width / box.width;
    const y = (event.clientY - box.top) * view.height / box.height;
    const far = order.map(i => (marks[i][0] - x) ** 2 + (marks[i][1] - y) ** 2);
    show(far.indexOf(Math.min(...far)));
  }

  function step(event) {
    const last = order.length - 1, page = Math.max(1, Math.round(last / 20));
    const next = {
      ArrowRight: at + 1, ArrowLeft: at - 1, ArrowUp: at + 1, ArrowDown: at - 1,
      PageUp: at + page, PageDown: at - page, Home: 0, End: last,
    }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    show(Math.min(Math.max(next, 0), last));
  }

  cursor.setAttribute("class", "cursor");
  cursor.setAttribute("r", 6);
  cursor.setAttribute("visibility", "hidden");
  svg.append(cursor);
  svg.setAttribute("tabindex", 0);
  reading.className = "reading";
  reading.setAttribute("aria-live", "polite");
  const hint = document.createElement("p");
  hint.textContent = "Point here, or use the arrow keys, to read values off.";
  reading.append(hint);
  panel.classList.add("readable");
  panel.append(reading);
  svg.addEventListener("pointermove", nearest);
  svg.addEventListener("pointerdown", nearest);
  svg.addEventListener("focus", () => { if (at < 0) show(0); });
  svg.addEventListener("keydown", step);
}
