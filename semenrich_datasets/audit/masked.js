// Masked truth: per topic what was said of what had been hidden, and the curve over the least score.
function drawMasked() {
  const { summary, reports, topics } = data.masked;
  byId("masked-lead").textContent =
    `From ${plural(reports, "report")} all that was said on one topic at a time was cut out, and the rest was enriched, ` +
    "judged by a model of silence that had not seen the report. An addition that says the opposite of what was hidden is an error. " +
    summary;
  const share = (part, whole, kind, tip) => {
    const bar = element("div", { class: `share ${kind}`, "data-tip": tip });
    if (whole) bar.append(element("i", { style: `width:${(100 * part) / whole}%` }));
    return element("td", {}, bar, whole ? `${count(part)} of ${count(whole)} (${percent(part, whole)})` : "–");
  };
  byId("masked-table").append(element("tr", {},
    ...["Topic", "Abnormality hidden: called normal", "Normal statement hidden: said again"].map((name) =>
      element("th", { scope: "col" }, name))));
  for (const row of topics) {
    const [low, high] = row.bounds.map((bound) => `${(100 * bound).toFixed(1)} %`);
    byId("masked-table").append(element("tr", {},
      element("th", { scope: "row" }, row.topic),
      share(row.opposite, row.abnormal, "wrong", `95 % interval ${low} to ${high}`),
      share(row.restored, row.normal, "right", `${count(row.restored)} of ${count(row.normal)}`)));
  }
  tipsOver(byId("masked-table"));
}

function drawMaskedCurve() {
  const curve = data.masked.curve.filter((point) => point.abnormal);
  const chart = byId("masked-curve");
  const [width, height, left, foot, head] = [640, 320, 56, 46, 18];
  chart.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const wrong = (point) => (100 * point.opposite) / point.abnormal;
  const widest = Math.max(1, ...curve.map(wrong)) * 1.08;
  const tallest = Math.max(0.5, ...curve.map((point) => point.additions)) * 1.12;
  const x = (value) => left + (value / widest) * (width - left - 20);
  const y = (value) => height - foot - (value / tallest) * (height - foot - head);
  const line = (points) => svg("path", { class: "curve", d: points.map(([a, b], i) => `${i ? "L" : "M"}${a},${b}`).join("") });
  chart.append(
    svg("line", { class: "axis", x1: left, x2: width - 20, y1: y(0), y2: y(0) }),
    svg("line", { class: "axis", x1: left, x2: left, y1: head, y2: y(0) }),
    svg("text", { x: (left + width) / 2, y: height - 8, "text-anchor": "middle" }, "hidden abnormalities called normal (%)"),
    svg("text", { x: 14, y: height / 2, "text-anchor": "middle", transform: `rotate(-90 14 ${height / 2})` }, "additions a report"),
    ...[0, widest / 2, widest].map((v) => svg("text", { x: x(v), y: y(0) + 16, "text-anchor": "middle" }, v.toFixed(0))),
    ...[0, tallest / 2, tallest].map((v) => svg("text", { x: left - 8, y: y(v) + 4, "text-anchor": "end" }, v.toFixed(1))),
    line(curve.map((point) => [x(wrong(point)), y(point.additions)])));
  for (const point of curve) {
    const own = point.minScore === data.masked.minScore;
    chart.append(
      svg("circle", { class: own ? "point own" : "point", cx: x(wrong(point)), cy: y(point.additions), r: own ? 6 : 4,
        "data-tip": `least score ${point.minScore}: ${point.additions.toFixed(2)} additions a report, ${wrong(point).toFixed(1)} % of hidden abnormalities called normal` }),
      svg("text", { x: x(wrong(point)) + 8, y: y(point.additions) + 14 }, String(point.minScore)));
  }
  tipsOver(chart);
  byId("masked-note").textContent = curve.length > 1
    ? "Each mark is a least score (min_score); the large one is that of this dataset. Further left is truer, further up says more."
    : "This way of choosing has no threshold.";
}

drawMasked();
drawMaskedCurve();
