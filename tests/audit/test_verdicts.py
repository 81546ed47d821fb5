"""Verdicts on a sample: rates, exact intervals, and CSV files that are not what was exported."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from semenrich_datasets.audit.verdicts import (
    VERDICT_COLUMNS,
    VERDICTS,
    exact_interval,
    read_verdicts,
)


def write_csv(path, rows):
    lines = [",".join(VERDICT_COLUMNS)]
    for number, (sign, verdict) in enumerate(rows, start=1):
        lines.append(f'{number},7,3,"No effusion, no edema.",{sign},{verdict}')
    path.write_text("\r\n".join(lines) + "\r\n", encoding="utf-8")
    return path


def rate(verdicts, group, verdict):
    rows = verdicts.rates().to_pylist()
    return next(r for r in rows if (r["report_sign"], r["verdict"]) == (group, verdict))


def test_rates_are_over_all_judged_additions_and_by_the_sign_of_the_report(tmp_path):
    rows = [("abnormal", "good")] * 6 + [("abnormal", "contradicts")] * 2
    rows += [("normal", "good")] * 10 + [("normal", "unsure")] * 2 + [("normal", "")] * 5
    verdicts = read_verdicts(write_csv(tmp_path / "verdicts.csv", rows))
    assert verdicts.unjudged == 5
    assert rate(verdicts, "all", "good")["count"] == 16
    assert rate(verdicts, "all", "good")["judged"] == 20
    assert rate(verdicts, "all", "good")["rate"] == 0.8
    assert rate(verdicts, "abnormal", "contradicts")["rate"] == 0.25
    assert rate(verdicts, "normal", "contradicts")["rate"] == 0.0
    assert rate(verdicts, "normal", "contradicts")["high"] > 0.2
    assert len(verdicts.rates()) == 3 * len(VERDICTS)


def test_a_group_without_verdicts_is_left_out(tmp_path):
    verdicts = read_verdicts(write_csv(tmp_path / "verdicts.csv", [("normal", "good")]))
    assert set(verdicts.rates()["report_sign"].to_pylist()) == {"all", "normal"}


def test_text_names_counts_and_intervals(tmp_path):
    rows = [("abnormal", "good")] * 97 + [("normal", "redundant")] * 3
    text = str(read_verdicts(write_csv(tmp_path / "verdicts.csv", rows)))
    assert "all reports: 100 additions judged" in text
    assert "good            97   97.0%  (95 % interval 91.5% to 99.4%)" in text
    assert text.endswith("not judged: 0")


def test_a_spreadsheets_byte_order_mark_is_no_part_of_the_first_column(tmp_path):
    path = tmp_path / "verdicts.csv"
    path.write_text("report_sign,verdict\nnormal,good\n", encoding="utf-8-sig")
    assert read_verdicts(path).counts == {("normal", "good"): 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("report_sign;verdict\nnormal;good\n", r"found report_sign;verdict.*commas"),
        ("", "found none"),
        ("report_sign,verdict\nnormal,splendid\n", r"line 2 of .*found 'splendid'"),
        ("report_sign,verdict\nnormal,good\nodd,good\n", r"line 3 of .*found 'odd'"),
        ("report_sign,verdict\nnormal,\n", "no verdict"),
    ],
)
def test_other_files_are_clear_errors(tmp_path, content, message):
    path = tmp_path / "verdicts.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        read_verdicts(path)


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_interval_is_exact(pair):
    """Its ends are the rates at which so few, or so many, successes have probability 2.5 %."""
    count, total = pair
    low, high = exact_interval(count, total)
    assert low <= count / total <= high
    if count:
        assert binom.sf(count - 1, total, low) == pytest.approx(0.025, rel=1e-4)
    if count < total:
        assert binom.cdf(count, total, high) == pytest.approx(0.025, rel=1e-4)
