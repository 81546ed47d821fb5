"""The loopback Hub: what the unmodified clients push comes back, and errors have their types."""


def test_files_of_every_kind_of_repository_come_back(hub):
    hub.run("""
        from pathlib import Path
        from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete
        from huggingface_hub import HfApi, hf_hub_download, snapshot_download

        api = HfApi()
        assert api.whoami()["name"] == "me"
        folder = Path("folder")
        (folder / "sub dir").mkdir(parents=True)
        (folder / "a.txt").write_text("naïve")
        (folder / "empty.txt").touch()
        (folder / "sub dir" / "b#1.bin").write_bytes(bytes(range(256)) * 8)
        names = [".gitattributes", "a.txt", "empty.txt", "sub dir/b#1.bin"]

        for kind, sdk in [("model", None), ("dataset", None), ("space", "gradio")]:
            where = {"repo_id": "me/x", "repo_type": kind}
            url = api.create_repo(**where, space_sdk=sdk)
            assert (url.repo_id, url.repo_type) == ("me/x", kind)
            assert api.create_repo(**where, space_sdk=sdk, exist_ok=True) == url
            first = api.upload_folder(folder_path=folder, **where).oid
            assert api.list_repo_files(**where) == names
            info = api.repo_info(**where, files_metadata=True)
            assert info.sha == first and info.siblings[-1].lfs.size == 2048

            second = api.upload_file(path_or_fileobj=b"new", path_in_repo="a.txt", **where).oid
            same = api.upload_folder(folder_path=folder, **where, allow_patterns="sub dir/*")
            assert same.oid == second
            assert Path(hf_hub_download(filename="a.txt", **where)).read_text() == "new"
            for revision, text in [(first, "naïve"), (second, "new"), ("main", "new")]:
                copy = Path(snapshot_download(revision=revision, **where))
                assert copy.name == (first if revision == first else second)
                assert (copy / "a.txt").read_text() == text
                assert (copy / "empty.txt").read_bytes() == b""
                assert (copy / "sub dir" / "b#1.bin").read_bytes() == bytes(range(256)) * 8

            api.create_branch(**where, branch="pr/1")
            api.create_tag(**where, tag="v1", revision=first)
            operations = [
                CommitOperationDelete("a.txt"),
                CommitOperationDelete("sub dir/"),
                CommitOperationAdd("c.json", b"{}"),
                CommitOperationCopy("sub dir/b#1.bin", "d/e/copy.bin"),
            ]
            branch = {**where, "revision": "pr/1"}
            third = api.create_commit(**branch, operations=operations, commit_message="m").oid
            on_branch = [".gitattributes", "c.json", "d/e/copy.bin", "empty.txt"]
            assert api.list_repo_files(**branch) == on_branch
            assert api.list_repo_files(**where) == names
            assert api.list_repo_files(**where, revision="v1") == names
            history = [commit.commit_id for commit in api.list_repo_commits(**branch)]
            assert history[:3] == [third, second, first] and len(history) == 4
            refs = api.list_repo_refs(**where)
            heads = {branch.name: branch.target_commit for branch in refs.branches}
            assert heads == {"main": second, "pr/1": third}
            assert [(t.name, t.target_commit) for t in refs.tags] == [("v1", first)]
    """)


def test_large_files_go_by_lfs_once_and_come_back(hub):
    hub.run("""
        import hashlib
        from pathlib import Path
        from huggingface_hub import HfApi, HfFileSystem, hf_hub_download

        api = HfApi()
        api.create_repo("me/x")
        api.create_repo("me/y")
        big = Path("model.safetensors")
        with big.open("wb") as file:
            for _ in range(50):
                file.write(bytes(range(256)) * 4096)
        digest = hashlib.sha256(big.read_bytes()).hexdigest()
        for name in ("weights/1.safetensors", "weights/2.safetensors"):
            api.upload_file(path_or_fileobj=big, path_in_repo=name, repo_id="me/x")
        api.upload_file(path_or_fileobj=b"a" * 11_000_000, path_in_repo="long.txt", repo_id="me/y")

        (info,) = api.get_paths_info("me/x", "weights/2.safetensors")
        assert info.lfs.sha256 == digest and info.size == info.lfs.size == 50 * 2**20
        copy = Path(hf_hub_download("me/x", "weights/2.safetensors"))
        assert hashlib.sha256(copy.read_bytes()).hexdigest() == digest
        with HfFileSystem().open("me/x/weights/1.safetensors", block_size=4096) as file:
            file.seek(2**20 + 7)
            assert file.read(3) == bytes([7, 8, 9])
    """)
    assert sum(line.startswith('"PUT /me/x.git') for line in hub.server.log) == 1
    assert sum(line.startswith('"PUT /me/y.git') for line in hub.server.log) == 1


def test_clients_raise_the_errors_of_the_hub(hub):
    hub.run("""
        import pytest
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
        from huggingface_hub import file_exists, hf_hub_download, repo_exists, snapshot_download
        from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError
        from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

        def status(call, *args, **kwargs):
            with pytest.raises(HfHubHTTPError) as caught:
                call(*args, **kwargs)
            return caught.value.response.status_code

        api = HfApi()
        first = api.create_repo("me/x") and api.repo_info("me/x").sha
        api.create_repo("me/secret", private=True)
        assert status(api.create_repo, "me/x") == 409
        assert status(api.create_repo, "other/x") == 403
        for call in (api.create_repo, api.repo_info):
            assert status(call, "me/x", token="hf_wrong") == 401
        assert status(api.create_repo, "me/z", token=False) == 401
        assert status(api.whoami, token="hf_wrong") == 401

        assert api.repo_info("me/x", token=False).sha == first
        assert repo_exists("me/secret") and not repo_exists("me/secret", token=False)
        for missing in ("me/missing", "gpt2"):
            with pytest.raises(RepositoryNotFoundError):
                api.repo_info(missing)
            with pytest.raises(RepositoryNotFoundError):
                snapshot_download(missing)
        with pytest.raises(RepositoryNotFoundError):
            hf_hub_download("me/x", "a.txt", repo_type="dataset")
        with pytest.raises(RepositoryNotFoundError):
            api.upload_file(path_or_fileobj=b"", path_in_repo="a", repo_id="me/missing")
        with pytest.raises(RevisionNotFoundError):
            api.repo_info("me/x", revision="v2")
        with pytest.raises(RevisionNotFoundError):
            hf_hub_download("me/x", "a.txt", revision="0" * 40)
        with pytest.raises(EntryNotFoundError):
            hf_hub_download("me/x", "a.txt")
        with pytest.raises(EntryNotFoundError):
            list(api.list_repo_tree("me/x", "folder"))
        with pytest.raises(EntryNotFoundError):
            api.create_commit("me/x", [CommitOperationDelete("a")], commit_message="m")
        assert not file_exists("me/x", "a.txt") and file_exists("me/x", ".gitattributes")

        add = CommitOperationAdd("a", b"1")
        api.create_commit("me/x", [add], commit_message="m", parent_commit=first)
        stale = {"commit_message": "m", "parent_commit": first}
        assert status(api.create_commit, "me/x", [CommitOperationAdd("c", b"3")], **stale) == 412
    """)


def test_long_listings_arrive_page_by_page(hub):
    hub.server.page_size = 3
    hub.run("""
        from huggingface_hub import CommitOperationAdd, HfApi

        api = HfApi()
        api.create_repo("me/x")
        folders = [f"data/{n}" for n in range(8)]
        names = [f"{folder}/a.txt" for folder in folders]
        api.create_commit("me/x", [CommitOperationAdd(n, b"-") for n in names], commit_message="m")
        assert [entry.path for entry in api.list_repo_tree("me/x", "data")] == folders
        tree = [entry.path for entry in api.list_repo_tree("me/x", recursive=True)]
        assert tree == sorted([".gitattributes", "data", *folders, *names])
    """)
    assert sum("cursor=" in line for line in hub.server.log) == 2 + 5


def test_commits_at_the_same_time_all_arrive(hub):
    hub.run("""
        from concurrent.futures import ThreadPoolExecutor
        from huggingface_hub import HfApi

        api = HfApi()
        api.create_repo("me/x")
        names = [f"{n}.txt" for n in range(16)]
        push = lambda name: api.upload_file(
            path_or_fileobj=name.encode() * 1000, path_in_repo=name, repo_id="me/x"
        ).oid
        with ThreadPoolExecutor(8) as pool:
            oids = list(pool.map(push, names))
        assert sorted(api.list_repo_files("me/x")) == sorted([".gitattributes", *names])
        history = [c.commit_id for c in api.list_repo_commits("me/x")]
        assert sorted(history[:-1]) == sorted(oids) and len(set(oids)) == 16
    """)


def test_hub_mixin_and_cards_come_back(hub):
    hub.run("""
        import json
        from pathlib import Path
        import pytest
        from huggingface_hub import DatasetCard, HfApi, ModelCard, ModelHubMixin, SpaceCard

        class Thing(ModelHubMixin, library_name="thing", tags=["radiology"]):
            def __init__(self, size: int = 1, words: str = "none"):
                self.size, self.words = size, words

            def _save_pretrained(self, folder):
                (folder / "words.bin").write_text(self.words)

            @classmethod
            def _from_pretrained(cls, *, model_id, revision, cache_dir, force_download,
                                 local_files_only, token, **kwargs):
                from huggingface_hub import hf_hub_download
                path = hf_hub_download(model_id, "words.bin", revision=revision)
                return cls(size=kwargs["size"], words=Path(path).read_text())

        Thing(3, "first").push_to_hub("me/thing")
        first = HfApi().model_info("me/thing").sha
        Thing(4, "second").push_to_hub("me/thing")
        new = Thing.from_pretrained("me/thing")
        old = Thing.from_pretrained("me/thing", revision=first)
        assert (new.size, new.words, old.size, old.words) == (4, "second", 3, "first")
        assert "radiology" in ModelCard.load("me/thing").data.tags
        assert HfApi().model_info("me/thing").card_data.library_name == "thing"

        text = "---\\nlicense: mit\\n---\\n\\n# Reports\\n"
        broken = Path("broken.md")
        broken.write_text("---\\na: [\\n---\\n")
        for card, kind in [(ModelCard, "model"), (DatasetCard, "dataset"), (SpaceCard, "space")]:
            where = {"repo_id": "me/card", "repo_type": kind}
            HfApi().create_repo(**where, space_sdk="static" if kind == "space" else None)
            card(text).push_to_hub(**where)
            loaded = card.load("me/card")
            assert loaded.data.license == "mit" and loaded.text.strip() == "# Reports"
            with pytest.raises(ValueError, match="Invalid YAML"):
                HfApi().upload_file(path_or_fileobj=broken, path_in_repo="README.md", **where)
        broken.write_text("# No metadata")
        with pytest.warns(UserWarning, match="empty or missing yaml"):
            HfApi().upload_file(path_or_fileobj=broken, path_in_repo="README.md", **where)
    """)


def test_datasets_come_back_with_their_features(hub):
    hub.run("""
        import numpy as np
        from datasets import ClassLabel, Dataset, DatasetDict, Features, Image, List, Value
        from datasets import load_dataset
        from huggingface_hub import DatasetCard
        from PIL import Image as Pillow

        def pictures(rows, color):
            features = Features({
                "report": Value("string"),
                "view": ClassLabel(names=["front", "side"]),
                "added": List(Value("string")),
                "image": Image(),
            })
            image = Pillow.fromarray(np.full((8, 6, 3), color, dtype=np.uint8))
            return Dataset.from_dict({
                "report": [f"Report {n}." for n in range(rows)],
                "view": [n % 2 for n in range(rows)],
                "added": [["No effusion."] * n for n in range(rows)],
                "image": [image] * rows,
            }, features=features)

        one = pictures(5, 10)
        first = one.push_to_hub("me/reports").oid
        back = load_dataset("me/reports", split="train")
        assert back.features == one.features and back.num_rows == 5
        assert back["report"][:] == one["report"][:] and back["added"][:] == one["added"][:]
        assert back[3]["image"].size == (6, 8) and back[3]["image"].getpixel((0, 0)) == (10, 10, 10)

        one.select([0, 1]).push_to_hub("me/reports")
        assert load_dataset("me/reports", split="train").num_rows == 2
        assert load_dataset("me/reports", revision=first, split="train").num_rows == 5
        streamed = load_dataset("me/reports", split="train", streaming=True)
        assert [row["view"] for row in streamed] == [0, 1]

        two = DatasetDict({"train": pictures(4, 20), "test": pictures(2, 30)})
        two.push_to_hub("me/splits", num_shards={"train": 2})
        two.push_to_hub("me/splits", config_name="small", revision="try")
        back = load_dataset("me/splits")
        assert {s: d.num_rows for s, d in back.items()} == {"train": 4, "test": 2}
        assert back["test"].features == two["test"].features
        assert back["test"][1]["image"].getpixel((5, 7)) == (30, 30, 30)
        assert load_dataset("me/splits", "small", revision="try", split="test").num_rows == 2

        card = DatasetCard.load("me/splits")
        assert card.data["dataset_info"]["splits"][0]["num_examples"] == 4
        card.text = "# Enriched reports"
        card.push_to_hub("me/splits")
        assert "# Enriched reports" in DatasetCard.load("me/splits").content
        assert load_dataset("me/splits", split="test").num_rows == 2
    """)
