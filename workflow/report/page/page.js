"use strict";
// The table of patients, the cards, and what hovering says. Without this script the page still
// shows every table and chart.
const liverseg = { viewers: {}, waiting: new Map(), received: new Map() };

// A patient's data file calls this; a script tag works from disk, where browsers refuse fetch.
liverseg.receive = (name, data) => {
  liverseg.received.set(name, data);
  const waiting = liverseg.waiting.get(name);
  if (waiting) waiting.resolve(data);
};

liverseg.load = (name) => {
  if (liverseg.received.has(name)) return Promise.resolve(liverseg.received.get(name));
  if (liverseg.waiting.has(name)) return liverseg.waiting.get(name).promise;
  const waiting = {};
  waiting.promise = new Promise((resolve, reject) => Object.assign(waiting, { resolve, reject }));
  liverseg.waiting.set(name, waiting);
  const script = document.createElement("script");
  script.src = `${name}.js`;
  script.onerror = () => waiting.reject(new Error(`${name}.js is not beside this page`));
  document.head.append(script);
  return waiting.promise;
};

{
  const table = document.getElementById("table");
  const card = document.getElementById("card");
  const rows = [...table.tBodies[0].rows];
  const filters = ["split", "light", "model"].map((name) => [name, document.getElementById(`by-${name}`)]);
  const find = document.getElementById("find");

  const filter = () => {
    const words = find.value.trim().toLowerCase();
    let shown = 0;
    for (const row of rows) {
      const fits = row.cells[0].textContent.toLowerCase().includes(words)
        && filters.every(([name, choice]) => !choice.value || row.dataset[name] === choice.value);
      row.hidden = !fits;
      shown += fits;
    }
    document.getElementById("count").textContent = `${shown} of ${rows.length} shown`;
  };

  const sort = (heading) => {
    const column = heading.cellIndex;
    const ascending = heading.getAttribute("aria-sort") !== "ascending";
    const body = heading.closest("table").tBodies[0];
    const key = (row) => row.cells[column].dataset.order ?? row.cells[column].textContent.trim();
    const natural = new Intl.Collator("en", { numeric: true }).compare;
    const compare = (a, b) => {
      // What was not measured stays at the end in both directions.
      if (a === "" || b === "") return (a === "") - (b === "");
      const numbers = !isNaN(a) && !isNaN(b);
      return (numbers ? a - b : natural(a, b)) * (ascending ? 1 : -1);
    };
    for (const other of heading.parentElement.cells) other.setAttribute("aria-sort", "none");
    heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    body.append(...[...body.rows].sort((a, b) => compare(key(a), key(b))));
  };

  const open = (name, scroll) => {
    const content = [...document.querySelectorAll("template[data-card]")].find((t) => t.dataset.card === name);
    if (!content) return;
    if (liverseg.close) liverseg.close.abort();
    liverseg.close = new AbortController();
    card.replaceChildren(content.content.cloneNode(true));
    card.hidden = false;
    card.dataset.case = name;
    for (const row of rows) row.classList.toggle("chosen", row.dataset.case === name);
    for (const place of card.querySelectorAll("[data-viewer]")) {
      const viewer = liverseg.viewers[place.dataset.viewer];
      if (viewer) viewer(place, name, liverseg.close.signal);
    }
    if (scroll) card.scrollIntoView({ block: "start" });
    if (scroll) history.replaceState(null, "", `#case=${encodeURIComponent(name)}`);
  };

  const step = (by) => {
    const shown = [...table.tBodies[0].rows].filter((row) => !row.hidden);
    const here = shown.findIndex((row) => row.dataset.case === card.dataset.case);
    const next = shown[(here + by + shown.length) % shown.length];
    if (next) open(next.dataset.case, true);
  };

  const tip = document.getElementById("tip");
  const hover = (event) => {
    const mark = event.target.closest?.("[data-tip]");
    tip.hidden = !mark;
    if (!mark) return;
    const box = mark.getBoundingClientRect();
    tip.textContent = mark.dataset.tip;
    tip.style.left = `${Math.max(4, Math.min(box.right + 8, innerWidth - tip.offsetWidth - 4))}px`;
    tip.style.top = `${Math.max(4, box.top - tip.offsetHeight - 4)}px`;
  };

  find.addEventListener("input", filter);
  for (const [, choice] of filters) choice.addEventListener("change", filter);
  document.getElementById("filters").addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("mouseover", hover);
  document.addEventListener("focusin", hover);
  document.addEventListener("click", (event) => {
    const heading = event.target.closest("table.sortable thead th");
    if (heading) return sort(heading);
    const mover = event.target.closest("[data-step]");
    if (mover) return step(Number(mover.dataset.step));
    const opener = event.target.closest("#table tbody tr, svg [data-case]");
    if (opener) open(opener.dataset.case, true);
  });
  document.addEventListener("keydown", (event) => {
    const mark = event.target.closest?.("svg [data-case]");
    if (mark && event.key === "Enter") open(mark.dataset.case, true);
  });
  // The titles inside the charts are for readers without script; two tips at once would be one too many.
  for (const title of document.querySelectorAll("svg title")) title.remove();
  filter();

  addEventListener("load", () => {
    const wanted = decodeURIComponent((location.hash.match(/^#case=(.*)$/) || [])[1] || "");
    if (wanted) open(wanted, true);
    else if (rows.length) open(rows[0].dataset.case, false);
  });
}
