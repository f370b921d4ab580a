// Elements, numbers and tables. Text only ever enters the page through text nodes, so names cannot become markup.
const DATA = JSON.parse(document.getElementById("data").textContent);
const SVG = "http://www.w3.org/2000/svg";
const TITLES = { bbox: "Boxes", segm: "Masks", boundary: "Boundaries" };
const KINDS = ["correct", "wrong class", "inexact", "both", "duplicate", "background", "not found", "ignored"];
const KIND_KEYS = ["correct", "classification", "localisation", "both", "duplicate", "background", "missed", "ignored"];
const ERRORS = [1, 2, 3, 4, 5, 6];
const SIZES = ["", "small", "medium", "large"];
const state = { kind: DATA.main };

function el(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function svg(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

const colour = (kind) => `var(--k${kind})`;
const points = (value) => (value === null || value === undefined || value === -1 ? "–" : (100 * value).toFixed(1));
const known = (value) => (value === null || value === -1 ? NaN : value);
const count = (value) => value.toLocaleString("en");
const decimals = (value, digits = 2) => (value === null || value === undefined ? "–" : value.toFixed(digits));
const signed = (value) => (value === null ? "–" : (value >= 0 ? "+" : "−") + (100 * Math.abs(value)).toFixed(1));
const several = (value, noun) => `${count(value)} ${noun}${value === 1 ? "" : "s"}`;

function limits(metric) {
  return metric.interval ? el("small", {}, `${points(metric.interval[0])} to ${points(metric.interval[1])}`) : el("small", {}, " ");
}

function measured(metric) {
  return { sort: known(metric.value), show: [points(metric.value), limits(metric)] };
}

// A table whose columns sort; a cell is a string, a number, or {sort, show, style, cls}.
function table(columns, rows, { sort = null, descending = false, texts = [] } = {}) {
  const body = el("tbody");
  const head = el("tr");
  const key = (cell) => (cell !== null && typeof cell === "object" ? cell.sort : cell);
  let by = sort, down = descending;
  const draw = () => {
    const ordered = by === null ? rows : [...rows].sort((a, b) => {
      const [first, second] = [key(a[by]), key(b[by])];
      if (Number.isNaN(first) || Number.isNaN(second)) return Number.isNaN(first) - Number.isNaN(second); // last either way
      const order = typeof first === "string" ? first.localeCompare(second) : first - second;
      return down ? -order : order;
    });
    body.replaceChildren(...ordered.map((row) => el("tr", {}, row.map((cell, column) => {
      const rich = cell !== null && typeof cell === "object";
      const cls = [texts.includes(column) ? "text" : "", rich && cell.cls ? cell.cls : ""].join(" ").trim();
      const shown = rich ? cell.show : cell;
      const hint = column === 0 && typeof shown === "string" ? shown : null;
      return el("td", { class: cls || null, style: rich ? cell.style : null, title: hint }, shown);
    }))));
    [...head.children].forEach((cell, column) => {
      cell.setAttribute("aria-sort", column !== by ? "none" : down ? "descending" : "ascending");
    });
  };
  head.append(...columns.map((name, column) => el("th", { scope: "col", class: texts.includes(column) ? "text" : null },
    el("button", { type: "button", title: "sort", onclick: () => {
      down = by === column ? !down : typeof key(rows[0] ? rows[0][column] : "") === "number";
      by = column;
      draw();
    } }, name))));
  draw();
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "table" }, el("table", {}, el("thead", {}, head), body));
}

function section(id, title, ...children) {
  return el("section", { id }, el("h2", {}, title), ...children);
}

function choice(label, options, value, change) {
  const list = el("select", { onchange: (event) => change(event.target.value) },
    options.map(([key, text]) => el("option", { value: key, selected: String(key) === String(value) }, text)));
  return el("label", {}, label, list);
}

function legend(entries) {
  return el("div", { class: "legend" }, entries.map(([fill, text]) => el("span", {}, el("i", { style: `background:${fill}` }), text)));
}
