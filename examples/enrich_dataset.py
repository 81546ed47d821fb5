"""Fits an index on the reports of a dataset and enriches every split with it.

    python examples/enrich_dataset.py --output runs/enriched                      # the phantom
    python examples/enrich_dataset.py --dataset me/my-reports --output runs/enriched \
        --push_to_hub me/my-reports-enriched --push_index_to_hub me/my-index

Writes OUTPUT/index, OUTPUT/impression_index, and OUTPUT/data with a Parquet file per split, for
`--index`, `--impression_index` and `--dataset` of the training scripts; names of image files are
opened, relative to the file or folder that they are read from, and the Parquet files hold the
images. The indexes are fitted on
the split "train" alone, so that nothing of a held-out report is learned; a dataset of one split is
divided into "train" and "test" first, by patient where a column names patients, else by study.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from console import be_quiet, clear_errors
from trl import TrlParser

if TYPE_CHECKING:
    from datasets import DatasetDict

    from semenrich_datasets import FindingsIndex, SemEnricher


@dataclass
class EnrichArguments:
    """Which reports to enrich, how, and where they go."""

    output: str = field(metadata={"help": "Folder for the index and the enriched dataset."})
    dataset: str = field(
        default="phantom",
        metadata={
            "help": "A Hub id, a folder of files, a CSV, JSONL or Parquet file, or 'phantom'."
        },
    )
    text_column: str = field(default="findings", metadata={"help": "Column of the findings."})
    context_columns: list[str] | None = field(
        default=None,
        metadata={
            "help": "Columns that an addition must not contradict; by default found by their names."
        },
    )
    impression_column: str = field(
        default="impression",
        metadata={"help": "Column of the impression, for an index of its own where it is there."},
    )
    index: str | None = field(
        default=None, metadata={"help": "Folder or Hub id of an index; fitted when not given."}
    )
    preset: str = field(default="safe", metadata={"help": "safe, paper or random."})
    test_size: float = field(
        default=0.1, metadata={"help": "Share of patients held out of a dataset of one split."}
    )
    seed: int = field(default=0, metadata={"help": "Of what is held out, and of the draws."})
    num_proc: int | None = field(default=None, metadata={"help": "Worker processes."})
    push_to_hub: str | None = field(
        default=None, metadata={"help": "Hub id of a dataset to push the enriched reports to."}
    )
    push_index_to_hub: str | None = field(
        default=None, metadata={"help": "Hub id of a model repository to push the index to."}
    )
    push_impression_index_to_hub: str | None = field(
        default=None,
        metadata={"help": "Hub id of a model repository to push the index of impressions to."},
    )
    private: bool = field(
        default=True,
        metadata={
            "help": "Whether what is pushed is private; else an index goes in its shared form."
        },
    )


def main(argv: Sequence[str] | None = None) -> DatasetDict:
    """Fits, enriches, saves and pushes."""
    parser = TrlParser([EnrichArguments])  # type: ignore[list-item]
    (args,) = parser.parse_args_and_config(None if argv is None else list(argv))
    # Not before the arguments are read, so that --help is quick.
    from report_indexes import build_impression_index

    from semenrich_datasets import FindingsIndex, SemEnricher
    from semenrich_datasets.audit.summary import summarize
    from semenrich_datasets.report_files import save_reports

    be_quiet()
    reports = load_splits(args)
    preset: Literal["safe", "paper"] = "safe" if args.preset == "safe" else "paper"
    if args.index is None:
        index = FindingsIndex.build(reports["train"], args.text_column, preset=preset)
    else:
        index = FindingsIndex.from_pretrained(args.index)
    enricher = SemEnricher(
        index, args.text_column, args.context_columns, preset=args.preset, seed=args.seed
    )
    enriched = reports.map(enricher, batched=True, num_proc=args.num_proc)
    index.save_pretrained(Path(args.output, "index"))
    impressions = None
    train = reports["train"]
    if args.impression_column in train.column_names and any(train[args.impression_column]):
        impressions = build_impression_index(train, args.impression_column, preset)
        impressions.save_pretrained(Path(args.output, "impression_index"))
    folder = Path(args.output, "data")
    folder.mkdir(parents=True, exist_ok=True)
    for name, split in enriched.items():
        save_reports(split, str(folder / f"{name}.parquet"))  # with the images themselves
        print(f"[{name}]\n{summarize(split, enricher)}")
    print(f"-> {args.output}")
    push(args, index, impressions, enriched, enricher)
    return enriched


def load_splits(args: EnrichArguments) -> DatasetDict:
    """Gives the dataset with its splits, "train" among them."""
    from datasets import DatasetDict
    from report_data import hold_out, load_named_splits

    splits = DatasetDict(load_named_splits(args.dataset))
    if "train" not in splits:
        raise ValueError(f"expected a split 'train' in {args.dataset}, found {', '.join(splits)}")
    if len(splits) > 1:
        return splits
    train, test = hold_out(splits["train"], args.seed, args.test_size, most=None)
    print(
        f"Held out of {args.dataset} as 'test', by patient: {len(test)} of {len(splits['train'])}"
    )
    return DatasetDict(train=train, test=test)


def push(
    args: EnrichArguments,
    index: FindingsIndex,
    impressions: FindingsIndex | None,
    enriched: DatasetDict,
    enricher: SemEnricher,
) -> None:
    """Pushes what is to be pushed."""
    from semenrich_datasets.audit import push_enriched

    if args.push_index_to_hub is not None:
        print(
            index.push_to_hub(args.push_index_to_hub, share=not args.private, private=args.private)
        )
    if args.push_impression_index_to_hub is not None:
        if impressions is None:
            msg = f"expected a column {args.impression_column!r} to push an index of, found none"
            raise ValueError(f"{msg}: name one with --impression_column")
        print(
            impressions.push_to_hub(
                args.push_impression_index_to_hub, share=not args.private, private=args.private
            )
        )
    if args.push_to_hub is not None:
        # The shared form, which goes to the public, is another index than made these.
        place = (args.push_index_to_hub if args.private else None) or args.index
        named = None if place is None or Path(place).is_dir() else place
        pushed = push_enriched(
            enriched, enricher, args.push_to_hub, index_repo=named, private=args.private
        )
        print(pushed)


if __name__ == "__main__":
    with clear_errors():
        main()
