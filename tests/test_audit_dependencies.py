"""`make audit-deps`: silence of the service is no good news, and what is found is an error."""

import json
import sys

import audit_dependencies
import pytest

HOLE = {"id": "CVE-2026-1", "fix_versions": ["2.1"]}
HEALTHY = {"name": "numpy", "version": "2.0", "vulns": []}
HURT = {"name": "scipy", "version": "2.0", "vulns": [HOLE]}
# What pip-audit says of a package when its service can't be reached, and ends with 0.
UNASKED = {"name": "numpy", "skip_reason": "Dependency not found on PyPI"}


@pytest.fixture
def pip_audit(tmp_path):
    """Makes a program that prints one report for the probe, another for all packages."""

    def make(probe, everything):
        script = tmp_path / "pip-audit"
        reports = {"--requirement": probe, "--path": everything}
        script.write_text(
            f"#!{sys.executable}\nimport sys, time\n"
            f"report = next(text for name, text in {reports!r}.items() if name in sys.argv)\n"
            "time.sleep(60 if report is None else 0)\nprint(report)\n"
        )
        script.chmod(0o755)
        return str(script)

    return make


def report(*packages):
    return json.dumps({"dependencies": packages, "fixes": []})


@pytest.mark.parametrize(
    ("probe", "everything", "told", "status"),
    [
        (report(HEALTHY), report(HEALTHY), "0 known vulnerabilities in 1 packages.", 0),
        (report(HEALTHY), report(HEALTHY, HURT), "scipy 2.0: CVE-2026-1, mended in 2.1", 1),
        (report(HEALTHY), report(UNASKED, HURT), "in 1 packages; 1 could not be asked for.", 1),
        (report(UNASKED), report(HEALTHY), "SKIPPED: the service of known", 0),
        ("Traceback", report(HURT), "SKIPPED: the service of known", 0),
        (None, report(HURT), "SKIPPED: the service of known", 0),
        (report(HEALTHY), None, "SKIPPED: the service gave no answer", 0),
    ],
)
def test_what_is_said_of_an_answer(pip_audit, monkeypatch, probe, everything, told, status):
    monkeypatch.setattr(audit_dependencies, "LIMIT", 60 if probe and everything else 4)
    text, ended = audit_dependencies.audit(pip_audit(probe, everything), sys.executable)
    assert told in text
    assert ended == status
