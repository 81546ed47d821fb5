// The table of reports: searched as one types, a page at a time, so that thousands stay fast.
const PAGE_SIZE = 10;
const FILTERS = {
  "all reports": () => true,
  "enriched reports": (report) => report.additions.length > 0,
  "reports without an addition": (report) => report.additions.length === 0,
  "abnormal reports": (report) => report.report_sign === "abnormal",
  "normal reports": (report) => report.report_sign === "normal",
};
const units = new Map(data.units.map((unit) => [unit.unit_id, unit]));
const table = { page: 0, found: data.reports };
const haystacks = new Map(data.reports.map((report) => {
  const parts = [report.text, ...report.context, ...report.additions.map((addition) => addition.sentence)];
  return [report, `${report.row}\n${parts.join("\n")}`.toLowerCase()];
}));

// The report as it was written, then its additions marked; `asked` is the one to be judged.
function reportText(report, asked = -1) {
  if (report.text === null) return element("p", { class: "text soft" }, "No text.");
  const text = element("p", { class: "text" }, report.text.trim());
  report.additions.forEach((addition, i) => {
    text.append(" ", element("mark", i === asked ? { class: "asked" } : {}, addition.sentence));
  });
  return text;
}

function contextLines(report) {
  return report.context.map(({ name, text }) =>
    element("p", { class: "context" }, element("span", {}, `${words(name)}: `), text));
}

function additionList(report) {
  if (!report.additions.length) return element("p", { class: "soft" }, "Nothing was added.");
  return element("ul", { class: "added" }, ...report.additions.map((addition, i) => {
    const unit = units.get(addition.cluster_id);
    const why = `unit ${addition.cluster_id}: ${unit.text ?? "rare wording, not shown"}; ` +
      `in ${plural(addition.support, "report")} of the index, score ${addition.score.toFixed(3)}` +
      (report.why?.[i] ? `; the odds of an abnormality left unsaid are moved most by ${report.why[i]}` : "");
    return element("li", {}, element("b", {}, addition.sentence), element("small", {}, why));
  }));
}

function refusedList(report) {
  const total = report.refused.reduce((sum, [n]) => sum + n, 0);
  if (!total) return "";
  const details = element("details", { class: "reasons" },
    element("summary", {}, `${plural(total, "statement")} refused`));
  details.addEventListener("toggle", () => { // filled when first opened
    if (details.children.length > 1) return;
    report.refused.forEach(([n, listed], i) => {
      if (!n) return;
      const items = listed.map((number) => element("li", {}, data.statements[number]));
      if (n > listed.length) items.push(element("li", {}, `and ${count(n - listed.length)} more`));
      const { reason, meaning } = data.refusals[i];
      details.append(element("h5", { title: meaning }, `${words(reason)} (${count(n)})`), element("ul", {}, ...items));
    });
  });
  return details;
}

function reportCard(report) {
  const sign = report.report_sign;
  const title = element("h3", {}, `Row ${count(report.row)}`);
  if (sign) title.append(", ", glyph(sign), ` ${sign} report`);
  return element("article", { class: "report" }, title,
    element("div", {}, reportText(report), ...contextLines(report)),
    element("div", {}, element("h4", {}, "Added, and why"), additionList(report), refusedList(report)));
}

function drawPage() {
  const pages = Math.max(1, Math.ceil(table.found.length / PAGE_SIZE));
  table.page = Math.max(0, Math.min(table.page, pages - 1));
  const start = table.page * PAGE_SIZE;
  byId("report-list").replaceChildren(...table.found.slice(start, start + PAGE_SIZE).map(reportCard));
  byId("report-count").textContent = plural(table.found.length, "report");
  byId("report-page").textContent = `Page ${count(table.page + 1)} of ${count(pages)}`;
  byId("report-previous").disabled = table.page === 0;
  byId("report-next").disabled = table.page === pages - 1;
}

function findReports() {
  const wanted = byId("report-search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const passes = FILTERS[byId("report-filter").value];
  table.found = data.reports.filter((report) =>
    passes(report) && wanted.every((word) => haystacks.get(report).includes(word)));
  table.page = 0;
  drawPage();
}

function turnPage(step) {
  table.page += step;
  drawPage();
  byId("reports").scrollIntoView();
}

byId("reports-lead").textContent =
  (data.reports.length < data.figures["reports"]
    ? `${plural(data.reports.length, "report")} of ${count(data.figures["reports"])}, drawn at random. `
    : `All ${plural(data.reports.length, "report")}. `) +
  "The report stands as it was written; what was added is marked. The score says how likely a statement is true though unsaid.";
byId("report-filter").append(...Object.keys(FILTERS).map((name) => element("option", {}, name)));
byId("report-search").addEventListener("input", findReports);
byId("report-filter").addEventListener("change", findReports);
byId("report-previous").addEventListener("click", () => turnPage(-1));
byId("report-next").addEventListener("click", () => turnPage(1));
drawPage();
