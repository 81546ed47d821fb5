"""The loopback Hub refuses what a broken client would send, and speaks HTTP as clients need it."""

import hashlib
import http.client
import json

import pytest
from hub_http import TOKEN


def request(hub, method, path, body=None, token=TOKEN):
    """The status and the JSON of a request that no well-behaved client would make."""
    connection = http.client.HTTPConnection(hub.endpoint.removeprefix("http://"))
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if not isinstance(body, bytes | None):
        body = json.dumps(body).encode()
    connection.request(method, path, body, headers, encode_chunked=False)
    response = connection.getresponse()
    content = json.loads(response.read())
    connection.close()
    return response.status, content


def commit(hub, *operations, parent=""):
    header = {"key": "header", "value": {"summary": "s", "parentCommit": parent}}
    lines = [header, *({"key": key, "value": value} for key, value in operations)]
    body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    return request(hub, "POST", "/api/models/me/x/commit/main", body)


@pytest.fixture
def repo(hub):
    """A Hub that has the model me/x."""
    assert request(hub, "POST", "/api/repos/create", {"name": "x"})[0] == 200
    return hub


def announce(hub, data, size=None):
    """The path to upload `data` to."""
    oid = hashlib.sha256(data).hexdigest()
    item = {"oid": oid, "size": len(data) if size is None else size}
    body = {"operation": "upload", "hash_algo": "sha256", "objects": [item]}
    status, answer = request(hub, "POST", "/me/x.git/info/lfs/objects/batch", body)
    assert status == 200
    return answer["objects"][0]["actions"]["upload"]["href"].removeprefix(hub.endpoint)


@pytest.mark.parametrize("wrong", [b"other content", b"longer than announced", b""])
def test_wrong_lfs_content_is_refused(repo, wrong):
    right = b"right content"
    path = announce(repo, right)
    oid = path.rsplit("/", 1)[1]
    pointer = ("lfsFile", {"path": "a.bin", "algo": "sha256", "oid": oid, "size": len(right)})
    verify = {"oid": oid, "size": len(right)}

    assert request(repo, "PUT", path, wrong)[0] == 400
    assert request(repo, "POST", "/me/x.git/info/lfs/objects/verify", verify)[0] == 404
    assert commit(repo, pointer)[0] == 400
    assert request(repo, "PUT", path, right, token=None)[0] == 200
    assert request(repo, "POST", "/me/x.git/info/lfs/objects/verify", verify)[0] == 200
    assert commit(repo, ("lfsFile", pointer[1] | {"size": 1}))[0] == 400
    assert commit(repo, pointer)[0] == 200


def test_lfs_content_that_nobody_announced_is_refused(repo):
    oid = hashlib.sha256(b"content").hexdigest()
    assert request(repo, "PUT", f"/me/x.git/info/lfs/objects/{oid}", b"content")[0] == 400
    assert request(repo, "PUT", announce(repo, b"content", size=3), b"content")[0] == 400


@pytest.mark.parametrize(
    "value",
    [
        {"path": "a", "content": "YQ==!", "encoding": "base64"},
        {"path": "a", "content": "YQ==", "encoding": "utf-8"},
        {"path": "../a", "content": "YQ==", "encoding": "base64"},
        {"path": "/a", "content": "YQ==", "encoding": "base64"},
        {"path": "README.md", "content": "LS0tCmE6IFsKLS0tCg==", "encoding": "base64"},
        {"content": "YQ==", "encoding": "base64"},
    ],
)
def test_a_malformed_commit_is_refused_and_changes_nothing(repo, value):
    before = request(repo, "GET", "/api/models/me/x")[1]
    assert commit(repo, ("file", value))[0] == 400
    assert request(repo, "POST", "/api/models/me/x/commit/main", b"{not json")[0] == 400
    assert request(repo, "GET", "/api/models/me/x")[1] == before


def test_a_stale_parent_is_refused(repo):
    first = request(repo, "GET", "/api/models/me/x")[1]["sha"]
    add = ("file", {"path": "a", "content": "YQ==", "encoding": "base64"})
    assert commit(repo, add, parent=first)[0] == 200
    assert commit(repo, add, parent=first)[0] == 412


def test_bodies_may_come_in_chunks_and_the_connection_is_kept(repo):
    path = announce(repo, b"ab" * 50_000)
    connection = http.client.HTTPConnection(repo.endpoint.removeprefix("http://"))
    for method, where, body in [
        ("POST", "/no/such/page", iter([b"x" * 100, b"y"])),
        ("PUT", path, iter([b"ab" * 25_000] * 2)),
        ("GET", "/api/models/me/x", None),
    ]:
        connection.request(
            method,
            where,
            body,
            encode_chunked=True,
            headers=({"Transfer-Encoding": "chunked"} if body else {}),
        )
        response = connection.getresponse()
        response.read()
        assert response.status == (404 if where == "/no/such/page" else 200)
    connection.close()


@pytest.mark.parametrize(
    ("asked", "status", "content"),
    [
        ("bytes=2-4", 206, b"234"),
        ("bytes=8-", 206, b"89"),
        ("bytes=8-99", 206, b"89"),
        ("bytes=10-", 416, None),
        ("lines=1-2", 200, b"0123456789"),
    ],
)
def test_ranges(repo, asked, status, content):
    digits = {"path": "d.txt", "content": "MDEyMzQ1Njc4OQ==", "encoding": "base64"}
    assert commit(repo, ("file", digits))[0] == 200
    connection = http.client.HTTPConnection(repo.endpoint.removeprefix("http://"))
    connection.request("GET", "/me/x/resolve/main/d.txt", headers={"Range": asked})
    response = connection.getresponse()
    data = response.read()
    connection.close()
    assert response.status == status
    assert content is None or data == content
