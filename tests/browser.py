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
from time import monotonic, sleep
from typing import Any

from PIL import Image

ARROW_LEFT, ARROW_RIGHT, BACKSPACE = "\ue012", "\ue014", "\ue003"
_ARGUMENTS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
_ARGUMENTS += ["--force-device-scale-factor=1", "--hide-scrollbars"]
_SECONDS = 60

# Texts in view whose color is too near to what lies behind them, backgrounds and opacity mixed in.
_FAINT_TEXTS = """
const parse = (color) => {
  const [r, g, b, a = 1] = color.match(/[\\d.]+/g).map(Number);
  return [r, g, b, a];
};
const over = ([r, g, b, a], under) => [r, g, b].map((c, i) => a * c + (1 - a) * under[i]);
const light = (color) => color.map((c) => c / 255)
  .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
  .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const ratio = (...colors) => {
  const [dark, bright] = colors.map(light).sort((a, b) => a - b);
  return (bright + 0.05) / (dark + 0.05);
};
const looks = (node) => { // [what is behind it, its text color], as painted
  const style = getComputedStyle(node);
  const behind = node.parentElement ? looks(node.parentElement)[0] : [255, 255, 255];
  const back = over(parse(style.backgroundColor), behind);
  const text = over(parse(node instanceof SVGElement ? style.fill : style.color), back);
  return [back, text].map((color) => over([...color, Number(style.opacity)], behind));
};
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
const faint = new Set();
while (walker.nextNode()) {
  const node = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim() || node.closest(":disabled")) continue;
  if (!node.checkVisibility()) continue;
  const contrast = ratio(...looks(node));
  const name = [node.tagName, node.className, node.textContent].join(" ");
  if (contrast < 4.5) faint.add(`${contrast.toFixed(2)} ${name}`);
}
return [...faint].slice(0, 20);
"""


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

    def show(self, width: int, scheme: str = "light") -> None:
        """Sizes the window, a narrow one as a phone's, and sets the reader's color scheme."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        self.devtools("Emulation.setDeviceMetricsOverride", **size)
        media = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
        features = [{"name": name, "value": value} for name, value in media.items()]
        self.devtools("Emulation.setEmulatedMedia", features=features)

    def texts(self, selector: str) -> list[str]:
        """The text of each element that matches."""
        script = "return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)"
        return list(self.run(script, selector))

    def text(self, selector: str) -> str:
        """The text of the first element that matches."""
        return self.texts(selector)[0]

    def faint_texts(self) -> list[str]:
        """Texts in view whose contrast is below 4.5 (WCAG 2.2, 1.4.3, level AA)."""
        return list(self.run(_FAINT_TEXTS))

    def requests(self) -> list[str]:
        """Addresses asked for since the last look at the log of the network."""
        events = (json.loads(entry["message"])["message"] for entry in self.log("performance"))
        sent = [event for event in events if event["method"] == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in sent]

    def click(self, selector: str) -> None:
        """Clicks, and returns when the page has answered: `<details>` does so in a later task."""
        self._ask(f"/element/{self._find(selector)}/click", {})
        script = "requestAnimationFrame(() => setTimeout(arguments[0]))"
        self._ask("/execute/async", {"script": script, "args": []})

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

    def download(self, selector: str, path: Path) -> Path:
        """Clicks what saves a file of this name into this folder, and waits for the file."""
        folder = str(path.parent)
        self.devtools("Browser.setDownloadBehavior", behavior="allow", downloadPath=folder)
        self.click(selector)
        end = monotonic() + _SECONDS
        while not path.exists():  # Chromium writes to another name and renames it at the end
            if monotonic() > end:
                msg = f"{path.name} was not saved; the folder holds {list(path.parent.iterdir())}"
                raise TimeoutError(msg)
            sleep(0.05)
        return path

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
