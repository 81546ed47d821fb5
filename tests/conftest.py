"""Fixtures that more than one test module uses."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import pytest
from hub_http import TOKEN, HubServer
from hub_server import HubHandler
from hypothesis import settings

# The same examples in each run: who wants others passes --hypothesis-profile=default.
settings.register_profile("deterministic", derandomize=True, database=None)
settings.load_profile("deterministic")


@dataclass(frozen=True)
class Hub:
    """A running Hub, and the environment in which a process talks to it and to nothing else."""

    server: HubServer
    folder: Path

    @property
    def endpoint(self) -> str:
        return self.server.endpoint

    @property
    def env(self) -> dict[str, str]:
        """The environment of a signed-in process; its caches lie in `folder`."""
        prefixes = ("HF_", "HUGGINGFACE_", "TRANSFORMERS_")
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(prefixes)}
        return inherited | {
            "HF_ENDPOINT": self.endpoint,
            "HF_TOKEN": TOKEN,
            "HF_HOME": str(self.folder / "hf_home"),
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_UPDATE_CHECK": "1",
            "HF_HUB_DISABLE_XET": "1",
            "NO_PROXY": "127.0.0.1",
            "PYTHONPATH": str(Path(__file__).parents[1]),
        }

    def run(self, code: str) -> str:
        """What `code` prints in a fresh process: clients read ``HF_ENDPOINT`` at import."""
        command = [sys.executable, "-c", textwrap.dedent(code)]
        done = subprocess.run(
            command,
            env=self.env,
            cwd=self.folder,
            timeout=300,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            pytest.fail(f"The client failed:\n{done.stderr}")
        return done.stdout


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """A new, empty Hugging Face Hub on this machine, for as long as one test."""
    with HubServer(tmp_path / "hub", HubHandler) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield Hub(server, tmp_path)
        server.shutdown()
        thread.join()
