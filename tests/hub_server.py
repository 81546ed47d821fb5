"""A small Hugging Face Hub on 127.0.0.1: the unmodified clients push to it and load from it.

``KIND`` is models, datasets or spaces (the page of a model has none), ``ID`` is owner/name:

- GET ``/api/whoami-v2``; POST ``/api/validate-yaml``, ``/api/repos/create``
- GET ``/api/KIND/ID[/revision/REV]``, ``.../refs``, ``.../commits/REV``, ``.../tree/REV[/PATH]``
- POST ``/api/KIND/ID/paths-info/REV``, ``.../branch/NAME``, ``.../tag/REV``
- POST ``/api/KIND/ID/preupload/REV``, ``.../commit/REV`` (NDJSON, checked against its parent)
- POST ``/[KIND/]ID.git/info/lfs/objects/batch``, ``.../verify``; PUT ``.../objects/OID``
- GET and HEAD ``/[KIND/]ID/resolve/REV/PATH``, with Range

What arrives is checked as the Hub checks it: token, owner, SHA-256 and size of LFS objects,
base64, paths, card metadata. Not served: Xet, pull requests, .gitignore, `expand`, deletion of
repositories and refs, the dataset viewer.
"""

import json
from base64 import b64decode
from typing import Any
from urllib.parse import parse_qs

from hub_http import JsonHandler, route
from hub_store import (
    PAGE_PREFIXES,
    Commit,
    HubError,
    Repo,
    card_metadata,
    folder_entry,
    is_lfs,
    list_tree,
)

USER = "me"


class HubHandler(JsonHandler):
    """Answers each route from the store."""

    # Repositories

    @route("GET", "/api/whoami-v2")
    def whoami(self) -> None:
        if not self.signed_in:
            raise HubError(401, "Invalid username or password.")
        auth = {"type": "access_token", "accessToken": {"displayName": "tests", "role": "write"}}
        self.send_json({"type": "user", "id": USER, "name": USER, "orgs": [], "auth": auth})

    @route("POST", "/api/validate-yaml")
    def validate_yaml(self) -> None:
        try:
            metadata = card_metadata(self.read_json()["content"])
        except HubError as error:
            errors = [{"message": str(error)}]
            self.send_json({"errors": errors, "warnings": []}, 400, error.headers)
            return
        warning = {"message": "empty or missing yaml metadata in repo card"}
        self.send_json({"errors": [], "warnings": [] if metadata else [warning]})

    @route("POST", "/api/repos/create")
    def create_repo(self) -> None:
        request = self.read_json()
        repo_id = f"{request.get('organization') or USER}/{request['name']}"
        self._check_owner(repo_id)
        kind = f"{request.get('type', 'model')}s"
        if kind == "spaces" and not request.get("sdk"):
            raise HubError(400, "A Space needs an sdk")
        # huggingface_hub 1 sends the flag, 2 the word.
        private = request.get("private", False) or request.get("visibility") == "private"
        url = f"{self.server.endpoint}/{PAGE_PREFIXES[kind]}{repo_id}"
        try:
            self.server.store.create_repo(kind, repo_id, private, request.get("sdk"))
        except HubError as error:
            self.send_json({"error": str(error), "url": url}, error.status, error.headers)
            return
        self.send_json({"url": url, "name": repo_id})

    @route("GET", "{api}/refs")
    def refs(self, kind: str, repo: str) -> None:
        found = self._repo(kind, repo)

        def listing(prefix: str, refs: dict[str, Commit]) -> list[dict[str, str]]:
            items = sorted(refs.items())
            return [{"name": n, "ref": prefix + n, "targetCommit": c.id} for n, c in items]

        branches = listing("refs/heads/", found.branches)
        tags = listing("refs/tags/", found.tags)
        self.send_json({"branches": branches, "tags": tags, "converts": [], "pullRequests": []})

    @route("POST", "{api}/branch/{rev}")
    def create_branch(self, kind: str, repo: str, rev: str) -> None:
        found = self._repo(kind, repo, write=True)
        start = found.resolve(self.read_json().get("startingPoint", "main"))
        self.server.store.create_ref(found.branches, rev, start)
        self.send_json({})

    @route("POST", "{api}/tag/{rev}")
    def create_tag(self, kind: str, repo: str, rev: str) -> None:
        found = self._repo(kind, repo, write=True)
        name = self.read_json()["tag"]
        self.server.store.create_ref(found.tags, name, found.resolve(rev))
        self.send_json({})

    @route("GET", "{api}/commits/{rev}")
    def commits(self, kind: str, repo: str, rev: str) -> None:
        history = self._repo(kind, repo).resolve(rev).history()
        author = {"authors": [{"user": USER}]}
        shown = [
            {"id": c.id, "title": c.title, "message": c.message, "date": c.date, **author}
            for c in history
        ]
        self.send_page(shown)

    # Files

    @route("GET", "{api}/tree/{rev}(?:/{path})?")
    def tree(self, kind: str, repo: str, rev: str, path: str = "") -> None:
        commit = self._repo(kind, repo).resolve(rev)
        recursive = self.query.get("recursive", [""])[0].lower() in ("true", "1")
        self.send_page(list_tree(commit.tree, path.strip("/"), recursive))

    @route("POST", "{api}/paths-info/{rev}")
    def paths_info(self, kind: str, repo: str, rev: str) -> None:
        tree = self._repo(kind, repo).resolve(rev).tree
        entries = []
        for path in parse_qs(b"".join(self.body).decode()).get("paths", []):
            if path in tree:
                entries.append(tree[path].entry(path))
            elif any(name.startswith(f"{path}/") for name in tree):
                entries.append(folder_entry(tree, path))
        self.send_json(entries)

    @route("GET", "{page}/resolve/{rev}/{path}")
    def resolve(self, repo: str, rev: str, path: str, kind: str = "models") -> None:
        commit = self._repo(kind, repo).resolve(rev)
        headers = {"X-Repo-Commit": commit.id}
        if path not in commit.tree:
            # The commit id lets clients remember that this version lacks the file.
            raise HubError(404, "Entry not found", "EntryNotFound", headers)
        blob = commit.tree[path]
        headers |= {"ETag": f'"{blob.etag}"', "Accept-Ranges": "bytes"}
        if blob.lfs:
            headers |= {"X-Linked-Size": str(blob.size), "X-Linked-Etag": f'"{blob.sha256}"'}
        first, stop, status = self.parse_range(blob.size)
        if status == 206:
            headers["Content-Range"] = f"bytes {first}-{stop - 1}/{blob.size}"
        self.send_head(
            status, {**headers, "Content-Type": "application/octet-stream"}, stop - first
        )
        if self.command == "GET" and stop > first:
            with (self.server.store.objects / blob.sha256).open("rb") as file:
                self.connection.sendfile(file, first, stop - first)

    # Commits

    @route("POST", "{api}/preupload/{rev}")
    def preupload(self, kind: str, repo: str, rev: str) -> None:
        commit = self._repo(kind, repo, write=True).resolve(rev)
        files = []
        for file in self.read_json()["files"]:
            path, sample = file["path"], b64decode(file["sample"], validate=True)
            if len(sample) != min(file["size"], 512):
                raise HubError(400, f"Expected the first 512 bytes of {path}")
            mode = "lfs" if is_lfs(path, file["size"], sample) else "regular"
            old = commit.tree.get(path)
            same = {"oid": old.etag} if old else {}
            files.append({"path": path, "uploadMode": mode, "shouldIgnore": False, **same})
        self.send_json({"files": files, "commitOid": commit.id})

    @route("POST", "{api}/commit/{rev}")
    def commit(self, kind: str, repo: str, rev: str) -> None:
        found = self._repo(kind, repo, write=True)
        if "create_pr" in self.query:
            raise HubError(400, "This Hub has no pull requests")
        lines = [json.loads(line) for line in b"".join(self.body).splitlines()]
        new = self.server.store.commit(found, rev, lines)
        url = f"{self.server.endpoint}/{found.page}/commit/{new.id}"
        self.send_json({"success": True, "commitOid": new.id, "commitUrl": url, "hookOutput": ""})

    @route("POST", "{page}\\.git/info/lfs/objects/batch")
    def lfs_batch(self, repo: str, kind: str = "models") -> None:
        found = self._repo(kind, repo, write=True)
        request = self.read_json()
        if request["operation"] != "upload" or request["hash_algo"] != "sha256":
            raise HubError(422, "Only uploads by SHA-256 are served")
        base = f"{self.server.endpoint}/{found.page}.git/info/lfs/objects"
        answers = []
        for item in request["objects"]:
            oid, size = str(item["oid"]), int(item["size"])
            answer: dict[str, Any] = {"oid": oid, "size": size}
            if found.uploaded.get(oid) != size:
                found.announced[oid] = size
                actions = {"upload": f"{base}/{oid}", "verify": f"{base}/verify"}
                answer["actions"] = {name: {"href": href} for name, href in actions.items()}
            answers.append(answer)
        self.send_json({"transfer": "basic", "objects": answers})

    @route("PUT", "{page}\\.git/info/lfs/objects/{oid}")
    def lfs_upload(self, repo: str, oid: str, kind: str = "models") -> None:
        # Clients send no token here, as to a signed URL: having been announced lets an object in.
        found = self.server.store.repos[kind, repo]
        self.server.store.add_lfs(found, oid, self.body)
        self.send_json({})

    @route("POST", "{page}\\.git/info/lfs/objects/verify")
    def lfs_verify(self, repo: str, kind: str = "models") -> None:
        request = self.read_json()
        if self._repo(kind, repo, write=True).uploaded.get(request["oid"]) != request["size"]:
            raise HubError(404, f"No such LFS object: {request}")
        self.send_json({})

    # Last: its pattern would take `gpt2/refs`, a name without an owner, for a name.
    @route("GET", "{api}(?:/revision/{rev})?")
    def info(self, kind: str, repo: str, rev: str = "main") -> None:
        found = self._repo(kind, repo)
        commit = found.resolve(rev)
        card = commit.tree.get("README.md")
        self.send_json(
            {
                "id": repo,
                "author": repo.split("/")[0],
                "sha": commit.id,
                "private": found.private,
                "sdk": found.sdk,
                "createdAt": commit.history()[-1].date,
                "lastModified": commit.date,
                "gated": False,
                "disabled": False,
                "downloads": 0,
                "likes": 0,
                "tags": [],
                "cardData": card and card_metadata(self.server.store.read(card).decode()),
                "siblings": [blob.sibling(path) for path, blob in sorted(commit.tree.items())],
            }
        )

    def _check_owner(self, repo_id: str) -> None:
        if not self.signed_in:
            raise HubError(401, "Invalid username or password.")
        if repo_id.split("/")[0] != USER:
            raise HubError(403, f"You don't have the rights to write to {repo_id}")

    def _repo(self, kind: str, repo_id: str, write: bool = False) -> Repo:
        repo = self.server.store.repos.get((kind, repo_id))
        if repo is None or (repo.private and not self.signed_in):
            # Without a token the Hub does not tell a private repository from a missing one.
            raise HubError(404 if self.signed_in else 401, "Repository not found", "RepoNotFound")
        if write:
            self._check_owner(repo_id)
        return repo
