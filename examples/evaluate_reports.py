"""Scores generated reports against references with every metric that can run here.

    python examples/evaluate_reports.py reports.csv --references findings \
        --systems baseline ours --output scores --set finding_f1.index=my-index

`reports.csv` (or .json, .jsonl, .parquet, or a data set on the Hub) has a column of references and
one per system. Writes scores/scores.json and scores/scores.md: every figure with its 95 % interval,
what was left out and why, and for each system after the first what it has more than the first:
the difference of each figure with its interval (paired bootstrap) and p-value (approximate
randomisation), also corrected for all figures of all systems (Holm). `--set METRIC.OPTION=VALUE`
hands an option to a metric, such as `chexbert_f1.checkpoint=chexbert.pth` or
`bertscore.model_type=...`.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import evaluate
import numpy as np
from console import clear_errors
from paired_tests import Figure, compare, holm, interval

from semenrich_datasets.whole_files import replace_text

Options = dict[str, Any]

METRICS = Path(__file__).resolve().parents[1] / "metrics"
# What a user can give where a metric cannot run, or runs in part.
WAYS_OUT = {
    "chexbert_f1": "--set chexbert_f1.checkpoint=chexbert.pth",
    "radgraph_f1": "--set radgraph_f1.archive=radgraph.tar.gz",
    "finding_cluster_f1": "--set finding_f1.index=INDEX",
}
PACKAGES = {"sacrebleu": "sacrebleu", "bert_score": "bert-score", "comet": "unbabel-comet"}
BUILDERS = {".csv": "csv", ".json": "json", ".jsonl": "json", ".parquet": "parquet"}


# Metrics: predictions, references and options in, figures out


def score_bleu(
    predictions: list[str], references: list[str], options: Options
) -> dict[str, Figure]:
    """Mean sentence BLEU, from 0 to 1."""
    from sacrebleu import sentence_bleu

    pairs = zip(predictions, references, strict=True)
    scores = [sentence_bleu(p, [r], **options).score / 100 for p, r in pairs]
    return {"sentence_bleu": Figure.mean(scores)}


def score_bertscore(
    predictions: list[str], references: list[str], options: Options
) -> dict[str, Figure]:
    """Mean BERTScore F1; 0 where a report is empty, which bert_score cannot score."""
    from bert_score import score

    scores = np.zeros(len(predictions))
    pairs = zip(predictions, references, strict=True)
    rows = [row for row, (p, r) in enumerate(pairs) if p.strip() and r.strip()]
    if rows:
        options = {"model_type": "roberta-large"} | options
        texts = [predictions[row] for row in rows], [references[row] for row in rows]
        scores[rows] = score(*texts, **options)[2].numpy()
    return {"bertscore_f1": Figure.mean(scores.tolist())}


def score_comet(
    predictions: list[str], references: list[str], options: Options
) -> dict[str, Figure]:
    """Mean COMET; it asks for a source too, and gets the reference."""
    import torch
    from comet import download_model, load_from_checkpoint

    model = load_from_checkpoint(download_model(options.get("model", "Unbabel/wmt22-comet-da")))
    pairs = zip(predictions, references, strict=True)
    rows = [{"src": r, "mt": p, "ref": r} for p, r in pairs]
    scores = model.predict(rows, gpus=int(torch.cuda.is_available()), progress_bar=False)["scores"]
    return {"comet": Figure.mean(scores)}


def score_chexbert(
    predictions: list[str], references: list[str], options: Options
) -> dict[str, Figure]:
    """CheXbert F1 over 14 and over 5 labels."""
    results = _run_module("chexbert_f1", predictions, references, options)
    labels = list(results["chexbert_labels"])
    five = ("Cardiomegaly", "Edema", "Consolidation", "Atelectasis", "Pleural Effusion")
    rows = results["chexbert_per_report"]
    predicted, actual = (
        np.array([[label in row[side] for label in labels] for row in rows])
        for side in ("predicted_labels", "reference_labels")
    )
    hits, sizes = (predicted & actual).astype(float), predicted.astype(float) + actual
    figures: dict[str, Figure] = {}
    for size, columns in {14: labels, 5: five}.items():
        chosen = [labels.index(label) for label in columns]
        micro = (counts[:, chosen].sum(axis=1, keepdims=True) for counts in (hits, sizes))
        figures[f"chexbert_micro_f1_{size}"] = Figure.f1(*micro)
        figures[f"chexbert_macro_f1_{size}"] = Figure.f1(hits[:, chosen], sizes[:, chosen])
        scores = [row[f"example_f1_{size}"] for row in rows]
        figures[f"chexbert_example_f1_{size}"] = Figure.mean(scores)
    return figures


def score_radgraph(
    predictions: list[str], references: list[str], options: Options
) -> dict[str, Figure]:
    """The RadGraph rewards, means over reports."""
    results = _run_module("radgraph_f1", predictions, references, options)
    rows = results["radgraph_per_report"]
    levels = ("simple", "partial", "complete")
    return {f"radgraph_{level}": Figure.mean([row[level] for row in rows]) for level in levels}


def score_findings(
    predictions: list[str], references: list[str], options: Options
) -> dict[str, Figure]:
    """Precision, recall and F1 of assertions and, with an index, of clusters, by sign; a score."""
    results = _run_module("finding_f1", predictions, references, options)
    rows = results["finding_per_report"]
    figures: dict[str, Figure] = {}
    for unit in ("", "cluster_") if "finding_index" in results else ("",):
        for sign in ("normal", "abnormal"):
            parts, wholes = (
                np.array([[row[f"{unit}{name}_{sign}"] for name in names] for row in rows], float)
                for names in (("correct", "recalled"), ("predicted", "actual"))
            )
            scores = [row[f"{unit}example_f1_{sign}"] for row in rows]
            by_name = {
                "precision": Figure(parts[:, :1], wholes[:, :1]),
                "recall": Figure(parts[:, 1:], wholes[:, 1:]),
                "f1": Figure(parts, wholes, harmonic=True),
                "example_f1": Figure.mean(scores),
            }
            figures |= {f"finding_{unit}{name}_{sign}": f for name, f in by_name.items()}
    return figures | {"finding_score": Figure.mean([row["score"] for row in rows])}


SCORERS = {
    "bleu": score_bleu,
    "bertscore": score_bertscore,
    "comet": score_comet,
    "chexbert_f1": score_chexbert,
    "radgraph_f1": score_radgraph,
    "finding_f1": score_findings,
}


def _run_module(
    name: str, predictions: list[str], references: list[str], options: Options
) -> dict[str, Any]:
    metric = evaluate.load(str(METRICS / name), per_report=True, keep_in_memory=True, **options)
    results: dict[str, Any] = metric.compute(predictions=predictions, references=references)
    return results


# A run


def load_columns(source: str, split: str, columns: Sequence[str]) -> dict[str, list[str]]:
    """The named text columns of a file or of a data set on the Hub; no text is an empty text."""
    builder = BUILDERS.get(Path(source).suffix)
    if builder:
        if not Path(source).is_file():
            raise FileNotFoundError(f"no file {source}: expected generated reports")
        # Or a report that says "None" is none, and so is an empty one.
        literal = {"keep_default_na": False} if builder == "csv" else {}
        table = datasets.load_dataset(builder, data_files=source, split="train", **literal)
    else:
        table = datasets.load_dataset(source, split=split)
    missing = [column for column in columns if column not in table.column_names]
    if missing:
        raise ValueError(f"Expected the columns {missing}, found {table.column_names} in {source}")
    if not len(table):
        raise ValueError(f"Expected reports, found no rows in {source}")
    return {column: [text or "" for text in table[column]] for column in columns}


def score_all(
    systems: dict[str, list[str]], references: list[str], options: dict[str, Options]
) -> tuple[dict[str, dict[str, Figure]], dict[str, str]]:
    """The figures of each system, and the metrics that could not run, with the reason."""
    # All systems at once: models are loaded once, references labelled once.
    texts = [text for column in systems.values() for text in column]
    figures: dict[str, dict[str, Figure]] = {system: {} for system in systems}
    left_out = {}
    for name, scorer in SCORERS.items():
        try:
            found = scorer(texts, references * len(systems), options.get(name, {}))
        # No package, no model, no network.
        except (ImportError, OSError) as error:
            left_out[name] = _reason(name, error)
            continue
        for row, system in enumerate(systems):
            rows = slice(row * len(references), (row + 1) * len(references))
            figures[system] |= {name: figure[rows] for name, figure in found.items()}
    if "index" not in options.get("finding_f1", {}):
        name = "finding_cluster_f1"
        left_out[name] = f"no index of findings is given ({WAYS_OUT[name]})"
    return figures, left_out


def _reason(name: str, error: Exception) -> str:
    reason = " ".join(str(error).split())[:300]
    package = PACKAGES.get(getattr(error, "name", None) or "")
    way_out = f"pip install {package}" if package else WAYS_OUT.get(name)
    return f"{reason} ({way_out})" if way_out else reason


def summarize(
    figures: dict[str, dict[str, Figure]], resamples: int, seed: int
) -> dict[str, dict[str, Any]]:
    """What is written: each system's figures, and what each but the first has more than the first.

    `p_holm` is corrected for every comparison there is, of all figures and all systems: that any
    one below 0.05 in a whole table is chance has a probability of 5 %. `p_value` is for a figure
    and a pair that were named in advance. Of two systems `comparison` is the one there is.
    """
    scores = {
        system: {
            name: {
                "value": figure.value,
                "interval": interval(figure.values, len(figure.parts), resamples, seed).tolist(),
            }
            for name, figure in named.items()
        }
        for system, named in figures.items()
    }
    if len(figures) < 2:
        return {"systems": scores}
    first, *others = figures
    comparisons = {
        other: {
            name: compare(figures[other][name], figure, resamples, seed)
            for name, figure in figures[first].items()
        }
        for other in others
    }
    entries = [entry for named in comparisons.values() for entry in named.values()]
    for entry, corrected in zip(entries, holm([one["p_value"] for one in entries]), strict=True):
        entry["p_holm"] = corrected
    summary: dict[str, dict[str, Any]] = {"systems": scores, "comparisons": comparisons}
    return summary | ({"comparison": comparisons[others[0]]} if len(others) == 1 else {})


def to_markdown(summary: dict[str, Any]) -> str:
    """The summary as a table, one row per figure."""
    systems = summary["systems"]
    head = ["figure", *systems]
    comparisons = summary.get("comparisons", {})
    first = next(iter(systems))
    for other in comparisons:
        head += [f"{other} - {first}", "p", "p (Holm)"]
    lines = [_row(head), _row(["---"] * len(head))]
    for name in systems[first]:
        cells = [_figure(systems[system][name], "value") for system in systems]
        for named in comparisons.values():
            entry = named[name]
            p_values = (f"{entry[key]:.4f}" for key in ("p_value", "p_holm"))
            cells += [_figure(entry, "difference"), *p_values]
        lines.append(_row([name, *cells]))
    lines += ["", f"{summary['reports']} reports; 95 % bootstrap intervals in brackets."]
    if "finding_example_f1_abnormal" in systems[first]:
        lines.append(
            "finding_example_f1: mean over reports, of which one where neither side says anything "
            "of the sign counts 1."
        )
    if comparisons:
        lines += _about_p_values(len(comparisons) * len(systems[first]), summary["resamples"])
    lines += [f"Empty reports of {who}: {n}." for who, n in summary["empty"].items() if n]
    lines += [f"Left out: {name}: {reason}" for name, reason in summary["left_out"].items()]
    return "\n".join(lines) + "\n"


def _about_p_values(count: int, resamples: int) -> list[str]:
    lines = [
        "p: approximate randomisation, two-sided, of one figure and pair; "
        f"p (Holm): corrected for all {count} of the table."
    ]
    # No p-value is below 1 / (1 + resamples).
    if count / (1 + resamples) > 0.05:
        lines.append(
            f"Too few resamples for p (Holm) to fall below 0.05: --resamples {20 * count} or more."
        )
    return lines


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _figure(entry: dict[str, Any], key: str) -> str:
    low, high = entry["interval"]
    return f"{entry[key]:.4f} [{low:.4f}, {high:.4f}]"


def read_options(settings: Sequence[str]) -> dict[str, Options]:
    """`METRIC.OPTION=VALUE` strings as options by metric; a value is JSON, or else a string."""
    options: dict[str, Options] = {}
    for setting in settings:
        target, found, value = setting.partition("=")
        metric, dot, option = target.partition(".")
        if not (found and dot) or metric not in SCORERS:
            raise ValueError(
                f"Expected METRIC.OPTION=VALUE with one of {', '.join(SCORERS)}, found {setting!r}"
            )
        try:
            parsed = json.loads(value)
        except json.JSONDecodeError:
            parsed = value
        options.setdefault(metric, {})[option] = parsed
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Scores, compares, writes and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("source", help="a .csv, .json, .jsonl or .parquet file, or a Hub data set")
    parser.add_argument("--split", default="test", help="of a Hub data set")
    parser.add_argument("--references", required=True, help="the column of references")
    parser.add_argument(
        "--systems",
        required=True,
        nargs="+",
        help="a column each; the first is the base that every other is compared with",
    )
    parser.add_argument("--output", type=Path, default=Path("scores"), help="a folder")
    parser.add_argument("--set", action="append", default=[], metavar="METRIC.OPTION=VALUE")
    parser.add_argument("--resamples", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)

    datasets.disable_progress_bars()
    columns = load_columns(options.source, options.split, [options.references, *options.systems])
    systems = {name: columns[name] for name in options.systems}
    references = columns[options.references]
    settings = read_options(options.set)
    figures, left_out = score_all(systems, references, settings)
    summary = {
        "source": options.source,
        "references": options.references,
        "reports": len(references),
        "empty": {name: sum(not text.strip() for text in columns[name]) for name in columns},
        "options": settings,
        "resamples": options.resamples,
        "seed": options.seed,
        "left_out": left_out,
        **summarize(figures, options.resamples, options.seed),
    }
    table = to_markdown(summary)
    replace_text(options.output / "scores.json", json.dumps(summary, indent=2) + "\n")
    replace_text(options.output / "scores.md", table)
    print(table)


if __name__ == "__main__":
    with clear_errors():
        main()
