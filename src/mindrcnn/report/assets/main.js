// The page: drawn again when another kind of evaluation is chosen.
function draw() {
  const kinds = Object.keys(DATA.kinds), full = Boolean(DATA.kinds[state.kind].error_kinds);
  const links = [["summary", "In short"], ["tables", "Metrics"], ["errors", "Errors"], ["confusion", "Confusion"], ["thresholds", "Thresholds"], ["calibration", "Calibration"], ["gallery", "Gallery"]]
    .concat(DATA.comparisons.map((other, at) => [`comparison${at || ""}`, `Comparison with ${other.name}`]));
  const kind = el("span", { class: "switch", role: "group", "aria-label": "kind of evaluation" }, kinds.map((one) =>
    el("button", { type: "button", "aria-pressed": String(one === state.kind), onclick: () => { state.kind = one; draw(); } }, TITLES[one])));
  document.getElementById("top").replaceChildren(el("h1", {}, `What ${DATA.runs[0]} gets wrong`), el("p", { class: "soft wrap" }, `Evaluated on ${DATA.split}`),
    el("nav", {}, kinds.length > 1 ? kind : null, links.map(([id, text]) => el("a", { href: `#${id}` }, text))));
  document.getElementById("page").replaceChildren(summarySection(), ...comparisonSections(), tablesSection(),
    ...(full ? [errorsSection(), confusionSection(), precisionSection(), calibrationSection()] : []), gallerySection());
}

draw();
