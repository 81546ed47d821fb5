"""What every folder of metrics/ must be: an `evaluate` module, and a Hub Space as it stands."""

import ast
import doctest
import inspect
import json
import math
import re
import runpy
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from types import ModuleType, SimpleNamespace

import datasets
import evaluate
import pytest
from huggingface_hub import metadata_load

from metrics.publish import module_folders

FOLDERS = {folder.name: folder for folder in module_folders()}
PREDICTIONS = ["The heart is enlarged.", "No pleural effusion.", "", "The lungs are clear. " * 500]
REFERENCES = ["The heart is enlarged.", "Small left effusion.", "Normal chest.", "Clear lungs."]
HEADINGS = [
    "## Metric Description",
    "## How to Use",
    "### Inputs",
    "### Output Values",
    "#### Values from Popular Papers",
    "### Examples",
    "## Limitations and Bias",
    "## Citation",
    "## Further References",
]
# What an import is called on PyPI, where it differs.
OF_OWN = {"semenrich_datasets": "semenrich", "gradio": None}

pytestmark = pytest.mark.parametrize("name", FOLDERS)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Of each module, the options that make it use a small model: tests/tiny_MODEL.py."""
    return {
        name: import_module(f"tiny_{name.removesuffix('_f1')}").write_tiny(
            tmp_path_factory.mktemp(name)
        )
        for name in FOLDERS
    }


@pytest.fixture
def load(tiny):
    return lambda name, **options: evaluate.load(str(FOLDERS[name]), **tiny[name], **options)


@pytest.fixture
def published(monkeypatch, tiny):
    """`evaluate.load("semenrich/NAME")` as in the documentation, here with the small models."""
    real = evaluate.load

    def load(path, **options):
        name = path.removesuffix(".py").split("/")[-1]
        return real(str(FOLDERS[name]), **(tiny[name] | options))

    monkeypatch.setattr(evaluate, "load", load)


def numbers(value) -> Iterator[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from numbers(item)
    elif isinstance(value, int | float):
        yield value


def imports(script):
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.split(".")[0]


# The folder


def test_folder_is_a_space(name):
    folder = FOLDERS[name]
    files = {"README.md", "app.py", "requirements.txt", f"{name}.py"}
    assert files <= {path.name for path in folder.iterdir()}
    data = metadata_load(folder / "README.md")
    assert data["sdk"] == "gradio"
    assert data["app_file"] == "app.py"
    assert {"evaluate", "metric"} <= set(data["tags"])
    assert data["title"]
    assert data["description"]


def test_card_has_the_templates_headings(name):
    card = (FOLDERS[name] / "README.md").read_text(encoding="utf-8")
    found = [line for line in card.splitlines() if line in HEADINGS]
    assert found == HEADINGS
    assert f'evaluate.load("semenrich/{name}"' in card


def test_requirements_are_what_is_imported(name):
    folder = FOLDERS[name]
    lines = (folder / "requirements.txt").read_text().splitlines()
    required = {re.split(r"[\[<>=@ ]", line)[0] for line in lines if line[:1] not in ("", "#")}
    used = {module for script in folder.glob("*.py") for module in imports(script)}
    used -= set(sys.stdlib_module_names)
    assert {OF_OWN.get(module, module) for module in used} - {None} == required


def test_every_sibling_is_imported_by_the_module_itself(name):
    """`evaluate` fetches only what the main file imports, and reads a comment there as a URL."""
    script = (FOLDERS[name] / f"{name}.py").read_text(encoding="utf-8")
    named = set(re.findall(r"^from \.(\w+) import [^#]*?$", script, re.MULTILINE))
    others = {path.stem for path in FOLDERS[name].glob("*.py")} - {name, "app"}
    assert named == others
    assert not re.findall(r"^from \..*#", script, re.MULTILINE)


# The module


def test_module_has_evaluates_parts(name, load):
    metric = load(name)
    assert metric.name == name
    assert isinstance(metric, evaluate.Metric)
    for part in (metric.description, metric.citation, metric.inputs_description):
        assert part.strip()
    assert "@" in metric.citation
    text = datasets.Value("string")
    assert metric.features == datasets.Features({"predictions": text, "references": text})
    assert list(inspect.signature(metric._compute).parameters) == ["predictions", "references"]


def test_doctests(name, published):
    text = evaluate.load(name).inputs_description
    test = doctest.DocTestParser().get_doctest(text, {}, name, None, 0)
    assert test.examples
    assert doctest.DocTestRunner().run(test).failed == 0


def test_examples_of_the_card_run(name, published):
    card = (FOLDERS[name] / "README.md").read_text(encoding="utf-8")
    namespace = {"generated_reports": PREDICTIONS, "reference_reports": REFERENCES}
    blocks = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    assert blocks
    for block in blocks:
        exec(block, namespace)


def test_results_are_plain_finite_and_named(name, load):
    results = load(name).compute(predictions=PREDICTIONS, references=REFERENCES)
    assert all(key.startswith(name.removesuffix("f1")) for key in results)
    assert json.loads(json.dumps(results)) == results
    values = list(numbers(results))
    assert values
    assert all(math.isfinite(value) for value in values)


def test_batches_give_what_one_call_gives(name, load):
    whole = load(name).compute(predictions=PREDICTIONS, references=REFERENCES)
    metric = load(name)
    metric.add_batch(predictions=PREDICTIONS[:3], references=REFERENCES[:3])
    metric.add(prediction=PREDICTIONS[3], reference=REFERENCES[3])
    assert metric.compute() == whole
    # Once more: nothing is left over.
    assert metric.compute(predictions=PREDICTIONS, references=REFERENCES) == whole


def test_several_processes_give_what_one_gives(name, load, tmp_path):
    whole = load(name).compute(predictions=PREDICTIONS, references=REFERENCES)

    def rank(process_id):
        part = slice(2 * process_id, 2 * process_id + 2)
        metric = load(
            name,
            num_process=2,
            process_id=process_id,
            experiment_id="two",
            cache_dir=str(tmp_path),
        )
        return metric.compute(predictions=PREDICTIONS[part], references=REFERENCES[part])

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(rank, range(2))
    assert first == whole
    assert second is None


def test_modules_combine(name, load):
    reports = {"predictions": PREDICTIONS, "references": REFERENCES}
    alone = load(name).compute(**reports)
    combined = evaluate.combine([load(other) for other in FOLDERS]).compute(**reports)
    assert {key: combined[key] for key in alone} == alone


@pytest.mark.parametrize(
    ("predictions", "references", "message"),
    [
        ([], [], "at least one"),
        (["a", None], ["a", "b"], "None"),
        (["a", "b"], ["a"], "Mismatch"),
        ([1], ["a"], "string"),
    ],
)
def test_bad_input_is_an_error(name, load, predictions, references, message):
    # In memory: an error leaves a cache file locked, and the next test waiting for it.
    metric = load(name, keep_in_memory=True)
    with pytest.raises((ValueError, TypeError), match=message):
        metric.compute(predictions=predictions, references=references)


# The Space


def test_page_scores_a_report(name, published, monkeypatch):
    gradio = ModuleType("gradio")
    gradio.Interface = SimpleNamespace
    gradio.Textbox = gradio.JSON = lambda **options: options
    monkeypatch.setitem(sys.modules, "gradio", gradio)
    page = runpy.run_path(str(FOLDERS[name] / "app.py"))["page"]
    results = page.fn("The heart is enlarged.", "The heart is enlarged.")
    assert json.dumps(results)
    assert len(page.inputs) == 2


def test_published_spaces_load_over_http(name, hub, tiny):
    hub.run(f"""
        from huggingface_hub import HfApi
        from metrics import publish

        publish.main(["me", {name!r}])
        HfApi().upload_file(repo_id="me/{name}", repo_type="space", path_in_repo="old.py",
                            path_or_fileobj=b"")
        publish.main(["me", {name!r}])
        files = HfApi().list_repo_files("me/{name}", repo_type="space")
        assert "old.py" not in files and "{name}.py" in files and "README.md" in files, files
        assert not any("__pycache__" in file for file in files), files
    """)
    printed = hub.run(f"""
        import json
        import evaluate

        metric = evaluate.load("me/{name}", **{tiny[name]!r})
        print(json.dumps(metric.compute(predictions={PREDICTIONS!r}, references={REFERENCES!r})))
    """)
    here = evaluate.load(str(FOLDERS[name]), **tiny[name])
    expected = here.compute(predictions=PREDICTIONS, references=REFERENCES)
    assert json.loads(printed.splitlines()[-1]) == expected
