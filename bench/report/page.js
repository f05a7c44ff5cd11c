// Lets a reader read the points of a figure off: by pointer, touch, or focus and arrow keys.
"use strict";
function copy(text) {
  return navigator.clipboard?.writeText(text).catch(() => {});
}
for (const button of document.querySelectorAll("button[data-copied]")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", () => copy(button.dataset.copied).then(() => {
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy plan"; }, 1500);
  }));
}
function unfold() {
  document.querySelector(`${location.hash || "main"} > .part`)?.setAttribute("open", "");
}
addEventListener("hashchange", unfold);
addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll(".part, .plans > details, .explained")) part.open = true;
});
unfold();
for (const store of document.querySelectorAll(".panel > script")) {
  const { names, marks, layers } = JSON.parse(store.textContent);
  const panel = store.parentElement, svg = panel.querySelector("svg");
  const order = marks.map((_, i) => i).sort((a, b) => marks[a][0] - marks[b][0] || a - b);
  const cursor = document.createElementNS(svg.namespaceURI, "circle");
  const reading = document.createElement("dl");
  let at = -1, pinned = false;

  function show(place) {
    at = place;
    const [x, y, kind, values] = marks[order[at]];
    cursor.setAttribute("cx", x);
    cursor.setAttribute("cy", y);
    cursor.removeAttribute("visibility");
    reading.replaceChildren(...names[kind].flatMap((name, i) => {
      const term = document.createElement("dt"), value = document.createElement("dd");
      term.textContent = name;
      value.textContent = readable(name, values[i]);
      return [term, value];
    }));
    // The page below stays where it is when the next point has less to say.
    reading.style.minHeight = `${reading.offsetHeight}px`;
  }

  function readable(name, value) {
    if (name !== "bits by layer" || !layers.length) return value;
    return value.split(" ").map((bits, i) => `${layers[i]} ${bits}`).join(", ");
  }

  function nearest(event) {
    if (pinned) return;
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

  function pin(event) {
    pinned = !pinned;
    panel.classList.toggle("pinned", pinned);
    if (pinned) copy([...reading.children].map(e => e.textContent + (e.tagName === "DT" ? ": " : "\n")).join(""));
    else nearest(event);
  }

  cursor.setAttribute("class", "cursor");
  cursor.setAttribute("r", 6);
  cursor.setAttribute("visibility", "hidden");
  svg.append(cursor);
  svg.setAttribute("tabindex", 0);
  reading.className = "reading";
  reading.setAttribute("aria-live", "polite");
  const hint = document.createElement("p");
  hint.textContent = "Point here, or use the arrow keys, to read values off; a click holds a point and copies it.";
  reading.append(hint);
  panel.classList.add("readable");
  panel.append(reading);
  svg.addEventListener("pointermove", nearest);
  svg.addEventListener("pointerdown", nearest);
  svg.addEventListener("click", pin);
  svg.addEventListener("focus", () => { if (at < 0) show(0); });
  svg.addEventListener("keydown", step);
}
