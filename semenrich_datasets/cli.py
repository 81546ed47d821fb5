"""The command line: `semenrich build | enrich | audit`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from semenrich_datasets.cli_errors import clear_errors
from semenrich_datasets.hub_privacy import check_visibility

if TYPE_CHECKING:
    from datasets import Dataset

    from semenrich_datasets import FindingsIndex, SemEnricher

app = typer.Typer(
    help="Adds to each radiology report the normal findings that its author left out.\n\n"
    "With reports of your own: semenrich enrich reports.csv -o enriched.parquet",
    no_args_is_help=True,
    add_completion=False,
)

Data = Annotated[
    str,
    typer.Argument(
        help="Reports: a CSV, JSONL or Parquet file, a folder of Parquet files or saved by "
        "datasets, a Hub id, or 'phantom' for the built-in synthetic sample."
    ),
]
TextColumn = Annotated[
    str | None,
    typer.Option(
        "--text-column", "-t", help="Column of the findings; found by its name by default."
    ),
]
ContextColumns = Annotated[
    list[str] | None,
    typer.Option(
        "--context-column",
        "-c",
        help="Column that additions must not contradict; repeat for several. By default the "
        "impression, the indication and the like.",
    ),
]
PatientColumn = Annotated[
    str | None, typer.Option(help="Column that names the patient; found by its name by default.")
]
NoContext = Annotated[
    bool, typer.Option("--no-context", help="Use the findings alone, though there is more.")
]
Split = Annotated[str | None, typer.Option(help="Which split, where there are several.")]
Preset = Annotated[
    Literal["safe", "paper", "random"],
    typer.Option(help="'paper' adds as published, 'random' is its ablation."),
]
PushTo = Annotated[str | None, typer.Option(help="Also push to this Hub id.")]
Lexicon = Annotated[
    str | None,
    typer.Option(
        help="What words mean: chest_xray, chest_ct, lumbar_mri, or a TOML file of your own; by "
        "default the packaged one that understands the reports best."
    ),
]
Engine = Annotated[
    Literal["local", "ray"],
    typer.Option(help="'ray' works on a Ray cluster, from Parquet to Parquet (docs/cluster.md)."),
]
Address = Annotated[
    str | None, typer.Option(help="Of the Ray cluster: host:port of its head, or auto.")
]


@app.command()
def build(
    data: Data,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the index.")],
    text_column: TextColumn = None,
    patient_column: PatientColumn = None,
    split: Split = None,
    embedder: Annotated[
        str | None, typer.Option(help="SentenceTransformer; all-MiniLM-L6-v2 by default.")
    ] = None,
    clustering: Annotated[
        Literal["hdbscan", "dbscan", "kmeans"], typer.Option(help="How to cluster.")
    ] = "hdbscan",
    preset: Annotated[
        Literal["safe", "paper"], typer.Option(help="'paper' clusters as published.")
    ] = "safe",
    lexicon: Lexicon = None,
    seed: Annotated[int, typer.Option(help="Seed of the draws.")] = 0,
    push_to_hub: PushTo = None,
    private: Annotated[
        bool | None,
        typer.Option(
            "--private/--public",
            help="Who sees the shared form that is pushed; by default the Hub's own (public).",
        ),
    ] = None,
    engine: Engine = "local",
    address: Address = None,
) -> None:
    """Fit an index on reports: what their sentences say, and what goes together."""
    with clear_errors():
        _check_engine(engine, address, {"--split": split})
        _check_apart([output], data)
        if push_to_hub:  # what can't be pushed is known before hours of work
            seen = check_visibility(push_to_hub, private=private)
        reports, build_index = _open_reports(data, split, engine, address)
        index = build_index(
            reports,
            text_column,
            patient_column=patient_column,
            embedder=embedder,
            clustering=clustering,
            lexicon=lexicon,
            preset=preset,
            seed=seed,
        )
        index.save_pretrained(output)
        if push_to_hub:
            typer.echo(f"Pushing the shared form of the index to model {push_to_hub} ({seen})")
            index.push_to_hub(push_to_hub, private=private)
    counts = f"{index.config.reports:,} reports, {index.sentences.num_rows:,} sentences"
    typer.echo(f"{counts}, {index.unit_table.num_rows:,} units of meaning -> {output}")
    typer.echo(str(index.coverage))


@app.command()
def enrich(
    data: Data,
    output: Annotated[
        str, typer.Option("--output", "-o", help="A CSV, JSONL or Parquet file, or a folder.")
    ],
    index: Annotated[
        str | None,
        typer.Option("--index", "-i", help="Folder or Hub id; by default built from DATA."),
    ] = None,
    text_column: TextColumn = None,
    context_column: ContextColumns = None,
    no_context: NoContext = False,
    patient_column: PatientColumn = None,
    split: Split = None,
    preset: Preset = "safe",
    strategy: Annotated[
        Literal["random", "heaviest"] | None,
        typer.Option(help="Which of the compatible additions; the preset's own by default."),
    ] = None,
    max_added: Annotated[int | None, typer.Option(help="Most additions to a report.")] = None,
    min_score: Annotated[
        float, typer.Option(help="Least score of an addition, for 'safe'.")
    ] = 0.97,
    privacy_floor: Annotated[
        bool,
        typer.Option(
            help="Whether 'paper' and 'random' too add only what at least 3 patients' reports say "
            "in words of the lexicon."
        ),
    ] = True,
    variant: Annotated[int, typer.Option(help="Another number, another draw.")] = 0,
    lexicon: Lexicon = None,
    keep_index: Annotated[
        bool, typer.Option(help="Keep the index that was built, beside the output.")
    ] = True,
    seed: Annotated[int, typer.Option(help="Seed of the draws.")] = 0,
    num_proc: Annotated[int | None, typer.Option(help="Worker processes.")] = None,
    push_to_hub: PushTo = None,
    private: Annotated[
        bool, typer.Option("--private/--public", help="Who sees what is pushed.")
    ] = True,
    examples: Annotated[int, typer.Option(help="Reports to print before and after.")] = 3,
    engine: Engine = "local",
    address: Address = None,
) -> None:
    """Add to each report the normal findings that its author left out."""
    with clear_errors():
        from semenrich_datasets import FindingsIndex, SemEnricher
        from semenrich_datasets.audit import push_enriched, summarize
        from semenrich_datasets.enrich.options import OUTPUT_COLUMNS, check_free
        from semenrich_datasets.report_files import check_target, save_reports, settings_path
        from semenrich_datasets.whole_files import draft_folder

        local_only = {"--split": split, "--num-proc": num_proc, "--push-to-hub": push_to_hub}
        _check_engine(engine, address, local_only)
        check_target(output)
        if push_to_hub:
            seen = check_visibility(push_to_hub, private=private, repo_type="dataset")
        kept = Path(output).with_suffix(".index")
        written = [Path(output), settings_path(output)]
        _check_apart(written if index or not keep_index else [*written, kept], data, index)
        if index and patient_column:
            raise ValueError("an index knows its patients: leave out --patient-column, or --index")
        if index and lexicon:
            raise ValueError("an index has its own lexicon: leave out --lexicon, or --index")
        reports, build_index = _open_reports(data, split, engine, address, output)
        check_free(reports.column_names, OUTPUT_COLUMNS)
        place = _open_place(index)
        if index is None:
            build_preset: Literal["safe", "paper"] = "safe" if preset == "safe" else "paper"
            fitted = build_index(
                reports,
                text_column,
                patient_column=patient_column,
                lexicon=lexicon,
                preset=build_preset,
            )
            if keep_index:
                fitted.save_pretrained(kept)
                place = {"index_folder": kept.name}  # beside the output, wherever both are moved
        else:
            fitted = FindingsIndex.from_pretrained(index)
        enricher = SemEnricher(
            fitted,
            text_column,
            [] if no_context else context_column,
            preset=preset,
            strategy=strategy,
            max_added=max_added,
            min_score=min_score,
            privacy_floor=privacy_floor,
            variant=variant,
            seed=seed,
        )
        typer.echo(str(enricher.find_columns(reports.column_names)))
        settings = {**enricher.to_dict(), **place}
        if engine == "ray":
            from semenrich_datasets.ray_engine import enrich_reports

            counts = enrich_reports(reports, output, enricher, settings)
            summary = "{:,} reports, {:,} sentences added".format(*counts)
        else:
            # What a killed run had enriched would stay in the cache of `datasets`.
            with draft_folder(Path(output)) as drafts:
                enriched = reports.map(
                    enricher,
                    batched=True,
                    num_proc=num_proc,
                    desc="Enrich",
                    cache_file_name=str(drafts / "enriched.arrow"),
                )
                save_reports(enriched, output, settings)
                if push_to_hub:
                    count = f"{enriched.num_rows:,} enriched reports"
                    typer.echo(f"Pushing {count} to dataset {push_to_hub} ({seen})")
                    repo = place.get("index_repo")
                    push_enriched(enriched, enricher, push_to_hub, index_repo=repo, private=private)
                _print_examples(enriched, enricher, examples)
                summary = str(summarize(enriched, enricher))
    typer.echo(f"{summary}\n-> {output}")
    if index is None:
        typer.echo(f"index -> {kept}" if keep_index else "the index was not kept")


@app.command()
def audit(
    data: Annotated[
        str | None, typer.Argument(help="Enriched reports, in any form that enrich writes.")
    ] = None,
    index: Annotated[
        str | None,
        typer.Option(
            "--index", "-i", help="Folder or Hub id; by default the one that enrich names."
        ),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The page.")] = Path("audit.html"),
    split: Split = None,
    seed: Annotated[int, typer.Option(help="Seed of the draws.")] = 0,
    verdicts: Annotated[
        Path | None,
        typer.Option(help="CSV exported from the page: print the rates of your verdicts."),
    ] = None,
) -> None:
    """Show on one HTML page what was added and refused, or give the rate of your verdicts."""
    with clear_errors():
        if verdicts is not None:
            from semenrich_datasets.audit import read_verdicts

            typer.echo(str(read_verdicts(verdicts)))
            return
        if data is None:
            raise ValueError("expected DATA, or --verdicts verdicts.csv")
        from semenrich_datasets.audit import masked_truth, write_audit
        from semenrich_datasets.report_files import load_reports

        _check_apart([output], data, index)
        enricher = _enricher_of(data, index)
        reports = load_reports(data, split)
        masked = masked_truth(reports, enricher, seed=seed)
        write_audit(output, reports, enricher, seed=seed, masked=masked)
    typer.echo(f"{masked}\n-> {output}")


def _check_engine(engine: str, address: str | None, local_only: Mapping[str, object]) -> None:
    """Raises `ValueError` when an option is given that the engine has no use for."""
    if engine != "ray" and address:
        raise ValueError("--address is that of a Ray cluster: add --engine ray")
    for name, value in local_only.items():
        if engine == "ray" and value is not None:
            raise ValueError(f"{name} has no meaning with --engine ray: leave it out")


def _open_reports(
    data: str, split: str | None, engine: str, address: str | None, output: str | None = None
) -> tuple[Any, Callable[..., FindingsIndex]]:
    """Gives the reports as the engine takes them, and what builds an index of them."""
    if engine == "ray":
        from semenrich_datasets.parquet_blocks import open_corpus
        from semenrich_datasets.ray_engine import build_index, check_folder, connect

        if output is not None:
            check_folder(output)
        corpus = open_corpus(data)
        connect(address)
        return corpus, build_index
    from semenrich_datasets import FindingsIndex
    from semenrich_datasets.report_files import load_reports

    return load_reports(data, split), FindingsIndex.build


def _check_apart(written: list[Path], data: str, *others: str | None) -> None:
    """Refuses to write over reports that are read, their settings, or an index."""
    from semenrich_datasets.report_files import PHANTOM, settings_path
    from semenrich_datasets.whole_files import check_apart

    read = [] if data == PHANTOM else [Path(data), settings_path(data)]
    check_apart(written, [*read, *(Path(one) for one in others if one)])


def _open_place(index: str | None) -> dict[str, str]:
    """Returns where an index that was named lies, as the settings of its output say it."""
    if index is None:
        return {}
    folder = Path(index)
    return {"index_folder": str(folder.resolve())} if folder.is_dir() else {"index_repo": index}


def _enricher_of(data: str, index: str | None) -> SemEnricher:
    """Makes the enricher that made a dataset, from the settings beside it."""
    from semenrich_datasets import SemEnricher
    from semenrich_datasets.report_files import read_settings

    settings = read_settings(data)
    if settings is None:
        raise ValueError(
            f"nothing beside {data} says how it was made: enrich with `semenrich enrich`, or call "
            "semenrich_datasets.audit.write_audit with the enricher itself"
        )
    place = index or settings.get("index_repo")
    folder = settings.get("index_folder")
    if not place and folder and (Path(data).parent / folder).is_dir():
        place = str(Path(data).parent / folder)
    if not place:
        raise ValueError(f"the index of {data} is not where it was: name it with --index INDEX")
    return SemEnricher.from_dict(settings, place)


lexicons = typer.Typer(help="What words mean.", no_args_is_help=True)
app.add_typer(lexicons, name="lexicon")


@lexicons.command()
def suggest(
    index: Annotated[str, typer.Argument(help="Folder or Hub id of an index.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A TOML file; by default shown.")
    ] = None,
    most: Annotated[int, typer.Option(help="Most words listed.")] = 40,
) -> None:
    """List the words that the lexicon of an index lacks, as lines ready to be completed."""
    with clear_errors():
        from semenrich_datasets import FindingsIndex
        from semenrich_datasets.index.coverage import suggest_lexicon
        from semenrich_datasets.whole_files import replace_text

        fitted = FindingsIndex.from_pretrained(index)
        text = suggest_lexicon(fitted.sentences, fitted.reader, most=most)
        if output is not None:
            _check_apart([output], index)
            replace_text(output, text)
    typer.echo(text if output is None else f"-> {output}")


def _print_examples(enriched: Dataset, enricher: SemEnricher, count: int) -> None:
    shown = 0
    text_column = enricher.find_columns(enriched.column_names).findings
    for row in enriched.select_columns([text_column, enricher.added_column]):
        if shown == count:
            break
        if not row[enricher.added_column]:
            continue
        shown += 1
        typer.echo(f"  {row[text_column]}")
        for addition in row[enricher.added_column]:
            text = f"  + {addition['sentence']}  ({addition['support']:,} reports)"
            typer.secho(text, fg=typer.colors.GREEN)
        typer.echo("")
