// The sheet: one addition at a time, a verdict by key, kept in this browser, exported as CSV.
const STORAGE_KEY = `semenrich-verdicts-${data.sampleId}`;
const KEYS = Object.fromEntries(Object.keys(data.verdicts).map((verdict) => [verdict[0], verdict]));
const sheet = { place: 0, verdicts: data.sample.map(() => ""), kept: true };

function loadVerdicts() {
  try {
    const saved = JSON.parse(localStorage.getItem(STORAGE_KEY) ?? "[]");
    sheet.verdicts = data.sample.map((_, i) => (saved[i] in data.verdicts ? saved[i] : ""));
  } catch { // a browser may forbid storage to pages from disk
    sheet.kept = false;
  }
}

function saveVerdicts() {
  try {
    localStorage.setItem(STORAGE_KEY, JSON.stringify(sheet.verdicts));
  } catch {
    sheet.kept = false;
  }
}

function judge(verdict) {
  sheet.verdicts[sheet.place] = verdict;
  saveVerdicts();
  if (verdict) sheet.place = Math.min(sheet.place + 1, data.sample.length - 1);
  drawSheet();
}

function move(step) {
  sheet.place = Math.max(0, Math.min(sheet.place + step, data.sample.length - 1));
  drawSheet();
}

function drawSheet() {
  const item = data.sample[sheet.place];
  const done = sheet.verdicts.filter(Boolean).length;
  byId("sheet-number").textContent = `Addition ${count(sheet.place + 1)} of ${count(data.sample.length)}`;
  byId("sheet-progress").textContent = `${count(done)} judged, ${count(data.sample.length - done)} to go`;
  byId("dots").replaceChildren(...sheet.verdicts.map((verdict, i) =>
    element("i", { class: `${verdict ? "done" : ""} ${i === sheet.place ? "here" : ""}` })));
  byId("sheet-report").replaceChildren(reportText(item, item.position), ...contextLines(item));
  for (const button of byId("verdict-buttons").children)
    button.setAttribute("aria-pressed", String(button.value === sheet.verdicts[sheet.place]));
  byId("sheet-previous").disabled = sheet.place === 0;
  byId("sheet-next").disabled = sheet.place === data.sample.length - 1;
  byId("sheet-clear").disabled = !sheet.verdicts[sheet.place];
  byId("sheet-storage").textContent = sheet.kept
    ? "Your verdicts are kept in this browser."
    : "This browser keeps nothing for a page from disk: export before you close it.";
}

function verdictsAsCsv() {
  // As csv_cells.py writes them: no spreadsheet takes a sentence for a formula.
  const guard = (value) => (typeof value === "string" && /^'*[=+\-@\t\r\n＝＋－＠]/.test(value) ? `'${value}` : String(value));
  const quote = (value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  const rows = data.sample.map((item, i) => {
    const values = { ...item, ...item.additions[item.position], verdict: sheet.verdicts[i] };
    return data.verdictColumns.map((column) => quote(guard(values[column])));
  });
  return [data.verdictColumns, ...rows].map((row) => `${row.join(",")}\r\n`).join("");
}

function exportCsv() {
  const address = URL.createObjectURL(new Blob([verdictsAsCsv()], { type: "text/csv;charset=utf-8" }));
  element("a", { href: address, download: "verdicts.csv" }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const actions = { ArrowLeft: () => move(-1), ArrowRight: () => move(1), Backspace: () => judge("") };
  const verdict = KEYS[event.key.toLowerCase()];
  const action = verdict ? () => judge(verdict) : actions[event.key];
  if (!action) return;
  event.preventDefault();
  action();
}

function startSheet() {
  byId("sample-lead").textContent = data.sample.length
    ? `${plural(data.sample.length, "addition")} drawn at random from the whole dataset. Read the report, then ` +
      "judge the framed sentence: click the sheet once, then use the keys. Of several verdicts, take the first that " +
      "applies from “contradicts” on. Export the verdicts and run: semenrich audit --verdicts verdicts.csv"
    : "Nothing was added, so there is nothing to judge.";
  byId("sheet").hidden = !data.sample.length;
  if (!data.sample.length) return;
  for (const [verdict, meaning] of Object.entries(data.verdicts)) {
    const button = element("button", { type: "button", value: verdict },
      element("span", {}, element("kbd", {}, verdict[0].toUpperCase()), ` ${verdict}`), element("small", {}, meaning));
    button.addEventListener("click", () => judge(verdict));
    byId("verdict-buttons").append(button);
  }
  byId("sheet-previous").addEventListener("click", () => move(-1));
  byId("sheet-next").addEventListener("click", () => move(1));
  byId("sheet-clear").addEventListener("click", () => judge(""));
  byId("sheet-export").addEventListener("click", exportCsv);
  byId("sheet").addEventListener("keydown", onKey);
  loadVerdicts();
  const first = sheet.verdicts.indexOf("");
  sheet.place = first < 0 ? 0 : first;
  drawSheet();
}

startSheet();
