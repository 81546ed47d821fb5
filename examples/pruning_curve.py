"""What it costs, in tokens and in truth, to stop the candidates of best-of-N on the way.

    python examples/pruning_curve.py runs/sft_phantom --prompt "Report this chest X-ray." \
        --output runs/pruning.json

On studies of the phantom that no model was trained on. A line per way of choosing a report:

- greedy; best_of_n with n candidates, and with the smaller numbers that cost about as much as
  pruning does: what pruning has to beat;
- pruned by `typicality` (nearest to the other candidates), by `corpus` (nearest to the reports of a
  corpus), and by `random`, the control.
"""

import argparse
import json
import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from phantom_truth_scores import truth_scores
from transformers import AutoModelForImageTextToText, AutoProcessor, set_seed

from semenrich_datasets.index.embedding import Encoder, load_encoder
from semenrich_datasets.phantom import load_phantom
from semenrich_datasets.whole_files import replace_text
from semenrich_trainers import pruned_best_of_n
from semenrich_trainers.formatting import DEFAULT_PROMPT
from semenrich_trainers.partial_reports import CorpusNearness, PartialScorer, Typicality
from semenrich_trainers.sentence_vectors import SentenceVectors

Score = Callable[[Sequence[str]], Mapping[str, float]]


def pruning_curve(
    model: Any,
    processor: Any,
    rows: Iterable[Mapping[str, Any]],
    score: Score,
    n: int = 8,
    keeps: Sequence[float] = (0.75, 0.5, 0.25),
    seed: int = 0,
    *,
    corpus: Sequence[str] = (),
    checkpoints: Sequence[int] | None = None,
    encoder: Encoder | str | None = None,
    **settings: Any,
) -> list[dict[str, Any]]:
    """Measures greedy, best-of-N, and pruned best-of-N from the same seed.

    Args:
        model ([`~transformers.PreTrainedModel`]): As of [`generate_completions`].
        processor (`PreTrainedTokenizerBase` or `ProcessorMixin`): The same.
        rows (`Iterable[Mapping]`): The same.
        score (`Callable`): From the completions, one per row, to figures by name.
        n (`int`, *optional*, defaults to `8`): Candidates.
        keeps (`Sequence[float]`, *optional*): Shares that go on behind each checkpoint.
        seed (`int`, *optional*, defaults to `0`): Of all draws.
        corpus (`Sequence[str]`, *optional*): Findings of a training set, for `corpus`; without
            them it is left out.
        checkpoints (`Sequence[int]`, *optional*): After how many tokens; by default a quarter and
            half of the mean length of the greedy reports.
        encoder (`Encoder` or `str`, *optional*): Of sentences; all-MiniLM-L6-v2 by default.
        settings (`Any`): `batch_size`, `distance`, or fields of
            [`~transformers.GenerationConfig`].

    Returns:
        `list[dict]`: One per way: `method`, `n`, `keep`, `seed`, `tokens` (drawn for all candidates
        of all rows), `tokens_saved` (share of those of best-of-n) and the figures; `checkpoints`
        where candidates were stopped.
    """
    rows = list(rows)
    encoder = load_encoder(encoder)  # once for all ways

    def measure(method: str, candidates: int, keep: float = 1.0, **how: Any) -> dict[str, Any]:
        set_seed(seed)
        given = {"encoder": encoder, **settings, **how, "keep": keep}
        pruned = pruned_best_of_n(model, processor, rows, candidates, **given)
        way = {"method": method, "n": candidates, "keep": keep, "seed": seed}
        return {**way, "tokens": pruned.tokens, **score(pruned.completions)}

    # The same code for all, so that tokens are counted alike: nobody is stopped where all are kept.
    lines = [measure("greedy", 1, do_sample=False, temperature=1.0)]
    if checkpoints is None:
        mean = lines[0]["tokens"] / max(len(rows), 1)
        checkpoints = sorted({max(1, round(mean * share)) for share in (0.25, 0.5)})
    fewer = {math.ceil(keep * n) for keep in keeps}
    lines += [measure("best_of_n", candidates) for candidates in sorted({n, *fewer}, reverse=True)]
    for name, scorer in make_scorers(SentenceVectors(encoder), corpus, seed).items():
        for keep in keeps:
            how = {"checkpoints": checkpoints, "scorer": scorer}
            line = measure(f"pruned by {name}", n, keep, **how)
            lines.append({**line, "checkpoints": list(checkpoints)})
    whole = next(line["tokens"] for line in lines if line["method"] == "best_of_n")
    return [{**line, "tokens_saved": 1 - line["tokens"] / whole} for line in lines]


def make_scorers(
    vectors: SentenceVectors, corpus: Sequence[str], seed: int
) -> dict[str, PartialScorer]:
    """Gives the scorers of partial reports to compare, by name.

    Args:
        vectors ([`SentenceVectors`]): Embeds sentences.
        corpus (`Sequence[str]`): Findings of a training set, or nothing.
        seed (`int`): Of the scorer that stops candidates at random.

    Returns:
        `dict[str, Callable]`: `typicality`, `corpus` where there is one, and `random`.
    """
    rng = random.Random(seed)
    scorers: dict[str, PartialScorer] = {"typicality": Typicality(vectors)}
    if corpus:
        scorers["corpus"] = CorpusNearness(corpus, vectors)
    scorers["random"] = lambda findings: [rng.random() for _ in findings]
    return scorers


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Reads the command line, measures on the phantom, writes and prints the lines."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("model", help="folder or Hub id of a model that learned the phantom")
    parser.add_argument("--prompt", default=DEFAULT_PROMPT, help="the one of the training")
    parser.add_argument("--studies", type=int, default=200, help="held-out studies")
    parser.add_argument("--corpus", type=int, default=2000, help="training reports to be near to")
    parser.add_argument("--n", type=int, default=8, help="candidates")
    parser.add_argument("--keeps", type=float, nargs="+", default=[0.75, 0.5, 0.25])
    parser.add_argument("--checkpoints", type=int, nargs="+", help="tokens")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--max_new_tokens", type=int, default=160)
    parser.add_argument("--batch_size", type=int, default=16, help="studies at a time")
    parser.add_argument("--output", type=Path, help="a JSON file")
    args = parser.parse_args(argv)
    processor = AutoProcessor.from_pretrained(args.model)
    model = AutoModelForImageTextToText.from_pretrained(args.model, dtype="auto").eval()
    # The form that the training scripts learn from.
    studies = load_phantom(args.studies, seed=1, unsaid=0.0, habits="plain")
    corpus = load_phantom(args.corpus, seed=0, images=False, unsaid=0.0, habits="plain")
    prompt = [{"role": "user", "content": args.prompt}]
    rows = [{"prompt": prompt, "image": study["image"]} for study in studies]
    how = {name: getattr(args, name) for name in ("n", "keeps", "checkpoints", "batch_size")}
    how |= {"temperature": args.temperature, "max_new_tokens": args.max_new_tokens}
    lines = [
        line
        for seed in args.seeds
        for line in pruning_curve(
            model,
            processor,
            rows,
            lambda completions: truth_scores(completions, studies["truth"]),
            seed=seed,
            corpus=corpus["findings"],
            **how,
        )
    ]
    if args.output:
        replace_text(args.output, json.dumps(lines, indent=1) + "\n")
    print(as_table(lines))
    return lines


def as_table(lines: Sequence[Mapping[str, Any]]) -> str:
    """Gives the lines as a Markdown table, means over the seeds.

    Args:
        lines (`Sequence[Mapping]`): Of [`pruning_curve`], of one seed or several.

    Returns:
        `str`: A row per way: tokens, the share saved, and each figure of the score.
    """
    ways: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for line in lines:
        ways.setdefault((line["method"], line["n"], line["keep"]), []).append(line)
    given = {"method", "n", "keep", "seed", "checkpoints", "tokens", "tokens_saved"}
    figures = [name for name in lines[0] if name not in given]
    head = ["method", "n", "keep", "tokens", "saved", *figures]
    table = [f"| {' | '.join(head)} |", "| --- " * len(head) + "|"]
    for way, same in ways.items():
        tokens, saved, *values = (
            sum(line[name] for line in same) / len(same)
            for name in ("tokens", "tokens_saved", *figures)
        )
        cells = [*map(str, way), f"{tokens:,.0f}", f"{saved:.1%}", *(f"{v:.3f}" for v in values)]
        table.append(f"| {' | '.join(cells)} |")
    return "\n".join(table)


if __name__ == "__main__":
    main()
