"use strict";

// Everything is made with textContent: no name from a suite is ever read as HTML.

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function svg(tag, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// The heading of a group of rows: one cell as wide as the table.

const isHeading = (row) => row.cells.length === 1 && row.cells[0].colSpan > 1;

// Tables: the last row of the head sorts, also cells of rows above it that reach down to it.

function sortableHeads(table) {
  const rows = [...table.tHead.rows];
  const taken = rows.map(() => []);
  const found = [];
  rows.forEach((row, at) => {
    let column = 0;
    for (const cell of row.cells) {
      while (taken[at][column]) column += 1;
      for (let down = at; down < Math.min(rows.length, at + cell.rowSpan); down += 1)
        for (let across = column; across < column + cell.colSpan; across += 1) taken[down][across] = true;
      if (at + cell.rowSpan >= rows.length && cell.colSpan === 1 && cell.textContent.trim()) found.push([cell, column]);
      column += cell.colSpan;
    }
  });
  return found;
}

const words = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

function compare(column, direction) {
  const key = (row) => {
    const cell = row.cells[column];
    if (cell === undefined) return null;
    if (!("value" in cell.dataset)) return cell.textContent.trim();
    return cell.dataset.value === "" ? null : Number(cell.dataset.value);
  };
  return (first, second) => {
    const [a, b] = [key(first), key(second)];
    if (a === null || b === null) return (a === null) - (b === null); // what has no number is last either way
    return direction * (typeof a === "number" && typeof b === "number" ? a - b : words.compare(a, b));
  };
}

function makeSortable(table) {
  const original = [...table.tBodies].map((body) => [...body.rows]);
  const heads = sortableHeads(table);
  for (const [head, column] of heads) {
    const button = element("button", { type: "button" }, ...head.childNodes);
    head.append(button);
    head.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const next = { none: "ascending", ascending: "descending", descending: "none" }[head.getAttribute("aria-sort")];
      for (const [other] of heads) other.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", next);
      [...table.tBodies].forEach((body, at) => {
        const headings = original[at].filter(isHeading);
        const rows = original[at].filter((row) => !isHeading(row));
        if (next !== "none") rows.sort(compare(column, next === "ascending" ? 1 : -1));
        body.append(...(next === "none" ? original[at] : [...headings, ...rows]));
      });
    });
  }
}

const FILTERED = 4; // rows from which a table is filtered: fewer are seen at a glance

function makeFilterable(table, number) {
  const all = [...table.tBodies].flatMap((body) => [...body.rows]);
  const [headings, rows] = [all.filter(isHeading), all.filter((row) => !isHeading(row))];
  if (rows.length < FILTERED) return;
  const heading = (row) => headings.find((other) => other.parentNode === row.parentNode);
  const text = (row) => [...row.cells].map((cell) => cell.textContent).join(" ").toLowerCase();
  const texts = rows.map((row) => (heading(row) ? `${text(heading(row))} ${text(row)}` : text(row)));
  const id = `filter-${number}`;
  const input = element("input", { type: "search", id, autocomplete: "off", spellcheck: "false" });
  const count = element("span", { role: "status" });
  const box = element("div", { class: "filter" }, element("label", { for: id }, "Filter rows"), input, count);
  const show = () => {
    const asked = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, at) => {
      row.hidden = !asked.every((word) => texts[at].includes(word));
      shown += !row.hidden;
    });
    for (const row of headings) row.hidden = !rows.some((other) => heading(other) === row && !other.hidden);
    box.classList.toggle("narrowed", asked.length > 0);
    count.textContent = asked.length ? `${shown} of ${rows.length} rows with “${input.value.trim()}”` : `${rows.length} rows`;
  };
  input.addEventListener("input", show);
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !input.value) return;
    event.preventDefault();
    input.value = "";
    show();
  });
  show();
  (table.closest(".wide") ?? table).before(box);
}

function copyButton(code) {
  const button = element("button", { type: "button", class: "button" }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code); // no clipboard here: selected, so that a key copies it
      button.textContent = "Selected";
    }
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
  return button;
}

function command(text) {
  const code = element("code", {}, text);
  return element("div", { class: "command" }, element("pre", {}, code), copyButton(code));
}

// One run, from the records that the page holds.

function number(value) {
  return Number(value.toPrecision(4)).toString();
}

function curve(label, unit, epochs, values) {
  const [width, height, left, right, top, bottom] = [280, 130, 42, 8, 8, 20];
  const known = values.map((value, at) => [epochs[at], value]).filter(([, value]) => value !== null);
  const ends = (list) => [Math.min(...list), Math.max(...list)];
  const [first, last] = ends(epochs);
  let [low, high] = ends(known.map(([, value]) => value));
  if (low === high) [low, high] = [low - (Math.abs(low) / 10 || 1), high + (Math.abs(high) / 10 || 1)];
  const x = (epoch) => left + ((width - left - right) * (epoch - first)) / (last - first || 1);
  const y = (value) => top + ((height - top - bottom) * (high - value)) / (high - low);
  const told = `${label}: ${number(known[0][1])}${unit} in epoch ${known[0][0]}, ` +
    `${number(known.at(-1)[1])}${unit} in epoch ${known.at(-1)[0]}`;
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": told });
  for (const value of [low, (low + high) / 2, high]) {
    drawing.append(svg("line", { x1: left, x2: width - right, y1: y(value), y2: y(value) }));
    drawing.append(svg("text", { x: left - 5, y: y(value) + 3.5, "text-anchor": "end" }, number(value)));
  }
  for (const [epoch, anchor] of first === last ? [[first, "start"]] : [[first, "start"], [last, "end"]])
    drawing.append(svg("text", { x: x(epoch), y: height - 5, "text-anchor": anchor }, `epoch ${epoch}`));
  const path = known.map(([epoch, value], at) => `${at ? "L" : "M"}${x(epoch).toFixed(1)} ${y(value).toFixed(1)}`);
  drawing.append(svg("path", { d: path.join("") }));
  drawing.append(svg("circle", { cx: x(known.at(-1)[0]), cy: y(known.at(-1)[1]), r: 2.6 }));
  const title = element("div", { class: "curve-title" }, unit ? `${label} (${unit})` : label);
  return element("div", {}, title, drawing);
}

function facts(pairs) {
  const body = element("tbody");
  for (const [name, value] of pairs)
    body.append(element("tr", {}, element("th", { scope: "row" }, name), element("td", { class: "text" }, String(value))));
  return element("div", { class: "wide" }, element("table", { class: "facts" }, body));
}

function tests(run, records) {
  const protocols = Object.keys(run.tests);
  const head = element("tr", {}, ...["metric", ...protocols].map((name) => element("th", { scope: "col" }, name)));
  const body = element("tbody");
  records.metrics.forEach(([label, unit], at) => {
    const cells = protocols.map((protocol) => run.tests[protocol][at] ?? []);
    if (!cells.some((cell) => cell.length)) return;
    const shown = cells.map(([value, low, high]) => {
      if (value === undefined) return "–";
      return high === undefined ? number(value) : `${number(value)} [${number(low)}, ${number(high)}]`;
    });
    const name = element("th", { scope: "row" }, unit ? `${label} (${unit})` : label);
    body.append(element("tr", {}, name, ...shown.map((text) => element("td", {}, text))));
  });
  const caption = element("caption", {}, "On each protocol, with the 95 % interval over its pairs or folds where there is one.");
  const table = element("table", {}, caption, element("thead", {}, head), body);
  return element("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "Tests" }, table);
}

function runBody(id, run, records) {
  const body = element("div", { class: "run-body" });
  const part = (title, ...children) => body.append(element("h3", {}, title), ...children);
  const state = element("span", { class: `state ${run.status}` }, run.status);
  body.append(element("p", { class: "quiet" }, state, ` · seed ${run.seed} · run `, element("code", {}, id)));
  if (run.error) body.append(element("p", { class: "warning" }, run.error));
  if (run.curves.epoch) {
    const drawn = element("div", { class: "curves" });
    for (const [name, [label, unit]] of Object.entries(records.curves))
      if (run.curves[name]) drawn.append(curve(label, unit, run.curves.epoch, run.curves[name]));
    part("Curves", drawn);
  }
  if (Object.keys(run.tests).length) part("Tests", tests(run, records));
  const fields = records.fields.map((name, at) => [name, run.config[at]]).filter(([, at]) => at >= 0);
  part("Configuration", facts(fields.map(([name, at]) => [name, records.values[at]])));
  if (run.facts && Object.keys(run.facts).length) part("Outcome", facts(Object.entries(run.facts).map(([name, value]) => [name.replaceAll("_", " "), value])));
  if (run.environment !== undefined) {
    const environment = JSON.parse(records.environments[run.environment]);
    part("Environment", facts(Object.entries(environment).map(([name, value]) => [name.replaceAll("_", " "), value])));
  }
  if (run.events.length) part("Events", element("pre", {}, run.events.join("\n")));
  if (run.traceback) part("Where it failed", element("pre", {}, run.traceback));
  part("End of the log", run.log ? element("pre", {}, run.log) : element("p", { class: "quiet" }, "Nothing was logged."));
  part("To reproduce", element("p", { class: "quiet" }, "Trains this run again, elsewhere, and compares bit for bit."), command(`${records.command} ${id}`));
  return body;
}

function neighbours(id) {
  const rows = [...document.querySelectorAll('tr[id^="run-"]')].filter((row) => !row.hidden);
  const at = rows.findIndex((row) => row.id === `run-${id}`);
  const key = (row) => row?.id.slice(4);
  return at < 0 ? [] : [key(rows[at - 1]), key(rows[at + 1])];
}

function makeRunView(dialog, records) {
  let came = null;
  const go = (id) => history.replaceState(null, "", `#run-${id}`);
  const show = (id) => {
    const run = records.runs[id];
    const title = element("h2", { id: "run-title", tabindex: "-1" }, run.name);
    const [before, after] = neighbours(id);
    const buttons = [["Previous", before], ["Next", after]].map(([text, other]) => {
      const button = element("button", { type: "button", class: "button" }, text);
      button.disabled = other === undefined;
      button.addEventListener("click", () => { go(other); show(other); });
      return button;
    });
    const close = element("button", { type: "button", class: "button" }, "Close");
    close.addEventListener("click", () => dialog.close());
    const head = element("div", { class: "run-head" }, title, element("div", { class: "run-buttons" }, ...buttons, close));
    dialog.replaceChildren(head, runBody(id, run, records));
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
    title.focus();
  };
  const follow = () => {
    const id = location.hash.startsWith("#run-") ? location.hash.slice(5) : "";
    if (Object.hasOwn(records.runs, id)) show(id);
    else if (dialog.open) dialog.close();
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.('a[href^="#run-"]');
    if (!link) return;
    came = link;
    if (link.hash === location.hash) follow(); // the address does not change then, so nothing else would tell
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("close", () => {
    if (location.hash.startsWith("#run-")) history.replaceState(null, "", location.pathname + location.search);
    came?.focus({ preventScroll: true });
  });
  addEventListener("hashchange", follow);
  follow();
}

function makeFigures() {
  for (const link of document.querySelectorAll("a[data-from-image]"))
    link.href = link.closest("figure").querySelector("img").src;
  addEventListener("keydown", (event) => {
    const figure = document.querySelector("figure:target");
    if (event.key !== "Escape" || !figure || document.querySelector("dialog[open]")) return;
    location.hash = "#figures";
    figure.querySelector("a").focus({ preventScroll: true });
  });
}

function reloadAfter(seconds) {
  const busy = () => document.querySelector("dialog[open], figure:target, .filter.narrowed, th[aria-sort$='scending']");
  setInterval(() => { if (!busy()) location.reload(); }, 1000 * seconds);
}

document.querySelectorAll("table.sortable").forEach((table, at) => {
  if (!table.tHead || !table.tBodies.length) return;
  makeSortable(table);
  makeFilterable(table, at);
});
document.querySelectorAll("main .command code").forEach((code) => code.closest(".command").append(copyButton(code)));
makeFigures();
const held = document.getElementById("run-records");
if (held) makeRunView(document.getElementById("run-view"), JSON.parse(held.textContent));
if (document.body.dataset.refresh) reloadAfter(Number(document.body.dataset.refresh));
