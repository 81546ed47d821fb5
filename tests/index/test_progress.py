"""A build says its stages, each on a line, with their number and what is left."""

import re

from fakes import build_index

from semenrich_datasets.index.progress import STAGES, stage_name


def test_a_build_shows_each_stage_on_stderr(capsys):
    build_index(show_progress=True)
    shown = capsys.readouterr()
    lines = [line for line in re.split(r"[\r\n]+", shown.err) if line.strip()]
    order = list(dict.fromkeys(line.split(":")[0].strip() for line in lines))
    assert order == [stage_name(stage) for stage in STAGES]
    for stage in STAGES:
        last = [line for line in lines if line.lstrip().startswith(stage_name(stage))][-1]
        assert re.search(r"\b(\d+)/\1\b|\d+ reports", last), last
    # A line a stage: what is drawn again is drawn over.
    assert shown.err.count("\n") == len(STAGES)
    assert not any(stage in shown.out for stage in STAGES)


def test_without_progress_a_build_is_silent(capsys):
    build_index(show_progress=False)
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "")
