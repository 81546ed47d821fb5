"""Writes a report for each study of a dataset with a trained model.

    python examples/generate_reports.py --model runs/sft_phantom
    accelerate launch examples/generate_reports.py --model me/my-model --dataset me/my-reports \
        --best_of 8 --prune 0.5 --output reports.parquet
    python examples/generate_reports.py --vllm --model me/my-model --dataset me/my-reports

Keeps the text columns of the dataset and adds `generated_findings`, `generated_impression`,
`well_formed` and `completion`. To score them:

    python examples/evaluate_reports.py reports.jsonl --references findings \
        --systems generated_findings
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from console import be_quiet, clear_errors
from trl import TrlParser

if TYPE_CHECKING:
    from datasets import Dataset


@dataclass
class GenerateArguments:
    """Which model writes about which studies, and how."""

    model: str = field(metadata={"help": "Folder or Hub id of a model or of its LoRA adapter."})
    dataset: str = field(
        default="phantom",
        metadata={"help": "A Hub id, a folder, a CSV, JSONL or Parquet file, or 'phantom'."},
    )
    split: str = field(
        default="test",
        metadata={
            "help": "Split, or all. Of a dataset without a split test: what training held out of "
            "it; train is what it learned."
        },
    )
    prompt: str | None = field(
        default=None,
        metadata={
            "help": "Text of the user's message, {columns} filled in: the one of the training."
        },
    )
    test_reports: int | None = field(
        default=None, metadata={"help": "Studies, from the first; all of them (phantom: 200)."}
    )
    best_of: int = field(
        default=1,
        metadata={"help": "Candidates per study, of which the most typical is taken; 1: greedy."},
    )
    distance: str = field(
        default="chamfer",
        metadata={"help": "Set distance between candidates: chamfer, matching or energy."},
    )
    prune: float = field(
        default=0.0,
        metadata={"help": "Share of the candidates that each checkpoint stops, below 1."},
    )
    checkpoints: list[int] = field(
        default_factory=lambda: [24, 48],
        metadata={"help": "Tokens after which: a quarter and half of a report, say."},
    )
    temperature: float = field(default=1.0, metadata={"help": "Of the candidates."})
    max_new_tokens: int = field(default=512, metadata={"help": "Most tokens of a report."})
    batch_size: int = field(
        default=8, metadata={"help": "Studies at a time; vLLM chooses its own."}
    )
    seed: int = field(default=0, metadata={"help": "Of the candidates."})
    vllm: bool = field(
        default=False, metadata={"help": "Generate with vLLM (pip install vllm), in one process."}
    )
    output: str = field(
        default="reports.jsonl", metadata={"help": "A CSV, JSONL or Parquet file, or a folder."}
    )


def main(argv: Sequence[str] | None = None) -> Dataset:
    """Generates and saves; on several processes each writes about its share."""
    parser = TrlParser([GenerateArguments])  # type: ignore[list-item]
    (args,) = parser.parse_args_and_config(None if argv is None else list(argv))
    # Not before the arguments are read, so that --help is quick.
    from accelerate import PartialState
    from accelerate.utils import gather_object
    from report_run import check_model
    from transformers import set_seed

    from semenrich_datasets.report_files import check_target, save_reports

    be_quiet()
    check_target(args.output)
    state = PartialState()
    if args.vllm and state.num_processes > 1:
        msg = f"expected one process with --vllm, found {state.num_processes}: start with python"
        raise ValueError(msg)
    check_model(args.model)
    set_seed(args.seed + state.process_index)
    studies = load_reports(args)
    share = studies.shard(state.num_processes, state.process_index, contiguous=True)
    completions = gather_object(generate(share, args, state.device) if len(share) else [])
    reports = add_reports(studies, completions)
    if state.is_main_process:
        save_reports(reports, args.output)
        print(f"{len(reports)} reports -> {args.output}")
    if state.num_processes > 1:
        state.destroy_process_group()
    return reports


def load_reports(args: GenerateArguments) -> Dataset:
    """Gives the studies to write about; those of the phantom are in no training set."""
    from console import say
    from report_data import first_reports, load_studies

    from semenrich_datasets.phantom import load_phantom
    from semenrich_trainers.run_recipe import trained_seed

    if args.dataset == "phantom":
        return load_phantom(args.test_reports or 200, seed=1, unsaid=0.0, habits="plain")
    studies, which = load_studies(args.dataset, args.split, trained_seed(args.model))
    say(f"Writing about {which}")
    return first_reports(studies, args.test_reports or len(studies))


def find_prompt(args: GenerateArguments) -> list[dict[str, Any]]:
    """Gives the messages asked for, or those that the model was trained with."""
    from semenrich_trainers.formatting import DEFAULT_PROMPT
    from semenrich_trainers.run_recipe import trained_prompt

    prompt = args.prompt or trained_prompt(args.model)
    if prompt is None:
        print(f"{args.model} does not say with which prompt it was trained: {DEFAULT_PROMPT!r}")
        prompt = DEFAULT_PROMPT
    return [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt


def generate(studies: Dataset, args: GenerateArguments, device: Any) -> list[str]:
    """Gives a completion per study."""
    from semenrich_trainers import (
        best_of_n,
        generate_completions,
        load_policy,
        pruned_best_of_n,
    )
    from semenrich_trainers.adapters import load_processing_class
    from semenrich_trainers.prompts import fill_prompt

    prompt = find_prompt(args)
    rows = (
        {
            **study,
            "prompt": [one | {"content": fill_prompt(one["content"], study)} for one in prompt],
        }
        for study in studies
    )
    if args.vllm:
        return write_with_vllm(rows, args, most_images(studies))
    processor = load_processing_class(args.model)
    model = load_policy(args.model, dtype="auto", device_map=None).to(device).eval()
    settings: dict[str, Any] = {
        "batch_size": args.batch_size,
        "max_new_tokens": args.max_new_tokens,
    }
    if args.best_of == 1:
        return generate_completions(model, processor, rows, **settings)
    settings |= {"distance": args.distance, "temperature": args.temperature}
    if not args.prune:
        return best_of_n(model, processor, rows, args.best_of, **settings)
    settings |= {"keep": 1.0 - args.prune, "checkpoints": args.checkpoints}
    return pruned_best_of_n(model, processor, rows, args.best_of, **settings).completions


def write_with_vllm(
    rows: Iterable[dict[str, Any]], args: GenerateArguments, images_per_prompt: int
) -> list[str]:
    """Gives a completion per row, from vLLM's engine."""
    from semenrich_trainers.vllm_generation import generate_with_vllm

    return generate_with_vllm(
        args.model,
        rows,
        args.best_of,
        max_new_tokens=args.max_new_tokens,
        temperature=args.temperature,
        distance=args.distance,  # type: ignore[arg-type]
        images_per_prompt=images_per_prompt,
        seed=args.seed,
    )


def most_images(studies: Dataset) -> int:
    """Gives the most images of a study, without opening one."""
    import pyarrow.compute as pc

    if "images" not in studies.column_names:
        return 1
    return pc.max(pc.list_value_length(studies.data.column("images"))).as_py() or 1


def add_reports(studies: Dataset, completions: Sequence[str]) -> Dataset:
    """Gives the text columns of the studies with the generated reports beside them."""
    from datasets import Value

    from semenrich_trainers import parse_report

    texts = [name for name, kind in studies.features.items() if isinstance(kind, Value)]
    parsed = [parse_report(text) for text in completions]
    columns: dict[str, list[Any]] = {
        "generated_findings": [report.findings for report in parsed],
        "generated_impression": [report.impression for report in parsed],
        "well_formed": [report.well_formed for report in parsed],
        "completion": list(completions),
    }
    reports = studies.select_columns(texts)
    for name, values in columns.items():
        reports = reports.add_column(name, values)
    return reports


if __name__ == "__main__":
    with clear_errors():
        main()
