"""How good the reports of each run are, study by study, and the tables that compare the arms."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from paired_tests import Figure
from paper_arms import ARMS, AS_WRITTEN, COMPLETE, PROMPT
from paper_comparison import compare_arms
from paper_markdown import to_markdown
from paper_policies import measure_policies
from paper_rewards import REWARDS
from phantom_truth_scores import TruthCounts, count_statements

from semenrich_datasets import FindingsIndex
from semenrich_datasets.index.claims import ClaimReader
from semenrich_datasets.sentences import split_sentences
from semenrich_datasets.whole_files import replace_text
from semenrich_trainers import parse_report
from semenrich_trainers.report_scores import ReportScorer
from semenrich_trainers.rewards import BleuReward
from semenrich_trainers.rewards.claim_weights import claim_support

#: Per-study scores of a run: a name to one number a study.
Scores = dict[str, list[float]]

#: Goes up when a score is computed otherwise: those kept beside the runs are of a number.
_SCORES = 2

#: Bands of claims by the share of the corpus's reports that make them.
BANDS = {"common": (0.2, 2.0), "usual": (0.05, 0.2), "seldom": (0.01, 0.05), "rare": (0.0, 0.01)}

#: How a row of the tables names what a model was asked with.
ASKED = {PROMPT: "", AS_WRITTEN: ", asked as written", COMPLETE: ", asked for all"}


def score_reports(completions: Sequence[str], studies: Any, index: FindingsIndex) -> Scores:
    """Scores the reports of one run.

    Args:
        completions (`Sequence[str]`): A report of each study, tags and all.
        studies (`Dataset`): Of the phantom, without images.
        index ([`FindingsIndex`]): Whose units are compared.

    Returns:
        `dict[str, list[float]]`: A number per study for each of `bleu_*` and `unit_*` (against the
        complete and the written findings), the counts of [`TruthCounts`] and of [`band_counts`],
        and `words`.
    """
    bleu, scorer = BleuReward(impression_column=None), ReportScorer(index)
    scores: Scores = {}
    for kind, column in {"complete": "complete_findings", "written": "findings"}.items():
        wanted = list(studies[column])
        scores[f"bleu_{kind}"] = list(bleu(completions, findings=wanted))
        table = scorer(completions, wanted, studies["impression"]).reports
        scores[f"unit_{kind}"] = [float(one) for one in table["cluster_f1"]]
    scores |= statement_counts(completions, studies)
    findings = [parse_report(text).findings for text in completions]
    scores |= band_counts(findings, list(studies["complete_findings"]), index)
    scores["words"] = [float(len(text.split())) for text in findings]
    return scores


def statement_counts(completions: Sequence[str], studies: Any) -> Scores:
    """Gives the counts of [`TruthCounts`], a number per study each."""
    counts = [count_statements(*pair) for pair in zip(completions, studies["truth"], strict=True)]
    return {name: [float(getattr(one, name)) for one in counts] for name in TruthCounts._fields}


def band_counts(written: Sequence[str], wanted: Sequence[str], index: FindingsIndex) -> Scores:
    """Counts claims by how many of the corpus's reports make them, whatever their details.

    Args:
        written (`Sequence[str]`): Findings.
        wanted (`Sequence[str]`): What they should be.
        index ([`FindingsIndex`]): Of the corpus.

    Returns:
        `dict[str, list[float]]`: For each band of `BANDS` `<band>_said`, `<band>_there` and
        `<band>_both` per study.
    """
    reader = ClaimReader(index)
    support, reports = claim_support(reader), index.config.reports
    counts: Scores = {}
    claims = (reader(list(texts)) for texts in (written, wanted))
    for said, there in ((set(a.kinds), set(b.kinds)) for a, b in zip(*claims, strict=True)):
        for band, (least, below) in BANDS.items():
            inside = {
                kind for kind in said | there if least <= support.get(kind, 0) / reports < below
            }
            for name, kinds in {"said": said, "there": there, "both": said & there}.items():
                counts.setdefault(f"{band}_{name}", []).append(float(len(kinds & inside)))
    return counts


def cut_to(completions: Sequence[str], others: Sequence[str]) -> list[str]:
    """Cuts the findings of reports to the words of other reports, after whole sentences."""
    cut = []
    for text, other in zip(completions, others, strict=True):
        room = len(parse_report(other).findings.split())
        kept: list[str] = []
        for sentence in split_sentences(parse_report(text).findings):
            room -= len(sentence.split())
            if kept and room < 0:
                break
            kept.append(sentence)
        cut.append(f"<think> {' '.join(kept)} </think>")
    return cut


def figures_of(scores: Scores, bands: Sequence[str] = tuple(BANDS)) -> dict[str, Figure]:
    """Makes the figures of a run, each of which can be had of any part of the studies."""
    column = {name: np.array(values, dtype=float)[:, None] for name, values in scores.items()}

    def ratio(part: str, whole: str) -> Figure:
        return Figure(column[part], column[whole])

    def harmonic(*pairs: tuple[str, str]) -> Figure:
        parts, wholes = zip(*pairs, strict=True)
        both = (np.hstack([column[name] for name in names]) for names in (parts, wholes))
        return Figure(*both, harmonic=True)

    for kind in ("said", "true", "there", "found"):
        column[f"all_{kind}"] = column[f"normal_{kind}"] + column[f"abnormal_{kind}"]
    figures = {}
    for sign in ("all", "normal", "abnormal"):
        pairs = ((f"{sign}_true", f"{sign}_said"), (f"{sign}_found", f"{sign}_there"))
        figures[f"{sign}_f1"] = harmonic(*pairs)
        figures[f"{sign}_precision"], figures[f"{sign}_recall"] = (ratio(*one) for one in pairs)
    for band in bands:
        pairs = ((f"{band}_both", f"{band}_said"), (f"{band}_both", f"{band}_there"))
        figures[f"{band}_f1"] = harmonic(*pairs)
    means = ("bleu_complete", "bleu_cut", "bleu_written", "unit_complete", "unit_written")
    for name in (*means, "harm", "words"):
        if name in scores:
            figures[name] = Figure.mean(scores[name])
    return figures


def score_run(result: Path, studies: Any, index: FindingsIndex) -> dict[str, Scores]:
    """Scores a run once, for each prompt that it was asked with; kept beside its result."""
    kept = result.with_name(f"scores_{_SCORES}.json")
    written = json.loads(result.read_text(encoding="utf-8"))["completions"]
    if kept.exists() and kept.stat().st_mtime > result.stat().st_mtime:
        scores = dict(json.loads(kept.read_text(encoding="utf-8")))
    else:
        scores = {
            prompt: score_reports(completions, studies, index)
            | {"distinct": [distinct_sentences(completions)]}
            for prompt, completions in written.items()
        }
        replace_text(kept, json.dumps(scores) + "\n")
    base = _base_of(result)
    for prompt, completions in () if base is None else written.items():
        cut = cut_to(completions, base)
        wanted = list(studies["complete_findings"])
        scores[prompt]["bleu_cut"] = BleuReward(impression_column=None)(cut, findings=wanted)
    return scores


def _base_of(result: Path) -> list[str] | None:
    """The reports of the base arm at the same seed, which others are cut to."""
    stage, _, seed = result.parts[-4:-1]
    base = result.parents[2] / "base" / seed / "result.json"
    if stage != "sft" or not base.exists():
        return None
    return list(json.loads(base.read_text(encoding="utf-8"))["completions"][PROMPT])


def distinct_sentences(completions: Sequence[str]) -> float:
    """Counts the different sentences of all findings."""
    findings = (parse_report(text).findings for text in completions)
    return float(len({one.lower() for text in findings for one in split_sentences(text)}))


def make_tables(runs: Path, settings: dict[str, Any], to: Path) -> dict[str, Any]:
    """Scores all runs that there are, compares their arms and writes tables and raw figures."""
    from paper_tables import open_data

    _, studies, index = open_data(runs / "data")
    studies = studies.remove_columns("image")
    tables: dict[str, Any] = {"settings": settings, "seconds": {}, "runs": {}, "curves": {}}
    by_stage: dict[str, dict[str, dict[int, dict[str, Figure]]]] = {"sft": {}, "grpo": {}}
    folders = [f"sft/{arm}" for arm in ARMS] + [f"grpo/{reward}" for reward in REWARDS]
    for result in (path for one in folders for path in sorted(runs.glob(f"{one}/*/result.json"))):
        stage, arm, seed = result.parts[-4:-1]
        kept = json.loads(result.read_text(encoding="utf-8"))
        tables["seconds"][f"{stage}/{arm}/{seed}"] = round(kept["wall_seconds"])
        if "log" in kept and seed == "0":
            tables["curves"][arm] = _curves(kept["log"])
        for prompt, scores in score_run(result, studies, index).items():
            figures = figures_of({name: one for name, one in scores.items() if name != "distinct"})
            row = f"{arm}{ASKED[prompt]}"
            by_stage[stage].setdefault(row, {})[int(seed)] = figures
            values = {name: round(figure.value, 5) for name, figure in figures.items()}
            values["distinct"] = scores["distinct"][0]
            tables["runs"][f"{stage}/{row}/{seed}"] = values
    start = by_stage["sft"].get("safe", {}).get(0)
    if by_stage["grpo"] and start is not None:
        by_stage["grpo"]["before GRPO"] = {0: start}
        tables["runs"]["grpo/before GRPO/0"] = tables["runs"]["sft/safe/0"]
    tables["sft"] = compare_arms(by_stage["sft"], "base")
    tables["grpo"] = compare_arms(by_stage["grpo"], "sentence")
    tables["policies"] = _policies(runs, studies)
    pruning = runs / "pruning" / "result.json"
    if pruning.exists():
        tables["pruning"] = json.loads(pruning.read_text(encoding="utf-8"))["curve"]
    replace_text(to / "results.json", json.dumps(tables, indent=1) + "\n")
    replace_text(to / "tables.md", to_markdown(tables))
    return tables


def _curves(log: Sequence[dict[str, Any]]) -> dict[str, list[float]]:
    names = ("reward", "frac_reward_zero_std", "completions/mean_length")
    return {name: [round(float(one[name]), 4) for one in log if name in one] for name in names}


def _policies(runs: Path, studies: Any) -> dict[str, dict[str, float]]:
    """What rewards pay the first model of some runs, and who looks at no image."""
    trained = {}
    for run in ("sft/base", "sft/safe", "sft/safe_twice", "grpo/surprise"):
        result = runs / run / "0" / "result.json"
        if result.exists():
            written = json.loads(result.read_text(encoding="utf-8"))["completions"][PROMPT]
            trained[f"a model ({run})"] = written
    if "a model (sft/base)" not in trained:
        return {}
    kinds = ("index", "impressions", "paper_index", "paper_impressions")
    indexes = {kind: FindingsIndex.from_pretrained(runs / "data" / kind) for kind in kinds}
    return measure_policies(trained, studies, indexes)
