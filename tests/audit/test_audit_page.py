"""The audit page in a real browser: what a reader sees, presses and takes home."""

import json
import re
import shutil
from collections import Counter

import pytest
from browser import ARROW_LEFT, ARROW_RIGHT, BACKSPACE, run_browser
from datasets import Dataset
from fakes import build_index, made_up_reports
from typer.testing import CliRunner

from semenrich_datasets import SemEnricher
from semenrich_datasets.audit import audit_tables, read_verdicts, summarize, write_audit
from semenrich_datasets.audit.verdicts import VERDICTS
from semenrich_datasets.cli import app

MISSING = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
pytestmark = pytest.mark.skipif(
    bool(MISSING), reason=f"{' and '.join(MISSING)} not found: apt install chromium chromium-driver"
)

# What a report could hold to break out of the page's data, its attributes or its tooltips.
HOSTILE = [
    "<script>hacked = 1</script> Quite odd",
    "</script><script>hacked = 2</script> Quite strange",
    '<img src="x" onerror="hacked = 3"> Quite peculiar',
    '"><svg onload=hacked=4> Quite unusual',
    "<!-- <script> {{data}} {{script}} &lt;b&gt; Quite curious",
    "Quite " + "long" * 60,
]
CONTEXT = "<i>impression</i>"


@pytest.fixture(scope="module")
def index():
    return build_index([*(row["findings"] for row in made_up_reports()), *HOSTILE * 12])


@pytest.fixture(scope="module")
def enricher(index):
    return SemEnricher(index, context_columns=[CONTEXT])


@pytest.fixture(scope="module")
def enriched(enricher):
    rows = [*made_up_reports(30, seed=5), *({"findings": text} for text in (*HOSTILE, None))]
    columns = {
        "findings": [row["findings"] for row in rows],
        CONTEXT: ["Normal.", "<i>Unremarkable.</i>"] * 18,
    }
    columns[CONTEXT].append(None)
    return Dataset.from_dict(columns).map(enricher, batched=True)


@pytest.fixture(scope="module")
def reports(enriched, enricher):
    return audit_tables(enriched, enricher)["reports"].to_pylist()


@pytest.fixture(scope="module")
def page(enriched, enricher, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "audit.html"
    write_audit(path, enriched, enricher)
    return path


@pytest.fixture(scope="module")
def running():
    with run_browser() as browser:
        yield browser


@pytest.fixture
def browser(running, page):
    """The page, fresh: at its first screen, in light, without verdicts of another test."""
    running.show(width=1280)
    running.open(page)
    running.run("localStorage.clear(); location.reload()")
    return running


# What is shown


def test_opens_from_disk_without_a_request_or_an_error(running, page):
    running.log("performance")
    running.log("browser")
    running.open(page)
    assert set(running.requests()) == {page.as_uri()}
    assert running.log("browser") == []


def test_figures_are_those_of_the_summary(browser, enriched, enricher):
    summary = summarize(enriched, enricher)
    tiles = dict(zip(browser.texts("#tiles dt"), browser.texts("#tiles dd"), strict=True))
    assert tiles == {
        "Reports": f"{summary.rows:,}",
        "Additions": f"{summary.additions:,}",
        "Additions per report with a text": f"{summary.additions_per_report:.2f}",
        "Different added sentences": f"{summary.distinct_additions:,}",
        "Units they come from": f"{len(summary.additions_by_unit):,}",
        "Reports with no sentence the index knows": f"{summary.rows_unknown:,}",
    }
    fates = " ".join(browser.texts("#fates li"))
    counts = [int(n) for n in re.findall(r": (\d+) \(", fates)]
    assert counts == [summary.rows_enriched, summary.rows_unchanged, summary.rows_without_text]
    assert not browser.run("return document.getElementById('unexplained').checkVisibility()")


def test_refusals_are_counted_by_reason(browser, enriched, enricher):
    refusals = audit_tables(enriched, enricher)["refusals"].to_pylist()
    shown = browser.texts("#refusals-table td")
    assert len(shown) == len(refusals) > 2
    for line, row in zip(shown, refusals, strict=True):
        assert line.startswith(f"{row['statements']} statement")
        assert f"in {row['reports']} report" in line


def test_histograms_count_the_units(browser, enriched, enricher, index):
    bins = audit_tables(enriched, enricher)["unit_sizes"].to_pylist()
    signs = Counter(index.unit_signs)
    for sign in ("normal", "abnormal", "neutral"):
        bars = "[...document.querySelectorAll(arguments[0])]"
        script = f"return {bars}.map((e) => +e.getAttribute('height'))"
        heights = browser.run(script, f"#histograms svg.{sign} rect")
        assert [height > 0 for height in heights] == [row[sign] > 0 for row in bins]
        assert f" {signs[sign]} {sign} unit" in " ".join(browser.texts("#histograms figcaption"))
        ratios = {
            round(h / row[sign], 6) for h, row in zip(heights, bins, strict=True) if row[sign]
        }
        assert len(ratios) == 1, "the bars of a sign are not to scale"


def test_map_has_a_mark_for_each_unit_shown_in_the_color_of_its_sign(browser, enriched, enricher):
    signs = browser.run(
        "return [...document.querySelectorAll('#map path')].map((e) => e.dataset.sign)"
    )
    units = audit_tables(enriched, enricher)["units"]
    assert Counter(signs) == Counter(units["sign"].to_pylist())
    colors = dict.fromkeys(set(signs))
    for sign in colors:
        script = "return getComputedStyle(document.querySelector(arguments[0])).fill"
        colors[sign] = browser.run(script, f"#map path.{sign}")
    assert len(set(colors.values())) == 3
    image = browser.screenshot("#map")
    shades = [color for _, color in image.getcolors(1 << 20)]
    for strongest in (0, 2):  # abnormal is orange, normal is blue
        others = [n for n in (0, 2) if n != strongest]
        assert any(shade[strongest] > max(shade[n] for n in others) + 60 for shade in shades)


def test_map_tells_what_a_mark_is(browser, index):
    unit = max(index.unit_table.to_pylist(), key=lambda row: row["support"])
    name = json.dumps(unit["text"].lower())
    browser.hover(f"#map path[data-name={name}]")
    tip = browser.text("#tip")
    assert not browser.run("return document.getElementById('tip').hidden")
    assert tip.split("\n")[0].endswith(unit["text"])
    assert f"{unit['sign']}, in {unit['support']} reports" in tip
    browser.hover("h1")
    assert browser.run("return document.getElementById('tip').hidden")


def test_map_is_searched_and_filtered_by_sign(browser, enriched, enricher):
    lit = "return document.querySelectorAll('#map path:not(.dim)').length"
    shown = audit_tables(enriched, enricher)["units"].to_pylist()
    wanted = [row for row in shown if "effusion" in (row["text"] or "").lower()]
    browser.type("#map-search", "effusion")
    assert browser.run(lit) == len(wanted) > 0
    assert browser.text("#map-count") == f"{len(wanted)} unit{'s' if len(wanted) > 1 else ''}"
    browser.click("#map-legend input[value=normal]")
    assert browser.run(lit) == sum(row["sign"] != "normal" for row in wanted)


def test_common_units_stand_in_a_table_of_shares(browser, enriched, enricher, index):
    pairs = audit_tables(enriched, enricher)["cooccurrence"].to_pylist()
    order = list(dict.fromkeys(pair["unit_a"] for pair in pairs))
    rows = [row.count("%") for row in browser.texts("#heat tbody tr")]
    assert len(rows) == len(order) > 5
    names = index.unit_table["text"].to_pylist()
    pair = max((p for p in pairs if p["unit_a"] != p["unit_b"]), key=lambda p: p["share"])
    row, column = (order.index(pair[name]) for name in ("unit_a", "unit_b"))
    cell = f"#heat tbody tr:nth-child({row + 1}) td:nth-child({column + 2})"
    assert browser.text(cell) == f"{100 * pair['share']:.0f}"
    browser.hover(cell)
    tip = browser.text("#tip")
    assert names[pair["unit_a"]] in tip
    assert f"{pair['reports']} (" in tip
    assert tip.endswith(f"have\n{names[pair['unit_b']]}")


# The reports


def test_additions_stand_marked_behind_the_report(browser, reports):
    first = reports[:10]
    assert browser.texts(".report .text mark") == [
        addition["sentence"] for report in first for addition in report["additions"]
    ]
    for report, shown in zip(first, browser.texts(".report .text"), strict=True):
        assert shown == " ".join([report["text"], *(a["sentence"] for a in report["additions"])])
    color = "return getComputedStyle(document.querySelector(arguments[0])).backgroundColor"
    assert browser.run(color, ".report .text mark") != browser.run(color, ".report")


def test_each_addition_says_why_and_each_refusal_its_reason(browser, reports, index):
    number = next(n for n, report in enumerate(reports) if report["additions"])
    report, card = reports[number], f".report:nth-child({number + 1})"
    addition = report["additions"][0]
    why = browser.text(f"{card} .added small")
    assert f"unit {addition['cluster_id']}: " in why
    assert f"in {addition['support']} reports of the index, score {addition['score']:.3f}" in why
    browser.click(f"{card} summary")
    reasons = Counter(item["reason"].replace("_", " ") for item in report["refused"])
    shown = browser.texts(f"{card} h5")
    assert Counter({t[: t.index(" (")]: int(t[t.index("(") + 1 : -1]) for t in shown}) == reasons
    listed = browser.texts(f"{card} .reasons li")
    assert Counter(listed) == Counter(item["sentence"] for item in report["refused"])


def test_search_finds_words_in_any_order(browser, reports):
    browser.type("#report-search", "EFFUSION small")
    found = [
        f"Row {report['row']}"
        for report in reports
        if {"small", "effusion"} <= set(re.findall(r"\w+", (report["text"] or "").lower()))
    ]
    assert 0 < len(found) < 10
    assert [title.split(",")[0] for title in browser.texts(".report h3")] == found
    assert browser.text("#report-count").split()[0] == str(len(found))
    browser.type("#report-search", " nowhere")
    assert browser.text("#report-count") == "0 reports"
    assert browser.texts(".report") == []


def test_reports_are_filtered_and_turned_page_by_page(browser, reports):
    seen = []
    for _ in range(4):
        seen += browser.texts(".report h3")
        if browser.run("return document.getElementById('report-next').disabled"):
            break
        browser.click("#report-next")
    assert [int(re.search(r"\d+", title)[0]) for title in seen] == list(range(len(reports)))
    browser.type("#report-filter", "abnormal")
    abnormal = sum(report["report_sign"] == "abnormal" for report in reports)
    assert browser.text("#report-count") == f"{abnormal} reports"
    assert all("abnormal report" in title for title in browser.texts(".report h3"))


def test_markup_in_a_report_is_text(browser, reports):
    browser.type("#report-search", "quite")
    shown = "\n".join(browser.texts(".report"))
    for hostile in HOSTILE:
        assert hostile in shown
    names = "\n".join(
        browser.run("return [...document.querySelectorAll('#map path')].map((e) => e.dataset.tip)")
    )
    # What is no statement in known words stays in its reports.
    assert "quite" not in names.lower()
    assert f"{CONTEXT}: " in browser.texts(".report .context span")
    assert browser.run("return document.scripts.length") == 2
    assert (
        browser.run("return document.querySelectorAll('img, i i, #map svg, [onload]').length") == 0
    )
    assert browser.run("return window.hacked") is None
    assert browser.log("browser") == []


# The sheet


def test_the_sheet_is_judged_by_keys(browser):
    verdict = "return document.querySelector('#verdict-buttons [aria-pressed=true]')?.value ?? null"
    for key in "gCrpu":
        browser.type("#sheet", key)
    assert browser.text("#sheet-number").startswith("Addition 6 of ")
    assert browser.text("#sheet-progress").startswith("5 judged, ")
    back = []
    for _ in range(5):
        browser.type("#sheet", ARROW_LEFT)
        back.append(browser.run(verdict))
    assert back == list(reversed(VERDICTS))
    browser.type("#sheet", BACKSPACE)
    assert browser.run(verdict) is None
    assert browser.text("#sheet-number").startswith("Addition 1 of ")
    browser.type("#sheet", ARROW_RIGHT + "x")
    assert browser.run(verdict) == "contradicts"
    assert browser.text("#sheet-progress").startswith("4 judged, ")
    assert len(browser.texts("#sheet mark.asked")) == 1


def test_keys_elsewhere_judge_nothing(browser):
    browser.type("#report-search", "good")
    assert browser.text("#sheet-progress").startswith("0 judged, ")


def test_verdicts_outlive_the_tab(browser, page):
    browser.type("#sheet", "gg")
    browser.open(page)
    assert browser.text("#sheet-progress").startswith("2 judged, ")
    assert browser.text("#sheet-number").startswith("Addition 3 of ")


def test_exported_verdicts_become_rates(browser, enriched, enricher, tmp_path):
    sample = audit_tables(enriched, enricher)["sample"].to_pylist()
    keys = "gggcgrgpug"
    browser.type("#sheet", keys)
    path = browser.download("#sheet-export", tmp_path / "verdicts.csv")
    verdicts = read_verdicts(path)
    assert verdicts.unjudged == len(sample) - len(keys)
    judged = zip(sample, keys, strict=False)
    names = {verdict[0]: verdict for verdict in VERDICTS}
    assert verdicts.counts == Counter((item["report_sign"], names[key]) for item, key in judged)
    result = CliRunner().invoke(app, ["audit", "--verdicts", str(path)])
    assert result.exit_code == 0
    assert re.search(r"good +6 +60\.0%  \(95 % interval 26\.2% to 87\.8%\)", result.output)


# The look


def test_a_screenshot_shows_the_page(browser, tmp_path):
    for scheme in ("light", "dark"):
        browser.show(width=1280, scheme=scheme)
        image = browser.screenshot()
        image.save(tmp_path / f"audit_{scheme}.png")
        assert image.size == (1280, 900)
        colors = sorted(image.getcolors(1 << 20), reverse=True)
        paper = sum(colors[0][1]) / 3
        assert (paper > 200) if scheme == "light" else (paper < 60)
        written = sum(count for count, color in colors if abs(sum(color) / 3 - paper) > 60)
        assert 0.01 < written / (1280 * 900) < 0.5, "blank, or no page of text"
        assert len(colors) > 50


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read(browser, scheme):
    """The contrast of every text in view is at least 4.5 (WCAG 2.2, 1.4.3, level AA)."""
    browser.show(width=1280, scheme=scheme)
    browser.run("document.querySelectorAll('details').forEach((e) => { e.open = true; })")
    browser.type("#sheet", "g")
    assert browser.faint_texts() == []


@pytest.mark.parametrize("width", [400, 768, 1280])
def test_nothing_scrolls_sideways(browser, width):
    browser.show(width=width)
    browser.run("document.querySelectorAll('details').forEach((e) => { e.open = true; })")
    browser.type("#report-search", "quite")
    script = "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    assert browser.run(script) == [width, width]


# Other datasets


@pytest.mark.parametrize("preset", ["paper", "random"])
def test_a_preset_without_rules_says_so(running, enriched, index, tmp_path, preset):
    enricher = SemEnricher(index, preset=preset, privacy_floor=False)
    kept = enriched.remove_columns(["enriched_findings", "added_findings"])
    write_audit(tmp_path / "audit.html", kept.map(enricher, batched=True), enricher)
    running.log("browser")
    running.open(tmp_path / "audit.html")
    assert "Nothing was refused" in running.text("#refusals-lead")
    assert "guards" not in running.text("#refusals-lead")
    assert running.run("return window.hacked") is None
    assert running.log("browser") == []


def test_nothing_added_leaves_nothing_to_judge(running, enriched, index, tmp_path):
    none = SemEnricher(index, max_added=0)
    kept = enriched.remove_columns(["enriched_findings", "added_findings"])
    for name, rows in (("none", kept), ("empty", kept.select([]))):
        write_audit(tmp_path / f"{name}.html", rows.map(none, batched=True), none)
        running.log("browser")
        running.open(tmp_path / f"{name}.html")
        assert running.text("#sample-lead") == "Nothing was added, so there is nothing to judge."
        assert not running.run("return document.getElementById('sheet').checkVisibility()")
        assert running.log("browser") == []


def test_additions_of_other_settings_are_pointed_out(running, enriched, index, tmp_path):
    write_audit(tmp_path / "audit.html", enriched, SemEnricher(index, max_added=0))
    running.open(tmp_path / "audit.html")
    additions = sum(map(len, enriched["added_findings"]))
    assert running.text("#unexplained").startswith(f"{additions} additions of the reports below")
    assert running.run("return document.getElementById('unexplained').checkVisibility()")
