// Other runs against the first: differences that are more than noise, objects that one alone finds, settings that differ.
const VERDICTS = { better: "better", worse: "worse", noise: "could be noise", unknown: "not known" };

// The difference comes first, since a phone shows three columns.
function differenceCells(metric) {
  return [{ sort: known(metric.difference), show: signed(metric.difference) }, { sort: metric.verdict, show: VERDICTS[metric.verdict], cls: metric.verdict },
    metric.interval ? `${signed(metric.interval[0])} to ${signed(metric.interval[1])}` : "–", measuredPoint(metric.first), measuredPoint(metric.other)];
}

function comparisonSections() {
  return DATA.comparisons.map((other, at) => {
    const compared = other.kinds[state.kind], { objects } = compared, columns = ["difference", "verdict", "95 % interval", DATA.runs[0], other.name];
    const { verdict, difference } = compared.metrics.AP;
    const words = { better: "is better by more than chance", worse: "is worse by more than chance", noise: "differs by no more than chance may explain", unknown: "cannot be told apart: too few images" }[verdict];
    return section(`comparison${at || ""}`, `${other.name} against ${DATA.runs[0]}: ${TITLES[state.kind].toLowerCase()}`,
      el("p", {}, el("strong", {}, `${other.name} ${words}`), ` (AP ${signed(difference)} points). Both are scored on the same ${count(DATA.resamples)} resamples of the images; a difference whose 95 % interval contains 0 could be noise. With many classes, one in twenty differs by that much by chance.`),
      table(["metric", ...columns], Object.entries(compared.metrics).map(([name, metric]) => [name, ...differenceCells(metric)])),
      el("h3", {}, "AP by class"), table(["class", ...columns], compared.per_class.map((one) => [one.name, ...differenceCells(one.AP)]), { sort: 1 }),
      objects ? [el("h3", {}, "Objects that one run alone finds"),
        el("p", {}, `Both find ${count(objects.both)}, neither ${count(objects.neither)}; ${DATA.runs[0]} alone ${count(objects.only_first)}, ${other.name} alone ${count(objects.only_other)} (each from the best-F1 scores of its classes on). The gallery shows the runs side by side.`),
        table(["image", `only ${DATA.runs[0]}`, `only ${other.name}`, ""], objects.images.map((one) => [one.file, one.only_first, one.only_other, { sort: 0, show: galleryLink(one.id) }])),
        table(["class", `only ${DATA.runs[0]}`, `only ${other.name}`], objects.per_class.map((one) => [one.name, one.only_first, one.only_other]), { sort: 2, descending: true })] : null,
      el("h3", {}, "Settings that differ"),
      other.settings.length ? table(["key", DATA.runs[0], other.name], other.settings, { texts: [1, 2] }) : el("p", {}, "None are known."));
  });
}

function galleryLink(id) {
  const image = DATA.gallery.images.find((one) => one.id === id);
  if (!image) return "";
  return el("button", { type: "button", onclick: () => { listed = [{ image, items: [] }]; openDetail(0); document.getElementById("detail").addEventListener("close", () => redrawGallery(), { once: true }); } }, "look");
}
