"""What is pushed is private unless it may be shown, and whoever pushes is told before."""

import json
from pathlib import Path

TESTS = Path(__file__).parent

SETUP = f"""
import json, sys
sys.path.insert(0, {str(TESTS)!r})
import datasets
from fakes import build_index, made_up_reports
from huggingface_hub import HfApi
from typer.testing import CliRunner
from semenrich_datasets import FindingsIndex, SemEnricher
from semenrich_datasets.audit import push_enriched
from semenrich_datasets.cli import app

api = HfApi()
rows = made_up_reports(60)

def private(name, kind="model"):
    return api.repo_info(name, repo_type=kind).private

def refused(push):
    try:
        push()
    except ValueError as error:
        return str(error)

def call(*arguments):
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.output
"""


def run(hub, code):
    """Runs code in a process of its own and gives what it prints last, read as JSON."""
    return json.loads(hub.run(SETUP + code).rsplit("=>", 1)[1])


def test_an_index_is_pushed_in_its_shared_form_unless_asked_and_then_in_private(hub):
    digests, visible, refusals, files = run(
        hub,
        """
index = build_index(rows)
index.push_to_hub("me/shared")
index.push_to_hub("me/shared-private", private=True)
index.push_to_hub("me/whole", share=False)
index.push_to_hub("me/whole-public", share=False, private=False)
loaded = [FindingsIndex.from_pretrained(f"me/{name}") for name in ("shared", "whole")]
assert loaded[0].config.shared and not loaded[1].config.shared
# A repository that is there already, public.
api.create_repo("me/open", private=False)
before = api.list_repo_commits("me/open")
refusals = [
    refused(lambda: index.push_to_hub("me/open", share=False)),
    refused(lambda: index.push_to_hub("me/open", private=True)),
    refused(lambda: index.push_to_hub("open", share=False)),
]
assert api.list_repo_commits("me/open") == before
files = api.list_repo_files("me/open")
print("=>", json.dumps([
    [index.digest, index.shared().digest, loaded[0].digest, loaded[1].digest],
    [private(f"me/{name}") for name in ("shared", "shared-private", "whole", "whole-public")],
    refusals, files]))
""",
    )
    whole, shared, pushed_shared, pushed_whole = digests
    assert (pushed_shared, pushed_whole) == (shared, whole)
    assert whole != shared
    assert visible == [False, True, True, False]
    assert all("found it public: nothing was uploaded" in text for text in refusals)
    assert files == [".gitattributes"]


def test_enriched_reports_are_private_unless_asked(hub):
    visible, refusal, files = run(
        hub,
        """
enricher = SemEnricher(build_index(rows))
enriched = datasets.Dataset.from_list(rows).map(enricher, batched=True)
push_enriched(enriched, enricher, "me/a")
push_enriched(enriched, enricher, "me/b", private=False)
api.create_repo("me/open", repo_type="dataset")
refusal = refused(lambda: push_enriched(enriched, enricher, "me/open"))
print("=>", json.dumps([[private(f"me/{name}", "dataset") for name in "ab"], refusal,
                        api.list_repo_files("me/open", repo_type="dataset")]))
""",
    )
    assert visible == [True, False]
    assert "expected dataset me/open to be private, found it public" in refusal
    assert files == [".gitattributes"]


def test_the_command_line_says_what_goes_where_before_it_does(hub):
    told, visible, refused, files = run(
        hub,
        """
datasets.Dataset.from_list(rows).to_json("reports.jsonl")
index = build_index(rows)
index.save_pretrained("index")
from unittest.mock import patch
outputs, visible = [], []
# No sentence encoder is to be had here.
with patch("semenrich_datasets.FindingsIndex.build", return_value=index):
    build = ("build", "reports.jsonl", "-o", "index")
    outputs.append(call(*build, "--push-to-hub", "me/i"))
    outputs.append(call(*build, "--push-to-hub", "me/j", "--private"))
enrich = ("enrich", "reports.jsonl", "-i", "index", "-o", "out.jsonl", "--examples", "0")
outputs.append(call(*enrich, "--push-to-hub", "me/d"))
outputs.append(call(*enrich, "--push-to-hub", "me/e", "--public"))
visible = [private("me/i"), private("me/j"), private("me/d", "dataset"), private("me/e", "dataset")]
assert FindingsIndex.from_pretrained("me/i").config.shared
api.create_repo("me/open", repo_type="dataset")
refused = call("enrich", "missing.jsonl", "-o", "out2.jsonl", "--push-to-hub", "me/open")
print("=>", json.dumps([outputs, visible, refused,
                        api.list_repo_files("me/open", repo_type="dataset")]))
""",
    )
    assert [code for code, _ in told] == [0, 0, 0, 0]
    lines = ["Pushing the shared form of the index to model me/i (new, public unless its owner's"]
    lines += ["Pushing the shared form of the index to model me/j (new, private)"]
    lines += ["Pushing 60 enriched reports to dataset me/d (new, private)"]
    lines += ["Pushing 60 enriched reports to dataset me/e (new, public)"]
    for (_, output), line in zip(told, lines, strict=True):
        assert line in output
    assert visible == [False, True, True, False]
    # Before the reports are even read.
    assert refused[0] == 1
    assert "expected dataset me/open to be private, found it public" in refused[1]
    assert files == [".gitattributes"]


def test_no_copy_of_a_push_stays_also_where_one_was_killed(hub):
    kept, mode = run(
        hub,
        """
import os, tempfile, time
from pathlib import Path
root = Path("tmp").absolute()
root.mkdir()
tempfile.tempdir = str(root)
day = 86400
for name, age in (("semenrich-push-old", 2 * day), ("semenrich-push-now", 0), ("other", 2 * day)):
    (root / name).mkdir()
    (root / name / "sentences-1.parquet").write_bytes(b"x")
    os.utime(root / name, (time.time() - age,) * 2)
modes = []
upload = HfApi.upload_folder
def watched(self, **options):
    modes.append(Path(options["folder_path"]).stat().st_mode & 0o777)
    return upload(self, **options)
HfApi.upload_folder = watched
os.umask(0)
build_index(rows).push_to_hub("me/x")
print("=>", json.dumps([sorted(path.name for path in root.iterdir()), modes]))
""",
    )
    assert kept == ["other", "semenrich-push-now"]
    assert mode == [0o700]
