// One function a question: each returns a section for the kind of evaluation that is chosen.
function summarySection() {
  const { headline, worst_class: worst, main_error: main, hints } = DATA.summary;
  return section("summary", "In short",
    el("div", { class: "cols" },
      el("div", { class: "tile" }, el("h3", {}, headline.name), el("div", { class: "big" }, points(headline.value)),
        headline.interval ? el("div", {}, `95 % interval ${points(headline.interval[0])} to ${points(headline.interval[1])}`) : null,
        el("p", { class: "soft" }, headline.text)),
      worst ? el("div", { class: "tile worst" }, el("h3", { class: "wrap" }, `Worst class: ${worst.name}`), el("p", {}, worst.text),
        worst.advice ? el("p", { class: "do" }, el("strong", {}, "What to do: "), worst.advice) : null,
        worst.kind ? el("p", {}, el("a", { href: "#gallery", onclick: () => showInGallery(worst.name, worst.kind) }, "See these in the gallery")) : null) : null,
      el("div", { class: "tile" }, el("h3", {}, main.kind ? `Main error of all classes: ${KINDS[KIND_KEYS.indexOf(main.kind)]}` : "Main error"),
        el("p", {}, main.text), main.advice ? el("p", { class: "do" }, el("strong", {}, "What to do: "), worst && worst.kind === main.kind ? "the same as for the worst class." : main.advice) : null,
        main.kind ? el("p", {}, el("a", { href: "#gallery", onclick: () => showInGallery(null, main.kind) }, "See these in the gallery")) : null)),
    hints.map((hint) => el("p", {}, hint)));
}

function tablesSection() {
  const { tables } = DATA.kinds[state.kind], counts = DATA.counts;
  const meaning = { AP: "mean over IoU 0.50 to 0.95", AP50: "at IoU 0.50", AP75: "at IoU 0.75", APs: "small objects, below 32 × 32 pixels",
    APm: "medium objects", APl: "large objects, from 96 × 96 pixels", AR1: "recall of the best detection of a class in an image", AR10: "recall of the best 10",
    AR: `recall of the best ${tables.max_detections}`, ARs: "recall, small objects", ARm: "recall, medium objects", ARl: "recall, large objects" };
  const metrics = Object.entries(tables.metrics).map(([name, metric]) => [name, points(metric.value),
    metric.interval ? `${points(metric.interval[0])} to ${points(metric.interval[1])}` : "–", meaning[name]]);
  const columns = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR"];
  const rows = tables.per_class.map((one) => [one.name, ...columns.map((name) => measured(one[name])), one.objects, one.images, one.detections]);
  const { sizes } = counts;
  return section("tables", `COCO metrics: ${TITLES[state.kind].toLowerCase()}`,
    el("p", {}, `${several(counts.images, "image")} (${count(counts.images_without_objects)} without objects), ${several(counts.objects, "object")}: `
      + `${count(sizes.small)} small, ${count(sizes.medium)} medium, ${count(sizes.large)} large; ${several(counts.crowds, "crowd")} not counted. `
      + `${several(counts.detections, "detection")}, of which the best ${tables.max_detections} of a class in an image count.`),
    tables.max_detections !== 100 ? el("p", {}, "COCO counts 100, so these are not COCO's numbers.") : null,
    table(["metric", "percent", "95 % interval", "what it is"], metrics, { texts: [3] }),
    el("h3", {}, "Classes"), table(["class", ...columns, "objects", "images", "detections"], rows, { sort: 1 }),
    el("p", { class: "soft" }, `– (−1 in report.json and metrics.json) says that there is no object of that kind to find, so nothing can be measured; it is left out of averages, and is not 0. `
      + `The small numbers are 95 % intervals from ${count(DATA.resamples)} bootstrap resamples of the images (seed ${DATA.seed}): where the number would likely be on as many other images of the same kind. `
      + "A class has none if its objects are in fewer than 5 images."));
}

function errorsSection() {
  const { error_kinds: errors } = DATA.kinds[state.kind];
  const explained = { 1: "overlaps an object of another class (IoU 0.5 or more)", 2: "overlaps an object of its class too little (IoU 0.1 to 0.5)",
    3: "wrong class and inexact", 4: "the object was already found by a better detection", 5: "no object there (IoU below 0.1)", 6: "objects that nothing found" };
  const bars = ERRORS.map((kind) => ({ name: KINDS[kind], value: errors.cost[KIND_KEYS[kind]], fill: colour(kind),
    text: `${count(errors.count[KIND_KEYS[kind]])}: ${explained[kind]}` }));
  const heat = (value) => ({ sort: value, show: points(value), style: `background:rgba(var(--shade),${Math.min(value * 2, 0.55).toFixed(2)})` });
  const rows = errors.per_class.map((one) => [one.name, measuredPoint(one.ap50), ...ERRORS.map((kind) => heat(one.cost[KIND_KEYS[kind]]))]);
  return section("errors", `What goes wrong: ${TITLES[state.kind].toLowerCase()}`,
    el("div", { class: "cols" },
      barChart("AP50 lost to each kind of error", "The gain in AP50 if errors of this kind alone were mended (TIDE, Bolya et al. 2020). The gains do not add up.", "points of AP50", bars),
      el("div", {}, el("h3", {}, "The kinds"), table(["kind", "count", "what it is"], ERRORS.map((kind) => [
        { sort: kind, show: el("span", { class: "tag", style: `background:${colour(kind)}` }, KINDS[kind]) }, errors.count[KIND_KEYS[kind]], explained[kind]]), { texts: [2] }),
      el("p", { class: "soft" }, `Removing all wrong detections would gain ${points(errors.special.false_positive)} points, finding all objects ${points(errors.special.false_negative)}. AP50 is ${points(errors.ap50)}.`))),
    el("h3", {}, "Points of AP50 lost, by class"), table(["class", "AP50", ...ERRORS.map((kind) => KINDS[kind])], rows, { sort: 1 }));
}

const measuredPoint = (value) => ({ sort: known(value), show: points(value) });

function confusionSection() {
  const { confusion: { matrix, pairs } } = DATA.kinds[state.kind], names = [...DATA.classes, "background"], last = names.length - 1;
  const largest = 24;
  const weight = (place) => matrix[place].reduce((sum, value, column) => sum + (column === place ? 0 : value), 0) + matrix.reduce((sum, row, other) => sum + (other === place ? 0 : row[place]), 0);
  const shown = names.map((_, place) => place).filter((place) => place !== last).sort((a, b) => weight(b) - weight(a)).slice(0, largest).sort((a, b) => a - b).concat(last);
  const cell = (row, column) => {
    const value = matrix[row][column], total = matrix[row].reduce((sum, one) => sum + one, 0) || 1;
    const tint = row === column ? "26,127,69" : "198,40,40";
    return el("td", { title: `${names[row]} → ${names[column]}: ${count(value)}`, style: `background:rgba(${tint},${(0.75 * value / total).toFixed(2)})` }, value ? count(value) : "");
  };
  const grid = el("table", { class: "matrix" }, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "true ↓ predicted →"), shown.map((column) => el("th", { scope: "col", title: names[column] }, names[column] )))),
    el("tbody", {}, shown.map((row) => el("tr", {}, el("th", { scope: "row", title: names[row] }, row === last ? "background (nothing there)" : names[row]), shown.map((column) => cell(row, column))))));
  return section("confusion", `Confusion: ${TITLES[state.kind].toLowerCase()}`,
    el("p", {}, "Rows: what objects are; columns: what they were taken for, from the best-F1 score of each class on, at IoU 0.5. The last column counts objects that were not found, the last row detections of nothing."
      + (last > largest ? ` Shown are the ${largest} classes with most confusions; all are in report.json.` : "")),
    el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "confusion matrix" }, grid),
    el("h3", {}, "Most confused pairs"),
    pairs.length ? table(["object", "taken for", "count"], pairs.map(([row, column, value]) => [names[row], names[column], value]), { sort: 2, descending: true, texts: [1] }) : el("p", {}, "No object was taken for one of another class."));
}

function precisionSection() {
  const curves = DATA.kinds[state.kind].precision_recall, first = Math.max(curves.findIndex((one) => DATA.summary.worst_class && one.name === DATA.summary.worst_class.name), 0);
  const place = el("div", { class: "cols" }), wanted = DATA.precision;
  const draw = (index) => {
    const one = curves[index], { score, precision, recall } = one.curve, best = one.best_f1;
    const f1 = precision.map((value, at) => (value + recall[at] ? (2 * value * recall[at]) / (value + recall[at]) : 0));
    const marks = best ? [{ x: best.score, y: best.f1, stroke: "var(--k6)", text: `best F1 ${decimals(best.f1)} from score ${best.score}` }] : [];
    const strokes = ["var(--k5)", "var(--k1)", "var(--k2)"];
    const others = DATA.comparisons.filter((other) => other.precision_recall[state.kind]).map((other, at) => ({ name: other.name, x: other.precision_recall[state.kind][index].curve.recall,
      y: other.precision_recall[state.kind][index].curve.precision, stroke: strokes[at % 3], dashed: true }));
    place.replaceChildren(
      lineChart(`${one.name}: what a score threshold gives`, "If only detections from this score on are kept.", "score threshold", "precision, recall, F1", [
        { name: "precision", x: score, y: precision, stroke: "var(--accent)" }, { name: "recall", x: score, y: recall, stroke: "var(--k2)" }, { name: "F1", x: score, y: f1, stroke: "var(--k6)" }], marks),
      lineChart(`${one.name}: precision over recall`, "At IoU 0.5. The further to the upper right, the better.", "recall", "precision", [{ name: DATA.runs[0], x: recall, y: precision, stroke: "var(--accent)" }, ...others]));
  };
  draw(first);
  const cell = (point) => (point ? { sort: point.score, show: [point.score.toFixed(3), el("small", {}, `P ${decimals(point.precision)} R ${decimals(point.recall)}`)] } : { sort: NaN, show: "none" });
  return section("thresholds", `Precision, recall and score thresholds: ${TITLES[state.kind].toLowerCase()}`,
    el("div", { class: "filters" }, choice("class", curves.map((one, index) => [index, one.name]), first, draw)), place,
    el("h3", {}, "Thresholds"), table(["class", "best F1 from score", "F1", `precision ${wanted} from score`], curves.map((one) => [one.name, cell(one.best_f1), one.best_f1 ? { sort: one.best_f1.f1, show: decimals(one.best_f1.f1) } : { sort: NaN, show: "–" }, cell(one.for_precision)]), { sort: 2 }),
    el("p", {}, "Use them: ", el("code", {}, "mindrcnn infer CHECKPOINT IMAGES --score-per-class score_best_f1.json"), ` or score_precision.json, beside this page. “none”: no threshold reaches a precision of ${wanted}.`));
}

function calibrationSection() {
  const { calibration, iou_calibration: ious } = DATA.kinds[state.kind];
  const parts = [reliabilityChart("Scores", `A bar on the diagonal says that detections of this score are right as often as it says. D-ECE, the mean distance weighted by detections: ${decimals(calibration.error, 3)}.`,
    "score", "share that is right", calibration.bins)];
  if (ious) parts.push(reliabilityChart("Predicted mask IoU", `${several(ious.detections, "mask")} that overlap an object of their class: mean absolute error ${decimals(ious.mean_absolute_error, 3)}, correlation ${decimals(ious.correlation, 3)}.`,
    "predicted mask IoU", "true mask IoU", ious.bins));
  const rows = calibration.per_class.map((one) => [one.name, one.error === null ? { sort: NaN, show: "–" } : { sort: one.error, show: decimals(one.error, 3) }, one.detections]);
  return section("calibration", `Calibration: ${TITLES[state.kind].toLowerCase()}`, el("div", { class: "cols" }, parts),
    el("p", { class: "soft" }, `Right is a detection that found an object of its class at IoU 0.5. Counted are the ${several(calibration.detections, "detection")} from score ${calibration.least_score} on. D-ECE over the score alone (Küppers et al. 2020).`),
    el("h3", {}, "Classes"), table(["class", "D-ECE", "detections"], rows, { sort: 1, descending: true }));
}
