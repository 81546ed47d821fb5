"""HTTP for the loopback Hub: a route table, request bodies, tokens, ranges, pages and errors."""

import json
import re
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from hub_store import HubError, HubStore

TOKEN = "hf_loopback"

Handle = Callable[..., None]
ROUTES: list[tuple[str, re.Pattern[str], Handle]] = []
FIELDS = {
    "{api}": r"/api/(?P<kind>models|datasets|spaces)/(?P<repo>[^/]+(?:/[^/]+)?)",
    "{page}": r"/(?:(?P<kind>datasets|spaces)/)?(?P<repo>[^/]+(?:/[^/]+?)?)",
    "{rev}": r"(?P<rev>[^/]+)",
    "{path}": r"(?P<path>.+)",
    "{oid}": r"(?P<oid>[0-9a-f]{64})",
}


def route(method: str, template: str) -> Callable[[Handle], Handle]:
    """Registers a method of the handler for the paths of `template`; GET answers HEAD too."""
    for name, pattern in FIELDS.items():
        template = template.replace(name, pattern)

    def register(handle: Handle) -> Handle:
        ROUTES.append((method, re.compile(template), handle))
        return handle

    return register


class HubServer(ThreadingHTTPServer):
    """Serves a new, empty Hub on a free port; `log` has one line per request."""

    page_size = 1000

    def __init__(self, root: Path, handler: type["JsonHandler"]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.store = HubStore(root)
        self.log: list[str] = []
        self.endpoint = f"http://127.0.0.1:{self.server_port}"


class JsonHandler(BaseHTTPRequestHandler):
    """One connection. Routes get the decoded fields of their path as keywords."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: HubServer

    def dispatch(self) -> None:
        """Answers one request and leaves the connection ready for the next."""
        url = urlsplit(self.path)
        self.query = parse_qs(url.query)
        self.body = self._read_body()
        try:
            self.signed_in = self._check_token()
            handle, fields = self._find_route(url.path)
            handle(self, **fields)
        except HubError as error:
            self.send_json({"error": str(error)}, error.status, error.headers)
        except (KeyError, TypeError, ValueError) as error:
            self.send_json({"error": f"Malformed request: {error!r}"}, 400)
        for _ in self.body:  # what no route wanted would be read as the next request
            pass

    do_GET = do_HEAD = do_POST = do_PUT = dispatch  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """Keeps the access log for the tests instead of printing it."""
        self.server.log.append(format % args)

    def _find_route(self, path: str) -> tuple[Handle, dict[str, str]]:
        method = "GET" if self.command == "HEAD" else self.command
        for allowed, pattern, handle in ROUTES:
            if allowed == method and (match := pattern.fullmatch(path)):
                fields = match.groupdict()
                return handle, {name: unquote(text) for name, text in fields.items() if text}
        raise HubError(404, "Sorry, we can't find the page you are looking for.")

    def _check_token(self) -> bool:
        authorization = self.headers.get("Authorization")
        if authorization not in (None, f"Bearer {TOKEN}"):
            raise HubError(401, "Invalid credentials in Authorization header")
        return authorization is not None

    def _read_body(self) -> Iterator[bytes]:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline(), 16):
                yield from self._read_exactly(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            yield from self._read_exactly(int(self.headers.get("Content-Length", 0)))

    def _read_exactly(self, size: int) -> Iterator[bytes]:
        while size:
            chunk = self.rfile.read(min(size, 2**20))
            if not chunk:
                raise ConnectionError(f"The client left with {size} bytes still to send")
            size -= len(chunk)
            yield chunk

    def read_json(self) -> Any:
        """The body of the request."""
        return json.loads(b"".join(self.body))

    def parse_range(self, size: int) -> tuple[int, int, int]:
        """The first byte to send of a file of `size` bytes, the end, and the status."""
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if match is None:
            return 0, size, 200
        first, stop = int(match[1]), min(size, int(match[2]) + 1 if match[2] else size)
        if first >= stop:
            headers = {"Content-Range": f"bytes */{size}"}
            raise HubError(416, "The range is outside the file", headers=headers)
        return first, stop, 206

    def send_page(self, items: list[dict[str, Any]]) -> None:
        """Answers one page of a list, with a link to the next."""
        start = int(self.query.get("cursor", ["0"])[0])
        stop = start + self.server.page_size
        headers = {}
        if stop < len(items):
            query = urlencode({**self.query, "cursor": [str(stop)]}, doseq=True)
            path = urlsplit(self.path).path
            headers["Link"] = f'<{self.server.endpoint}{path}?{query}>; rel="next"'
        self.send_json(items[start:stop], headers=headers)

    def send_json(
        self, payload: Any, status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        """Answers a JSON document."""
        data = json.dumps(payload).encode()
        self.send_head(status, {"Content-Type": "application/json", **(headers or {})}, len(data))
        if self.command != "HEAD":
            self.wfile.write(data)

    def send_head(self, status: int, headers: dict[str, str], length: int) -> None:
        """Answers all but the `length` bytes of content."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()
