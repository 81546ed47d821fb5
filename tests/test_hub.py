"""Index and enriched dataset pushed to a Hub and loaded back, over HTTP with the real clients."""

import json
from pathlib import Path

TESTS = Path(__file__).parent

SETUP = f"""
import json, sys
sys.path.insert(0, {str(TESTS)!r})
import datasets
from fakes import UnusableEncoder, build_index, made_up_reports
from huggingface_hub import HfApi
from semenrich_datasets import FindingsIndex, SemEnricher

api = HfApi()
rows = made_up_reports(60)
"""


def run(hub, code):
    """Runs code in a process of its own and gives what it prints, read as JSON."""
    return json.loads(hub.run(SETUP + code))


def test_an_index_comes_back(hub):
    pushed = run(
        hub,
        """
index = build_index(rows)
url = index.push_to_hub("me/x", share=False, commit_message="First")
texts = [row["findings"] for row in rows]
print(json.dumps([url, index.digest, SemEnricher(index)({"findings": texts})]))
""",
    )
    assert pushed[0].startswith(f"{hub.endpoint}/me/x/commit/")
    # Another process, which has only the name.
    loaded = run(
        hub,
        """
index = FindingsIndex.from_pretrained("me/x", encoder=UnusableEncoder())
texts = [row["findings"] for row in rows]
enriched = SemEnricher("me/x")({"findings": texts})
assert enriched == SemEnricher(index)({"findings": texts})
info = api.model_info("me/x")
files = sorted(file.rfilename for file in info.siblings)
commits = [commit.title for commit in api.list_repo_commits("me/x")]
print(json.dumps([index.digest, enriched, files, commits[0], info.card_data.to_dict()]))
""",
    )
    digest, enriched, files, title, card = loaded
    assert [digest, enriched] == pushed[1:]
    assert any(enriched["added_findings"])
    assert title == "First"
    assert card["library_name"] == "semenrich"
    suffixes = [name.rsplit(".", 1)[1] for name in files if name != ".gitattributes"]
    assert sorted(suffixes) == ["faiss", "json", "json", "md", *["parquet"] * 8]
    assert {"README.md", "config.json"} <= set(files)


def test_a_second_push_leaves_no_stale_file_and_revisions_stay(hub):
    first, second, files, branch = run(
        hub,
        """
old, new = build_index(rows), build_index(made_up_reports(50, seed=3))
commit = old.push_to_hub("me/x", share=False).rsplit("/", 1)[1]
api.create_tag("me/x", tag="v1")
api.upload_file(path_or_fileobj=b"mine", path_in_repo="notes.txt", repo_id="me/x")
new.push_to_hub("me/x", share=False)
api.create_branch("me/x", branch="try")
build_index(made_up_reports(40, seed=4)).push_to_hub("me/x", share=False, revision="try")
digests = {
    revision: FindingsIndex.from_pretrained("me/x", revision=revision).digest
    for revision in (None, "main", "v1", commit, "try")
}
assert digests[None] == digests["main"] == new.digest
assert digests["v1"] == digests[commit] == old.digest
files = api.list_repo_files("me/x")
print(json.dumps([old.digest, new.digest, files, digests["try"]]))
""",
    )
    assert len({first, second, branch}) == 3
    data = [name for name in files if "-" in name]
    assert sorted(name.split("-")[0] for name in data) == [
        "agreement",
        "candidates",
        "cooccurrence",
        "image_scaling",
        "lexicon",
        "sentences",
        "silence",
        "topics",
        "units",
        "vectors",
    ]
    assert {"README.md", "config.json", "notes.txt"} <= set(files)


def test_an_index_can_be_private(hub):
    assert run(
        hub,
        """
build_index(rows).push_to_hub("me/mine", private=True)
print(json.dumps(api.model_info("me/mine").private))
""",
    )


def test_what_was_damaged_on_the_way_is_refused_and_fetched_again(hub):
    message, digests = run(
        hub,
        """
from pathlib import Path
from huggingface_hub import snapshot_download
index = build_index(rows)
index.push_to_hub("me/x", share=False)
cached = next(Path(snapshot_download("me/x")).glob("vectors-*"))
cached.resolve().write_bytes(b"cut")
try:
    FindingsIndex.from_pretrained("me/x")
except ValueError as error:
    message = str(error)
again = FindingsIndex.from_pretrained("me/x", force_download=True)
print(json.dumps([message, [index.digest, again.digest]]))
""",
    )
    assert "damaged" in message
    assert "force_download=True" in message
    assert len(set(digests)) == 1


def test_a_repository_without_an_index_and_a_missing_one(hub):
    empty, missing = run(
        hub,
        """
api.create_repo("me/empty")
api.upload_file(path_or_fileobj=b"x", path_in_repo="notes.txt", repo_id="me/empty")
errors = []
for name in ("me/empty", "me/missing"):
    try:
        SemEnricher(name)
    except (ValueError, OSError) as error:
        errors.append([type(error).__name__, str(error)])
print(json.dumps(errors))
""",
    )
    assert empty[0] == "IndexFileError"
    assert "make one with FindingsIndex.build" in empty[1]
    assert missing[0] == "RepositoryNotFoundError"


def test_an_enriched_dataset_comes_back(hub):
    run(
        hub,
        """
build_index(rows).push_to_hub("me/x")
dataset = datasets.Dataset.from_list([*rows, {"findings": None, "impression": None}])
enriched = dataset.map(SemEnricher("me/x", context_columns=["impression"]), batched=True)
enriched.push_to_hub("me/enriched")
enriched.save_to_disk("enriched")
print("null")
""",
    )
    assert run(
        hub,
        """
pushed = datasets.load_dataset("me/enriched", split="train")
kept = datasets.load_from_disk("enriched")
assert pushed.features == kept.features
assert pushed[:] == kept[:]
assert pushed[-1]["enriched_findings"] is None and pushed[-1]["added_findings"] == []
assert any(pushed["added_findings"])
stream = datasets.load_dataset("me/enriched", split="train", streaming=True)
assert list(stream.take(3)) == [kept[k] for k in range(3)]
enricher = SemEnricher("me/x", text_column="findings", variant=1,
                       enriched_column="again", added_column="added_again")
again = stream.map(enricher, batched=True)
print(json.dumps("again" in next(iter(again))))
""",
    )


def test_the_command_line_finds_the_settings_on_the_hub(hub):
    first, second, settings, files = run(
        hub,
        """
import re
from pathlib import Path
from typer.testing import CliRunner
from semenrich_datasets.cli import app

def call(*arguments):
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output

def page():
    text = Path("audit.html").read_text()
    data = json.loads(re.search('id="data">(.*?)</script>', text)[1])
    return [data["about"]["maxAdded"], data["figures"]["additions"],
            data["figures"]["additions not explained by these settings"]]

build_index(rows).push_to_hub("me/x")
datasets.Dataset.from_list(rows).to_json("reports.jsonl")
pages = []
for name, most in (("me/enriched", "1"), ("me/other", "2")):
    call("enrich", "reports.jsonl", "-i", "me/x", "-o", "out.jsonl", "--max-added", most,
         "--push-to-hub", name)
    for path in Path().glob("out.*"):
        path.unlink()
    call("audit", name, "-o", "audit.html")
    pages.append(page())
settings = json.loads(Path(
    __import__("huggingface_hub").hf_hub_download("me/enriched", "semenrich.json",
                                                  repo_type="dataset")).read_text())
card = api.dataset_info("me/enriched").card_data.to_dict()
assert "configs" in card
print(json.dumps([*pages, settings, api.list_repo_files("me/enriched", repo_type="dataset")]))
""",
    )
    assert first[0] == 1
    assert second[0] == 2
    assert second[1] > first[1] > 30
    assert (first[2], second[2]) == (0, 0)
    assert (settings["max_added"], settings["index_repo"]) == (1, "me/x")
    assert {"semenrich.json", "README.md"} <= set(files)


def test_an_index_from_the_hub_travels_by_name_and_commit(hub):
    """A pickled enricher finds its index in another cache, at the commit that it was made with."""
    pickled = run(
        hub,
        """
import pickle
build_index(rows).push_to_hub("me/x")
enricher = SemEnricher("me/x")
data = pickle.dumps(enricher)
build_index(made_up_reports(50, seed=3)).push_to_hub("me/x")
texts = [row["findings"] for row in rows]
print(json.dumps([data.hex(), enricher.index.digest, enricher({"findings": texts})]))
""",
    )
    found = json.loads(
        hub.run(
            f"""
import os
os.environ["HF_HOME"] = os.environ["HF_HOME"] + "_of_another_machine"
data = {pickled[0]!r}
{SETUP}
import pickle
enricher = pickle.loads(bytes.fromhex(data))
texts = [row["findings"] for row in rows]
print(json.dumps([enricher.index.digest, enricher({{"findings": texts}})]))
"""
        )
    )
    assert found == pickled[1:]


def test_an_index_in_a_folder_of_a_repository(hub):
    digests = run(
        hub,
        """
import pickle
index = build_index(rows)
index.save_pretrained("index")
api.create_repo("me/model")
api.upload_folder(repo_id="me/model", folder_path="index", path_in_repo="findings_index")
loaded = FindingsIndex.from_pretrained("me/model", subfolder="findings_index")
from semenrich_datasets.index import findings_index
data = pickle.dumps(loaded)
digest = loaded.digest
findings_index._open_indexes.clear()
print(json.dumps([index.digest, digest, pickle.loads(data).digest]))
""",
    )
    assert len(set(digests)) == 1
