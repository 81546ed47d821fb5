// Figures, refusals, units. Text reaches the page through text nodes alone: reports are data.
const data = JSON.parse(document.getElementById("data").textContent);
const SIGNS = {
  normal: { glyph: "●", meaning: "what a healthy person's report would say" },
  abnormal: { glyph: "▲", meaning: "any finding" },
  neutral: { glyph: "■", meaning: "technique, comparison, unreadable" },
};
const byId = (id) => document.getElementById(id);
const count = (n) => n.toLocaleString("en-US");
const percent = (part, whole) => (whole ? `${((100 * part) / whole).toFixed(1)} %` : "–");
const plural = (n, noun) => `${count(n)} ${noun}${n === 1 ? "" : "s"}`;
const words = (name) => name.replaceAll("_", " ");

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function svg(tag, attributes, text = "") {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.textContent = text;
  return node;
}

const glyph = (sign) => element("i", { class: `glyph ${sign}`, title: sign }, SIGNS[sign].glyph);
const unitName = (unit) => unit.text ?? `Unit ${unit.unit_id} (rare wording, not shown)`;

function showTip(event, text) {
  const tip = byId("tip");
  tip.textContent = text;
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  const below = event.clientY + 18 + box.height < innerHeight;
  tip.style.left = `${Math.max(8, Math.min(event.clientX + 14, innerWidth - box.width - 8))}px`;
  tip.style.top = `${below ? event.clientY + 18 : Math.max(8, event.clientY - box.height - 12)}px`;
}

function tipsOver(root) {
  const update = (event) => {
    const owner = event.target.closest("[data-tip]");
    if (owner) showTip(event, owner.dataset.tip);
    else byId("tip").hidden = true;
  };
  root.addEventListener("pointermove", update);
  root.addEventListener("pointerdown", update);
  root.addEventListener("pointerleave", () => { byId("tip").hidden = true; });
}

function drawFigures() {
  const figures = data.figures;
  const [reports, enriched] = [figures["reports"], figures["reports enriched"]];
  const [unchanged, empty] = [figures["reports unchanged"], figures["reports without text"]];
  byId("lead").textContent =
    `${count(enriched)} of ${plural(reports, "report")} (${percent(enriched, reports)}) received ` +
    `${plural(figures["additions"], "sentence")} that their authors left out: ` +
    `${figures["additions per report"].toFixed(2)} a report, in ` +
    `${plural(figures["distinct added sentences"], "different wording")}. ` +
    `${count(unchanged)} stayed as they were, ${count(empty)} had no text.`;
  const tiles = [
    ["Reports", count(reports)],
    ["Additions", count(figures["additions"])],
    ["Additions per report with a text", figures["additions per report"].toFixed(2)],
    ["Different added sentences", count(figures["distinct added sentences"])],
    ["Units they come from", count(figures["units added from"])],
    ["Reports with no sentence the index knows", count(figures["reports with no sentence the index knows"])],
  ];
  byId("tiles").append(
    ...tiles.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))));
  const fates = [["", "Enriched", enriched], ["unchanged", "Unchanged", unchanged], ["empty", "Without text", empty]];
  const bar = element("div", { class: "fates", "aria-hidden": "true" });
  const key = element("ul", { class: "key" });
  for (const [kind, name, n] of fates) {
    const swatch = element("span", { class: "fates", style: "display:inline-flex;margin:0;width:.9rem;height:.9rem;vertical-align:-.1rem;margin-right:.45rem" },
      element("i", { class: kind, style: "width:100%;margin:0" }));
    key.append(element("li", {}, swatch, `${name}: ${count(n)} (${percent(n, reports)})`));
    if (n) bar.append(element("i", { class: kind, style: `flex:${n} 0 0` }));
  }
  byId("fates").append(bar, key);
  const unexplained = figures["additions not explained by these settings"];
  byId("unexplained").hidden = !unexplained;
  byId("unexplained").textContent =
    `${plural(unexplained, "addition")} of the reports below would not be made with the settings ` +
    "of this audit: the dataset was enriched with others, so the reasons shown may not be those of its making.";
}

function drawRefusals() {
  const considered = data.figures["reports considered again"];
  const most = Math.max(1, ...data.refusals.map((row) => row.statements));
  byId("refusals-lead").textContent = data.refusals.length
    ? `Every statement that the index could add was weighed for each report. This is what became of ` +
      `those not added to ${plural(considered, "report")}` +
      `${considered < data.figures["reports"] ? ", drawn at random" : ""}. Of several reasons, the first is counted.`
    : "Nothing was refused: this way of choosing has no rules, and is meant for comparison only.";
  for (const row of data.refusals) {
    const bar = element("span", { class: "bar", style: `width:${(100 * row.statements) / most}%` });
    byId("refusals-table").append(element("tr", {},
      element("th", { scope: "row" }, words(row.reason), element("small", {}, row.meaning)),
      element("td", {}, bar, `${plural(row.statements, "statement")} in ${plural(row.reports, "report")}`)));
  }
}

function drawHistograms() {
  const bins = data.unitSizes;
  const tallest = Math.max(1, ...bins.flatMap((bin) => Object.keys(SIGNS).map((sign) => bin[sign])));
  const [width, height, foot, head] = [340, 170, 34, 16];
  for (const sign of Object.keys(SIGNS)) {
    const chart = svg("svg", { viewBox: `0 0 ${width} ${height}`, class: sign, role: "img", "aria-label": `Sizes of ${sign} units` });
    const step = width / bins.length;
    bins.forEach((bin, i) => {
      const size = (bin[sign] / tallest) * (height - foot - head);
      const middle = (i + 0.5) * step;
      chart.append(
        svg("rect", { class: "shape", x: i * step + 2, y: height - foot - size, width: step - 4, height: size, rx: 1.5 }),
        svg("text", { x: middle, y: height - foot - size - 4, "text-anchor": "middle" }, bin[sign] || ""),
        svg("text", { x: middle, y: height - foot + 14, "text-anchor": "middle" }, bin.low));
    });
    chart.append(svg("line", { class: "axis", x1: 0, x2: width, y1: height - foot, y2: height - foot }),
      svg("text", { x: width / 2, y: height - 3, "text-anchor": "middle" }, "reports that hold the unit, from"));
    const total = bins.reduce((sum, bin) => sum + bin[sign], 0);
    byId("histograms").append(element("figure", {},
      element("figcaption", {}, glyph(sign), ` ${plural(total, `${sign} unit`)}`), chart));
  }
}

function markPath(sign, x, y, r) {
  if (sign === "normal") return `M${x - r},${y}a${r},${r} 0 1 0 ${2 * r},0a${r},${r} 0 1 0 ${-2 * r},0z`;
  if (sign === "abnormal") return `M${x},${y - 1.2 * r}l${1.15 * r},${2 * r}h${-2.3 * r}z`;
  return `M${x - 0.9 * r},${y - 0.9 * r}h${1.8 * r}v${1.8 * r}h${-1.8 * r}z`;
}

function drawMap() {
  const map = byId("map");
  const [width, height, edge] = matchMedia("screen and (max-width: 48rem)").matches ? [560, 560, 26] : [1120, 560, 30];
  map.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const scale = (name, length) => {
    const values = data.units.map((unit) => unit[name]);
    const low = values.reduce((a, b) => Math.min(a, b), Infinity);
    const span = values.reduce((a, b) => Math.max(a, b), -Infinity) - low || 1;
    return (value) => edge + ((value - low) / span) * (length - 2 * edge);
  };
  const [x, y] = [scale("x", width), scale("y", height)];
  const most = Math.max(1, data.units.reduce((a, unit) => Math.max(a, unit.support), 0));
  const ordered = [...data.units].sort((a, b) => b.support - a.support); // small ones on top
  map.replaceChildren(...ordered.map((unit) => {
    const radius = 4 + 18 * Math.sqrt(unit.support / most);
    const added = unit.additions ? `added ${plural(unit.additions, "time")}` : "never added";
    return svg("path", {
      class: `shape ${unit.sign}`,
      d: markPath(unit.sign, x(unit.x), height - y(unit.y), radius),
      "data-sign": unit.sign,
      "data-name": unitName(unit).toLowerCase(),
      "data-tip": `${SIGNS[unit.sign].glyph} ${unitName(unit)}\n${unit.sign}, in ` +
        `${plural(unit.support, "report")}, ${plural(unit.sentences, "wording")}; ${added}`,
    });
  }));
}

function filterMap() {
  const wanted = byId("map-search").value.trim().toLowerCase();
  const shown = new Set([...document.querySelectorAll("#map-legend input:checked")].map((box) => box.value));
  let found = 0;
  for (const mark of byId("map").children) {
    mark.style.display = shown.has(mark.dataset.sign) ? "" : "none";
    const hit = shown.has(mark.dataset.sign) && mark.dataset.name.includes(wanted);
    mark.classList.toggle("dim", !hit);
    found += hit;
  }
  byId("map-count").textContent = wanted ? plural(found, "unit") : "";
}

function drawUnits() {
  byId("units-lead").textContent =
    `The index read ${plural(data.about.indexReports, "report")} with ` +
    `${plural(data.about.indexSentences, "different sentence")}; those that say the same make ` +
    `${plural(data.about.indexUnits, "unit")}. Shown are those that at least 3 reports hold.` +
    (data.about.preset === "random" ? "" : " Only statements of normal units are added.");
  for (const [sign, { meaning }] of Object.entries(SIGNS)) {
    const box = element("input", { type: "checkbox", value: sign, checked: "" });
    box.addEventListener("change", filterMap);
    byId("map-legend").append(element("label", { title: meaning }, box, " ", glyph(sign), ` ${sign}`));
  }
  byId("map-search").addEventListener("input", filterMap);
  matchMedia("screen and (max-width: 48rem)").addEventListener("change", () => { drawMap(); filterMap(); });
  drawHistograms();
  drawMap();
}

function drawHeatMap() {
  const order = [...new Set(data.pairs.map((pair) => pair.unit_a))];
  const byUnit = new Map(data.units.map((unit) => [unit.unit_id, unit]));
  const pairs = new Map(data.pairs.map((pair) => [`${pair.unit_a} ${pair.unit_b}`, pair]));
  const head = element("tr", {}, element("td"));
  order.forEach((_, i) => head.append(element("th", { scope: "col" }, String(i + 1))));
  const body = element("tbody");
  order.forEach((a, i) => {
    const name = unitName(byUnit.get(a));
    const label = element("span", { title: name }, glyph(byUnit.get(a).sign), ` ${i + 1}  ${name}`);
    const row = element("tr", {}, element("th", { scope: "row" }, label));
    for (const b of order) {
      const pair = pairs.get(`${a} ${b}`) ?? { reports: 0, share: 0 };
      const cell = element("td", a === b ? { class: "none" } : {
        class: pair.reports ? "" : "none",
        style: `background:rgba(var(--heat),${(0.75 * Math.sqrt(pair.share)).toFixed(3)})`, // text stays readable
        "data-tip": `Of ${plural(byUnit.get(a).support, "report")} with\n${name}\n` +
          `${count(pair.reports)} (${percent(pair.reports, byUnit.get(a).support)}) have\n${unitName(byUnit.get(b))}`,
      }, a === b ? "–" : String(Math.round(100 * pair.share)));
      row.append(cell);
    }
    body.append(row);
  });
  byId("heat").append(element("thead", {}, head), body);
}

function drawProvenance() {
  const about = data.about;
  byId("provenance").textContent =
    `semenrich ${about.version}; preset "${about.preset}", strategy "${about.strategy}", least score ` +
    `${about.minScore}, most additions ${about.maxAdded ?? "without bound"}; lexicon ${about.lexicon}; ${about.columns}; index ${about.indexDigest}, embedder ${about.embedder}. Method: SemEnrich, Gulluk and Gevaert 2026, arXiv 2604.09887.`;
}

drawFigures();
drawRefusals();
drawUnits();
drawHeatMap();
drawProvenance();
tipsOver(byId("map"));
tipsOver(byId("heat"));
