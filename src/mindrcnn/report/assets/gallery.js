// The gallery: cards of images or of single mistakes, filters, and a large view with truth beside the predictions.
const BATCH = 24;
const filter = { mode: "images", cls: "", kind: "", size: "", low: 0, high: 1 };
let listed = [], openAt = 0, withMasks = true, redrawGallery = () => {};

const passes = (one, kind) => (filter.cls === "" || one.c === Number(filter.cls)) && (filter.kind === "" ? ERRORS.includes(kind) : kind === Number(filter.kind))
  && (filter.size === "" || one.z === Number(filter.size));
const inScores = (one) => one.s >= filter.low && one.s <= filter.high;

// What of an image the filters choose: wrong detections that are shown (all of a kind that is asked for), and objects not found.
function chosen(image) {
  const detections = image.runs[0].filter((one) => (one.v || filter.kind !== "") && passes(one, one.k) && inScores(one));
  const objects = image.objects.filter((one) => !one.w && !one.f[0] && passes(one, 6));
  return [...detections, ...objects];
}

function find() {
  const { images, mistakes } = DATA.gallery;
  if (filter.mode === "mistakes") {
    return mistakes.map(([place, at]) => ({ image: images[place], items: [images[place].runs[0][at]] })).filter(({ items: [one] }) => passes(one, one.k) && inScores(one));
  }
  const all = images.map((image) => ({ image, items: chosen(image) })).filter(({ items }) => items.length);
  return all.sort((a, b) => b.items.length - a.items.length);
}

function picture(image, viewBox, marks) {
  const [x, y, width, height] = viewBox || [0, 0, image.width, image.height];
  return svg("svg", { viewBox: `${x} ${y} ${width} ${height}`, preserveAspectRatio: "xMidYMid meet", role: "img", "aria-label": image.file },
    svg("rect", { x: 0, y: 0, width: image.width, height: image.height, fill: "var(--plate)" }),
    image.thumb ? svg("image", { href: image.thumb, width: image.width, height: image.height, preserveAspectRatio: "none" }) : null, marks);
}

function mark(image, one, stroke, text, { dashed = false, faded = false, span = image.width } = {}) {
  const [x, y, width, height] = one.b, size = Math.max(span / 28, 1.5);
  const far = x + text.length * size * 0.6 > image.width && x + width > text.length * size * 0.6;
  const flat = (part) => part.reduce((all, value, at) => all + (at % 2 ? "," : " ") + value, "");
  return svg("g", { opacity: faded ? 0.35 : 1 },
    withMasks && one.o ? one.o.map((part) => svg("polygon", { points: flat(part), fill: stroke, "fill-opacity": 0.25, stroke, "stroke-width": 1, "vector-effect": "non-scaling-stroke" })) : null,
    svg("rect", { x, y, width, height, fill: "none", stroke: "#000", "stroke-opacity": 0.45, "stroke-width": 4, "vector-effect": "non-scaling-stroke" }),
    svg("rect", { x, y, width, height, fill: "none", stroke, "stroke-width": 2.5, "stroke-dasharray": dashed ? "6 4" : null, "vector-effect": "non-scaling-stroke" }, svg("title", {}, text)),
    svg("text", { x: far ? Math.min(x + width, image.width) : Math.max(x, 0) + size / 5, y: Math.max(y - size / 4, size), "font-size": size, "text-anchor": far ? "end" : "start", style: `fill:${stroke};paint-order:stroke;stroke:var(--card);stroke-width:${size / 5}px` }, text));
}

const label = (one) => `${DATA.classes[one.c]}${one.s === undefined ? "" : ` ${one.s.toFixed(2)}`}`;
const named = (one) => (one.s === undefined ? `${label(one)}${one.w ? " (crowd)" : ""}` : `${label(one)} ${KINDS[one.k]}`);

function around(image, [x, y, width, height]) {
  const side = Math.min(Math.max(Math.max(width, height) * 2, Math.max(image.width, image.height) / 6), Math.max(image.width, image.height));
  return [x + width / 2 - side / 2, y + height / 2 - (side * 3) / 8, side, (side * 3) / 4];
}

function card(entry, at) {
  const { image, items } = entry, single = filter.mode === "mistakes", box = single ? around(image, items[0].b) : null;
  const marks = items.map((one) => mark(image, one, colour(one.s === undefined ? 6 : one.k), label(one), { dashed: one.s === undefined, span: box ? box[2] : image.width }));
  const text = single ? named(items[0]) : `${several(items.length, "error")}: ${image.file}`;
  return el("button", { type: "button", class: "card", onclick: () => openDetail(at), "aria-label": `${text}, open` }, picture(image, box, marks), el("span", { title: image.file }, text));
}

function gallerySection() {
  const grid = el("div", { class: "grid" }), more = el("button", { type: "button", onclick: () => add() }, "Show more"), status = el("p", { role: "status", id: "found" });
  const add = () => {
    const start = grid.children.length;
    grid.append(...listed.slice(start, start + BATCH).map((entry, at) => card(entry, start + at)));
    more.hidden = grid.children.length >= listed.length;
  };
  redrawGallery = () => {
    listed = find();
    status.textContent = `${several(listed.length, filter.mode === "images" ? "image" : "mistake")} of this choice${filter.mode === "images" ? `, those with most errors first` : ", the most confident first"}.`;
    grid.replaceChildren();
    add();
  };
  const set = (key, number) => (value) => { filter[key] = number ? Number(value) : value; redrawGallery(); };
  const score = (name, key) => el("label", {}, name, el("input", { type: "number", min: 0, max: 1, step: 0.05, value: filter[key], oninput: (event) => set(key, true)(event.target.value) }));
  const controls = () => [
    choice("show", [["images", "worst images"], ["mistakes", "most confident mistakes"]], filter.mode, set("mode")),
    choice("class", [["", "all classes"], ...DATA.classes.map((name, at) => [at, name])], filter.cls, set("cls")),
    choice("kind", [["", "all errors"], ...ERRORS.map((kind) => [kind, KINDS[kind]]), [0, "correct"]], filter.kind, set("kind")),
    choice("size", [["", "all sizes"], ...[1, 2, 3].map((size) => [size, SIZES[size]])], filter.size, set("size")),
    score("score from", "low"), score("score to", "high")];
  const bar = el("div", { class: "filters", id: "filters" }, controls());
  redrawControls = () => bar.replaceChildren(...controls());
  redrawGallery();
  const { images, of } = DATA.gallery, drawn = TITLES[DATA.main].toLowerCase();
  return section("gallery", "Gallery",
    el("p", {}, `${of > images.length ? `The ${count(images.length)} of ${count(of)} images most worth a look` : `All ${count(of)} images`}, judged by ${drawn}. An object counts as not found, and a detection as shown, from the best-F1 score of its class on. `
      + "Open one, then use ← and → for the next, M for masks, Esc to close; J and K move between cards."),
    legend([...ERRORS, 0].map((kind) => [colour(kind), KINDS[kind]])), bar, status, grid, el("p", {}, more));
}

let redrawControls = () => {};

function showInGallery(name, kind) {
  const place = KIND_KEYS.indexOf(kind);
  Object.assign(filter, { mode: "images", cls: name === null ? "" : String(DATA.classes.indexOf(name)), kind: String(place), size: "", low: 0, high: 1 });
  redrawControls();
  redrawGallery();
}

function panes(image, items) {
  const chosenItems = new Set(items);
  const truth = image.objects.map((one) => mark(image, one, colour(one.w ? 7 : one.f[0] ? 0 : 6), `${named(one)}${one.w || one.f[0] ? "" : " not found"}`, { dashed: !one.f[0] && !one.w }));
  const runs = image.runs.map((run, at) => [DATA.runs[at], run.filter((one) => one.v || chosenItems.has(one)).map((one) =>
    mark(image, one, colour(one.k), one.k ? named(one) : label(one), { faded: at === 0 && filter.mode === "mistakes" && !chosenItems.has(one) }))]);
  return [["truth", truth], ...runs].map(([title, marks]) => el("figure", {}, el("figcaption", {}, title), picture(image, null, marks)));
}

function openDetail(at) {
  if (at < 0 || at >= listed.length) return;
  openAt = at;
  const { image, items } = listed[at], dialog = document.getElementById("detail");
  const rows = [...image.objects.filter((one) => !one.w && !one.f[0]).map((one) => [label(one), { sort: 6, show: KINDS[6] }, "–", SIZES[one.z]]),
    ...image.runs[0].filter((one) => one.v || items.includes(one)).map((one) => [DATA.classes[one.c], { sort: one.k, show: KINDS[one.k] }, one.s, SIZES[one.z]])];
  dialog.replaceChildren(el("div", {},
    el("div", { class: "bar" }, el("strong", { class: "wrap" }, `${image.file} (${image.width} × ${image.height}, id ${image.id})`),
      el("span", {}, el("button", { type: "button", onclick: () => openDetail(at - 1) }, "← previous"), " ", el("button", { type: "button", onclick: () => openDetail(at + 1) }, "next →"), " ",
        el("button", { type: "button", onclick: () => dialog.close() }, "close"))),
    el("div", { class: "panes" }, panes(image, items)),
    legend([...ERRORS, 0].map((kind) => [colour(kind), KINDS[kind]])),
    image.thumb ? null : el("p", { class: "soft" }, "The image file was not at hand when the report was made."),
    table(["class", "what it is", "score", "size"], rows, { texts: [1] })));
  if (!dialog.open) dialog.showModal();
}

document.addEventListener("keydown", (event) => {
  const dialog = document.getElementById("detail");
  if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) || event.ctrlKey || event.metaKey || event.altKey) return;
  if (dialog.open) {
    if (event.key === "ArrowLeft") openDetail(openAt - 1);
    else if (event.key === "ArrowRight") openDetail(openAt + 1);
    else if (event.key.toLowerCase() === "m") { withMasks = !withMasks; openDetail(openAt); }
    else return;
    event.preventDefault();
    return;
  }
  const step = { j: 1, k: -1 }[event.key.toLowerCase()];
  if (!step) return;
  const cards = [...document.querySelectorAll(".card")], next = cards[Math.min(Math.max(cards.indexOf(document.activeElement) + step, 0), cards.length - 1)];
  if (next) next.focus();
});
