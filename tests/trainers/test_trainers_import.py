"""The package opens without TRL, and says what is missing where it is needed."""

import subprocess
import sys

import pytest

import semenrich_trainers


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_formatting_and_rewards_do_without_trl():
    done = run(
        "import sys; sys.modules['trl'] = None\n"
        "from semenrich_trainers import ReportFormatter, parse_report\n"
        "from semenrich_trainers.rewards import ClusterReward, format_reward\n"
        "print(format_reward(['<think>a</think><answer>b</answer>']))"
    )
    assert done.stdout == "[1.0]\n", done.stderr


def test_what_is_missing_is_named():
    done = run("import sys; sys.modules['trl'] = None\nfrom semenrich_trainers import best_of_n")
    assert 'pip install "semenrich[train]"' in done.stderr


@pytest.mark.parametrize("name", semenrich_trainers.__all__)
def test_every_public_name_is_there(name):
    assert getattr(semenrich_trainers, name).__name__ == name


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="flurb"):
        semenrich_trainers.flurb  # noqa: B018
