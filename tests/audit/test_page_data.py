"""The audit page without a browser: its data, its templates, and what a report cannot break."""

import json
import re
from importlib.resources import files

import pytest
from datasets import Dataset
from fakes import build_index, made_up_reports

from semenrich_datasets import SemEnricher
from semenrich_datasets.audit import audit_tables, masked_truth, write_audit
from semenrich_datasets.audit.page import page_data, render_page
from semenrich_datasets.enrich.reasons import Reason

COLUMNS = "Columns: findings = 'findings', impression = 'impression'"
HOSTILE = "</script><script>hacked = 1</script> {{data}} <!-- &amp; Quite odd"


@pytest.fixture(scope="module")
def enricher():
    texts = [*(row["findings"] for row in made_up_reports()), *[HOSTILE] * 5]
    return SemEnricher(build_index(texts), context_columns=["impression"])


@pytest.fixture(scope="module")
def enriched(enricher):
    rows = [*made_up_reports(30, seed=5), {"findings": HOSTILE, "impression": None}]
    return Dataset.from_list(rows).map(enricher, batched=True)


@pytest.fixture(scope="module")
def data(enriched, enricher):
    masked = masked_truth(enriched, enricher, show_progress=False)
    return page_data(audit_tables(enriched, enricher), enricher, COLUMNS, masked)


def test_every_table_is_there_as_rows(data, enriched, enricher):
    tables = audit_tables(enriched, enricher)
    names = {"unitSizes": "unit_sizes", "units": "units", "pairs": "cooccurrence"}
    for name, table in names.items():
        assert data[name] == tables[table].to_pylist()
    assert data["sample"] == tables["sample"].to_pylist()
    assert len(data["reports"]) == 31
    assert data["figures"]["units added from"] == sum(row["additions"] > 0 for row in data["units"])


def test_each_reason_comes_with_its_meaning(data):
    assert len(data["refusals"]) > 2
    assert data["about"]["columns"] == COLUMNS
    for row in data["refusals"]:
        assert row["meaning"] == Reason(row["reason"]).meaning


def test_refused_statements_are_numbers(data, enriched, enricher):
    rows = audit_tables(enriched, enricher)["reports"].to_pylist()
    reasons = [row["reason"] for row in data["refusals"]]
    for row, shown in zip(rows, data["reports"], strict=True):
        for reason, (count, numbers) in zip(reasons, shown["refused"], strict=True):
            refused = [i["sentence"] for i in row["refused"] if i["reason"] == reason]
            assert count == len(refused)
            assert [data["statements"][number] for number in numbers] == refused[:20]


def test_the_scripts_ask_for_nothing_that_is_not_in_the_data(data):
    folder = files("semenrich_datasets.audit")
    scripts = "".join(
        folder.joinpath(name).read_text() for name in ("charts.js", "reports.js", "sample.js")
    )
    html = folder.joinpath("page.html").read_text()
    assert set(re.findall(r"\bdata\.([a-zA-Z]+)", scripts)) <= set(data)
    assert set(re.findall(r"\babout\.([a-zA-Z]+)", scripts)) <= set(data["about"])
    assert set(re.findall(r'figures\["([^"]+)"\]', scripts)) <= set(data["figures"])
    assert set(re.findall(r"\b(?:unit|byUnit\.get\(\w\))\.([a-z_]+)", scripts)) <= set(
        data["units"][0]
    )
    assert set(re.findall(r"\bpair\.([a-z_]+)", scripts)) <= set(data["pairs"][0])
    asked = set(re.findall(r'byId\("([a-z-]+)"\)', scripts))
    assert len(asked) > 20
    assert asked <= set(re.findall(r'id="([a-z-]+)"', html))
    assert "cluster" not in re.sub(r"cluster_id", "", html + scripts).lower()


def test_no_report_ends_the_data(data, enriched, enricher, tmp_path):
    write_audit(tmp_path / "audit.html", enriched, enricher)
    page = (tmp_path / "audit.html").read_text(encoding="utf-8")
    assert page == render_page(data)
    assert page.count("</script>") == 2
    (payload,) = re.findall(r'id="data">(.*?)</script>', page)
    assert not set("<>&") & set(payload)
    assert json.loads(payload) == json.loads(json.dumps(data))
    assert HOSTILE in [report["text"] for report in json.loads(payload)["reports"]]
    rest = page.replace(payload, "")
    assert "{{" not in rest
    assert not re.search(r"""(?:src|href)=["']https?:""", rest)
