// Charts as SVG: each has a title, labelled axes and, with several series, a legend.
const WIDTH = 480, HEIGHT = 300, LEFT = 52, RIGHT = 14, TOP = 14, BOTTOM = 44;
const across = (value) => LEFT + value * (WIDTH - LEFT - RIGHT);
const up = (value) => HEIGHT - BOTTOM - value * (HEIGHT - TOP - BOTTOM);

function axes(xLabel, yLabel, { xTicks = [0, 0.2, 0.4, 0.6, 0.8, 1], yTicks = [0, 0.2, 0.4, 0.6, 0.8, 1], format = (v) => v.toFixed(1) } = {}) {
  const parts = [];
  for (const [place, value] of yTicks.entries()) {
    const y = up(yTicks.length > 1 ? place / (yTicks.length - 1) : 0);
    parts.push(svg("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y, y2: y, stroke: "var(--line)" }));
    parts.push(svg("text", { x: LEFT - 8, y: y + 4, "text-anchor": "end", "font-size": 12 }, format(value)));
  }
  for (const value of xTicks) {
    parts.push(svg("text", { x: across(value), y: HEIGHT - BOTTOM + 18, "text-anchor": "middle", "font-size": 12 }, value.toFixed(1)));
  }
  parts.push(svg("text", { x: across(0.5), y: HEIGHT - 8, "text-anchor": "middle", "font-size": 13 }, xLabel));
  parts.push(svg("text", { x: -up(0.5), y: 14, transform: "rotate(-90)", "text-anchor": "middle", "font-size": 13 }, yLabel));
  return parts;
}

function figure(title, note, marks, entries) {
  return el("figure", {}, el("h3", {}, title), svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": title }, marks),
    entries ? legend(entries) : null, note ? el("figcaption", {}, note) : null);
}

// series: {name, x, y, stroke, dashed}; marks: {x, y, stroke, text}
function lineChart(title, note, xLabel, yLabel, series, marks = []) {
  const lines = series.filter((one) => one.x.length).map((one) => svg("polyline", {
    points: one.x.map((x, place) => `${across(x).toFixed(1)},${up(one.y[place]).toFixed(1)}`).join(" "),
    fill: "none", stroke: one.stroke, "stroke-width": 2.5, "stroke-dasharray": one.dashed ? "7 5" : null,
  }));
  const dots = marks.map((one) => svg("g", {}, svg("circle", { cx: across(one.x), cy: up(one.y), r: 5, fill: one.stroke }),
    svg("title", {}, one.text)));
  return figure(title, note, [axes(xLabel, yLabel), lines, dots], series.map((one) => [one.stroke, one.name]));
}

// bars: {name, value, fill, text}, drawn from the left
function barChart(title, note, unit, bars) {
  const row = 34, name = 118, height = bars.length * row + 34, most = Math.max(...bars.map((one) => one.value), 1e-9);
  const marks = bars.map((one, place) => {
    const y = place * row + 6, length = (one.value / most) * (WIDTH - name - 60);
    return [svg("text", { x: name - 8, y: y + 17, "text-anchor": "end", "font-size": 13 }, one.name),
      svg("rect", { x: name, y, width: Math.max(length, 1), height: row - 10, fill: one.fill, rx: 3 }, svg("title", {}, one.text)),
      svg("text", { x: name + length + 8, y: y + 17, "font-size": 13 }, (100 * one.value).toFixed(1))];
  });
  marks.push(svg("text", { x: name, y: height - 8, "font-size": 12 }, unit));
  return el("figure", {}, el("h3", {}, title), svg("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": title }, marks),
    note ? el("figcaption", {}, note) : null);
}

// Bins of what was said against what happened, with the diagonal on which both agree.
function reliabilityChart(title, note, xLabel, yLabel, bins) {
  const most = Math.max(...bins.map((one) => one.count), 1);
  const marks = bins.map((one) => {
    const x = across(one.low), width = across(one.high) - x - 1, y = up(Math.min(Math.max(one.happened, 0), 1));
    return svg("rect", { x, y, width, height: Math.max(up(0) - y, 0.5), fill: "var(--accent)", opacity: 0.3 + 0.7 * Math.sqrt(one.count / most) },
      svg("title", {}, `${xLabel} ${one.low.toFixed(2)} to ${one.high.toFixed(2)}: ${yLabel} ${one.happened.toFixed(3)}, ${count(one.count)} detections`));
  });
  const diagonal = svg("line", { x1: across(0), y1: up(0), x2: across(1), y2: up(1), stroke: "var(--text)", "stroke-width": 1.5, "stroke-dasharray": "5 4" });
  return figure(title, note, [axes(xLabel, yLabel), marks, diagonal],
    [["var(--accent)", "measured (darker: more detections)"], ["var(--text)", "perfectly calibrated"]]);
}
