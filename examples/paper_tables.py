"""Does enrichment help? From nothing to the paper's tables, on studies whose truth is known.

    python examples/paper_tables.py                       # hours; cut off, it goes on where it was
    python examples/paper_tables.py --quick               # two minutes: the plumbing, no figures
    python examples/paper_tables.py --only sft/base       # the runs whose names begin so

The recipe (paper_tables.yaml) says how many studies, steps and seeds. Each run leaves its
folder in `output_dir`: `result.json`, written last, and the model. `tables` reads them all, also
while runs are missing, and writes the tables, the raw figures and the plots to `--results`.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

RECIPE = Path(__file__).with_name("paper_tables.yaml")
RESULTS = Path(__file__).parents[1] / "docs" / "paper"
MORE_SEEDS = ("base", "safe")
GRPO_FROM = "sft/safe/0"
PACKAGES = ("semenrich", "torch", "transformers", "trl", "datasets")


@dataclass(frozen=True)
class Experiment:
    """What the recipe says.

    Args:
        output_dir (`str`): Folder of the runs.
        studies (`int`): Studies of the phantom to train on and to build the index on.
        vision_studies (`int`): Other studies, for the shared vision tower.
        held_out (`int`): Other studies, to judge on.
        unsaid (`float`): Share of the abnormal findings that authors leave unsaid.
        seeds (`int`): Runs of each arm.
        more_seeds (`int`): Runs of the arms that the goals compare.
        grpo_seeds (`int`): Runs of each reward.
        scale (`dict`): Fields of [`~paper_runs.Scale`].
    """

    output_dir: str
    studies: int
    vision_studies: int
    held_out: int
    unsaid: float
    seeds: int
    more_seeds: int
    grpo_seeds: int
    scale: dict[str, Any] = field(default_factory=dict)

    def quick(self) -> Experiment:
        """The same with almost nothing of each."""
        scale = {"size": "tiny", "vision_steps": 2, "sft_steps": 2, "sft_batch": 4}
        scale |= {"grpo_steps": 1, "grpo_batch": 8, "max_new_tokens": 12}
        return replace(
            self,
            output_dir=f"{self.output_dir}_quick",
            studies=200,
            vision_studies=30,
            held_out=6,
            seeds=1,
            more_seeds=1,
            grpo_seeds=1,
            scale=scale,
        )


def pieces(experiment: Experiment) -> list[str]:
    """Names the runs in the order of what is wanted first; each is under half an hour."""
    from paper_arms import ARMS
    from paper_rewards import REWARDS

    seeds = {arm: experiment.more_seeds if arm in MORE_SEEDS else experiment.seeds for arm in ARMS}
    by_seed = [
        f"sft/{arm}/{seed}"
        for seed in range(max(seeds.values()))
        for arm in ARMS
        if seed < seeds[arm]
    ]
    first = by_seed.index(GRPO_FROM) + 1
    grpo = [f"grpo/{name}/{seed}" for seed in range(experiment.grpo_seeds) for name in REWARDS]
    return [*by_seed[:first], *by_seed[first:], *grpo, "pruning"]


def run_piece(experiment: Experiment, name: str, threads: int) -> float:
    """Runs one piece in this process, unless it is done; gives the seconds it took."""
    import torch

    torch.set_num_threads(threads)
    folder = Path(experiment.output_dir, name)
    if (folder / "result.json").exists():
        return 0.0
    folder.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    result = _runner(name)(experiment, name, folder)
    seconds = time.perf_counter() - began
    result = {"name": name, "wall_seconds": seconds, "threads": threads, **result}
    write_json(folder / "result.json", result)
    return seconds


def _runner(name: str) -> Callable[[Experiment, str, Path], dict[str, Any]]:
    return {"data": _data, "sft": _sft, "grpo": _grpo, "pruning": _pruning}[name.split("/")[0]]


def _data(experiment: Experiment, name: str, folder: Path) -> dict[str, Any]:
    """The studies, the indexes, the start of all models, and the columns of all arms."""
    from paper_arms import ARMS, TowerEncoder, add_arm_columns
    from paper_runs import Scale, make_start, open_model

    from semenrich_datasets import FindingsIndex
    from semenrich_datasets.phantom import load_phantom

    scale = Scale(**experiment.scale)
    prompts = [prompt for arm in ARMS.values() for prompt in arm.prompts]
    start = folder / "start"
    if not (start / "processor_config.json").exists():
        others = load_phantom(experiment.vision_studies, seed=2, unsaid=experiment.unsaid)
        make_start(others, prompts, scale, start)
    encoder = TowerEncoder(*open_model(start))
    train = load_phantom(experiment.studies, seed=0, unsaid=experiment.unsaid)
    index = FindingsIndex.build(
        train,
        context_columns=["impression", "indication"],
        image_column="image",
        image_encoder=encoder,
    )
    impressions = FindingsIndex.build(train, text_column="impression")
    paper = FindingsIndex.build(train, text_column="findings", preset="paper")
    made = {
        "index": index,
        "impressions": impressions,
        "paper_index": paper,
        "paper_impressions": FindingsIndex.build(train, text_column="impression", preset="paper"),
    }
    for kind, one in made.items():
        one.save_pretrained(folder / kind)
    add_arm_columns(train, index, paper, encoder).save_to_disk(str(folder / "train"))
    held_out = load_phantom(experiment.held_out, seed=1, unsaid=experiment.unsaid)
    held_out.save_to_disk(str(folder / "held_out"))
    return {"digest": index.digest}


def _sft(experiment: Experiment, name: str, folder: Path) -> dict[str, Any]:
    from paper_arms import ARMS
    from paper_runs import Scale, open_model, run_sft, write_reports

    _, arm, seed = name.split("/")
    scale, data = Scale(**experiment.scale), Path(experiment.output_dir, "data")
    train, held_out, index = open_data(data)
    trained = run_sft(ARMS[arm], train, index, data / "start", scale, int(seed), folder)
    model, processor = open_model(folder / "model")
    written = {
        prompt: write_reports(model, processor, held_out, prompt, scale)
        for prompt in ARMS[arm].prompts
    }
    return {**trained, "completions": written}


def _grpo(experiment: Experiment, name: str, folder: Path) -> dict[str, Any]:
    from paper_arms import PROMPT
    from paper_rewards import REWARDS
    from paper_runs import Scale, open_model, run_grpo, write_reports

    from semenrich_datasets import FindingsIndex
    from semenrich_trainers import ReportFormatter

    _, reward, seed = name.split("/")
    scale, data = Scale(**experiment.scale), Path(experiment.output_dir, "data")
    train, held_out, index = open_data(data)
    kinds = ("index", "impressions", "paper_index", "paper_impressions")
    indexes = {kind: FindingsIndex.from_pretrained(data / kind) for kind in kinds}
    rows = train.map(ReportFormatter("safe_findings", prompt=PROMPT), batched=True)
    lesson = REWARDS[reward]
    log = run_grpo(
        lesson.rewards(indexes),
        lesson.learning_rate,
        rows,
        index,
        Path(experiment.output_dir, GRPO_FROM, "model"),
        scale,
        int(seed),
        folder,
    )
    model, processor = open_model(folder / "model")
    written = write_reports(model, processor, held_out, PROMPT, scale)
    return {"log": log, "completions": {PROMPT: written}}


def _pruning(experiment: Experiment, name: str, folder: Path) -> dict[str, Any]:
    from paper_pruning import measure_pruning
    from paper_runs import Scale

    train, held_out, _ = open_data(Path(experiment.output_dir, "data"))
    model = Path(experiment.output_dir, GRPO_FROM, "model")
    return {"curve": measure_pruning(model, held_out, train, Scale(**experiment.scale))}


def open_data(folder: Path) -> tuple[Any, Any, Any]:
    """Opens the studies to train on, those to judge on, and the index."""
    from datasets import load_from_disk

    from semenrich_datasets import FindingsIndex

    parts = [load_from_disk(str(folder / part)) for part in ("train", "held_out")]
    return (*parts, FindingsIndex.from_pretrained(folder / "index"))


def write_json(path: Path, value: Any) -> None:
    """Writes a file whole or not at all."""
    from semenrich_datasets.whole_files import replace_text

    replace_text(path, json.dumps(value, indent=1) + "\n")


def check_recipe(experiment: Experiment) -> None:
    """Raises `ValueError` where the folder holds runs of another recipe; seeds may be added."""
    path = Path(experiment.output_dir, "recipe.json")
    free = ("output_dir", "seeds", "more_seeds", "grpo_seeds")
    now = {name: value for name, value in asdict(experiment).items() if name not in free}
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, now)
    then = json.loads(path.read_text(encoding="utf-8"))
    changed = [
        f"{name}: then {then.get(name)}, now {now[name]}"
        for name in now
        if then.get(name) != now[name]
    ]
    if changed:
        raise ValueError(
            f"{experiment.output_dir} holds runs of another recipe ({'; '.join(changed)}): name "
            "another output_dir, or delete it"
        )


def run_all(experiment: Experiment, names: Sequence[str], workers: int) -> None:
    """Runs what is missing, in as many processes as there are workers, or in this one with 0."""
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    check_recipe(experiment)
    run_piece(experiment, "data", cores)
    if any(name.startswith(("grpo/", "pruning")) for name in names):
        names = list(dict.fromkeys([GRPO_FROM, *names]))
    left = [name for name in names if not Path(experiment.output_dir, name, "result.json").exists()]
    # What later runs start from is made before them.
    for group in ([GRPO_FROM], [name for name in left if name != GRPO_FROM]):
        group = [name for name in group if name in left]
        if group and workers:
            _run_beside(experiment, group, workers, max(cores // workers, 1))
        for name in () if workers else group:
            run_piece(experiment, name, cores)


def _run_beside(experiment: Experiment, names: Sequence[str], workers: int, threads: int) -> None:
    # A process a run: trainers leave gigabytes behind.
    context = multiprocessing.get_context("spawn")
    began = time.perf_counter()
    with ProcessPoolExecutor(workers, context, max_tasks_per_child=1) as pool:
        running = {pool.submit(run_piece, experiment, name, threads): name for name in names}
        for done, future in enumerate(as_completed(running), 1):
            seconds = future.result()
            minutes = (time.perf_counter() - began) / 60
            which = f"{done} of {len(names)}: {running[future]}"
            print(f"[{minutes:5.1f} min] {which} in {seconds:.0f} s", flush=True)


def main(argv: Sequence[str] | None = None) -> None:
    """Reads the command line, runs and writes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, default=RECIPE, help="the recipe")
    parser.add_argument("--quick", action="store_true", help="almost nothing of each")
    parser.add_argument("--only", default="", help="names of runs begin so; 'tables' runs none")
    parser.add_argument("--workers", type=int, default=2, help="runs at a time; 0: in this process")
    parser.add_argument("--results", type=Path, help="folder of the tables; default docs/paper")
    args = parser.parse_args(argv)
    experiment = Experiment(**yaml.safe_load(args.config.read_text(encoding="utf-8")))
    if args.quick:
        experiment, args.workers = experiment.quick(), 0
    results = args.results or (Path(experiment.output_dir, "tables") if args.quick else RESULTS)
    run_all(
        experiment, [one for one in pieces(experiment) if one.startswith(args.only)], args.workers
    )
    from paper_figures import draw_all
    from paper_scores import make_tables

    settings = {**asdict(experiment), "versions": {name: version(name) for name in PACKAGES}}
    draw_all(make_tables(Path(experiment.output_dir), settings, results), results)


if __name__ == "__main__":
    main()
