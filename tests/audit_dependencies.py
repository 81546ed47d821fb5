"""Known vulnerabilities of what an environment holds, where the service answers: `make audit-deps`.

    python tests/audit_dependencies.py PIP_AUDIT PYTHON

Ends with 1 only for a vulnerability that was found. A service that can't be reached, or that
answered for none, is said so: pip-audit itself would say "no known vulnerabilities found".
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

# Seconds of one run of pip-audit: CI waits no longer than a minute.
LIMIT = 40
# One package that the service must know, before it is asked for all.
PROBE = "numpy"
SITE = "import sysconfig; print(sysconfig.get_path('purelib'))"


def ask(pip_audit, *arguments):
    """The packages of pip-audit's report; `None` when there was no answer in time."""
    command = [pip_audit, "--format", "json", "--progress-spinner", "off", "--timeout", "5"]
    try:
        done = subprocess.run(
            [*command, *arguments], capture_output=True, text=True, timeout=LIMIT, check=False
        )
        return json.loads(done.stdout)["dependencies"]
    except (OSError, subprocess.TimeoutExpired, json.JSONDecodeError):
        return None


def audit(pip_audit, python):
    """What to print, and how to end."""
    code = f"{SITE}; from importlib.metadata import version; print(version({PROBE!r}))"
    output = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout
    site, version = output.split()
    with tempfile.TemporaryDirectory() as folder:
        one = Path(folder) / "requirements.txt"
        one.write_text(f"{PROBE}=={version}\n")
        probe = ask(pip_audit, "--no-deps", "--disable-pip", "--requirement", str(one))
    if not probe or "vulns" not in probe[0]:
        return "audit-deps SKIPPED: the service of known vulnerabilities can't be reached.", 0
    found = ask(pip_audit, "--path", site)
    if found is None:
        return "audit-deps SKIPPED: the service gave no answer in time.", 0
    asked = [package for package in found if "vulns" in package]
    lines = [
        f"{package['name']} {package['version']}: {hole['id']}, mended in "
        f"{', '.join(hole['fix_versions']) or 'no version yet'}"
        for package in asked
        for hole in package["vulns"]
    ]
    told = f"audit-deps: {len(lines)} known vulnerabilities in {len(asked)} packages"
    left = f"; {len(found) - len(asked)} could not be asked for." if asked != found else "."
    return "\n".join([told + left, *lines]), int(bool(lines))


if __name__ == "__main__":
    text, status = audit(*sys.argv[1:])
    sys.stdout.write(f"{text}\n")
    sys.exit(status)
