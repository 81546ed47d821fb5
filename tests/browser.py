"""A headless Chromium, driven over the W3C WebDriver protocol: as much as one page asks for.

https://www.w3.org/TR/webdriver2, and of chromedriver's own commands the log and the DevTools.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

ARROW_LEFT, ARROW_RIGHT, BACKSPACE = "\ue012", "\ue014", "\ue003"
_ARGUMENTS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
_ARGUMENTS += ["--force-device-scale-factor=1", "--hide-scrollbars"]
_SECONDS = 60


class Browser:
    """One session of a running chromedriver."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._session = ""
        logs = {"browser": "ALL", "performance": "ALL"}
        options = {"args": _ARGUMENTS, "binary": shutil.which("chromium")}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": logs}
        answer = self._ask("", {"capabilities": {"alwaysMatch": wanted}})
        self._session = f"/{answer['sessionId']}"

    def _ask(self, path: str, body: Mapping[str, Any] | None, method: str = "POST") -> Any:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=_SECONDS)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, f"/session{self._session}{path}", data)
            value = json.load(connection.getresponse())["value"]
        finally:
            connection.close()
        if isinstance(value, dict) and "error" in value:
            msg = f"chromedriver, {path or 'new session'}: {value['error']}: {value['message']}"
            raise RuntimeError(msg)
        return value

    def close(self) -> None:
        """Ends the session, and with it Chromium."""
        self._ask("", None, "DELETE")

    def open(self, page: Path) -> None:
        """Opens a file; returns when it has loaded and its scripts have run."""
        self._ask("/url", {"url": page.as_uri()})

    def run(self, script: str, *arguments: Any) -> Any:
        """What the body of a JavaScript function returns; `arguments` are its `arguments`."""
        return self._ask("/execute/sync", {"script": script, "args": arguments})

    def click(self, selector: str) -> None:
        self._ask(f"/element/{self._find(selector)}/click", {})

    def type(self, selector: str, keys: str) -> None:
        """Presses keys where the element has the focus."""
        self._ask(f"/element/{self._find(selector)}/value", {"text": keys})

    def hover(self, selector: str) -> None:
        """Moves the mouse over the middle of an element."""
        element = self.run("return document.querySelector(arguments[0])", selector)
        self.run("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", element)
        move = {"type": "pointerMove", "x": 0, "y": 0, "origin": element, "duration": 0}
        mouse = {"type": "pointer", "id": "mouse", "actions": [move]}
        self._ask("/actions", {"actions": [mouse]})

    def screenshot(self, selector: str | None = None) -> Image.Image:
        """The window, or one element."""
        element = f"/element/{self._find(selector)}" if selector else ""
        png = b64decode(self._ask(f"{element}/screenshot", None, "GET"))
        return Image.open(BytesIO(png)).convert("RGB")

    def log(self, kind: str) -> list[Any]:
        """Entries since the last call: "browser" (the console) or "performance" (the network)."""
        return list(self._ask("/se/log", {"type": kind}))

    def devtools(self, command: str, **parameters: Any) -> None:
        """https://chromedevtools.github.io/devtools-protocol"""
        self._ask("/goog/cdp/execute", {"cmd": command, "params": parameters})

    def _find(self, selector: str) -> str:
        element = self._ask("/element", {"using": "css selector", "value": selector})
        return str(next(iter(element.values())))


@contextmanager
def run_browser() -> Iterator[Browser]:
    """Starts chromedriver and Chromium, and ends both."""
    command = ["chromedriver", "--port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as driver:
        try:
            lines = iter(driver.stdout or ())
            found = next(filter(None, (re.search(r"success.*on port (\d+)", x) for x in lines)))
            browser = Browser(int(found[1]))
            try:
                yield browser
            finally:
                browser.close()
        finally:
            driver.terminate()
