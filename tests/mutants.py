"""Breaks one rule at a time, by an edit of one line, and sees whether a test fails for each.

Run: python tests/mutants.py [NAME ...]

The edits are made in a copy of the repository, never here. With names, only the mutants whose
names contain one of them.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
# Of a test run that ended, in pytest's own numbers.
PASSED, FAILED = 0, 1


class Mutant(NamedTuple):
    """An edit that breaks a rule.

    Args:
        name (`str`): What it breaks.
        file (`str`): The file, from the repository's root.
        old (`str`): A text that stands there once.
        new (`str`): What it becomes.
        tests (`str`): pytest's arguments: the tests of which one must fail.
    """

    name: str
    file: str
    old: str
    new: str
    tests: str


ENRICH, INDEX, READING, TRAINERS = (
    "semenrich_datasets/enrich/",
    "semenrich_datasets/index/",
    "semenrich_datasets/reading/",
    "semenrich_trainers/",
)
SELECTION = "tests/enrich/test_scores.py tests/enrich/test_safe_selection.py"
ENRICHER = "tests/enrich/test_enricher.py"
SILENCE = "tests/index/test_silence.py"
IMAGES = "tests/index/test_silence_images.py"
MASKED = "tests/audit/test_masked_truth.py"
COMPATIBLE = "tests/enrich/test_compatibility.py"
SETTINGS = "tests/enrich/test_settings.py"
MEANING = "tests/metrics/test_one_meaning.py"
CLAIMS = "tests/trainers/test_cluster_units.py"
NOTHING_UNDERSTOOD = "tests/enrich/test_nothing_understood.py"
PRIVACY = "tests/enrich/test_privacy.py"

MUTANTS = [
    # Silence is evidence
    Mutant(
        "no threshold",
        ENRICH + "enricher.py",
        "min_score: float = 0.97,",
        "min_score: float = 0.0,",
        f"{SELECTION} {ENRICHER}",
    ),
    Mutant(
        "stated abnormalities do not count in the prior",
        INDEX + "silence_fit.py",
        "prior = np.log((target.sum() + 1) / ((target == 0).sum() + 1))",
        "prior = np.log(1 / ((target == 0).sum() + 1))",
        SELECTION,
    ),
    Mutant(
        "authors never leave what is abnormal unsaid",
        INDEX + "silence.py",
        "UNSAID_ABNORMAL = 0.05",
        "UNSAID_ABNORMAL = 0.0",
        SELECTION,
    ),
    Mutant(
        "the model reads what is said on the topic itself",
        INDEX + "silence_fit.py",
        "kept.data = kept.data * ~self.speaks[kept.indices, topic]",
        "pass",
        SILENCE,
    ),
    Mutant(
        "a report is judged by a model that has seen it",
        INDEX + "silence_fit.py",
        "rows if fold == 0 else rows[parts != fold], y",
        "rows, target",
        f"{SILENCE} {SELECTION}",
    ),
    Mutant(
        "masked truth asks the model of all",
        "semenrich_datasets/audit/masked_truth.py",
        "replace(report, fold=fold)",
        "report",
        MASKED,
    ),
    Mutant(
        "what is hidden stays in the impression",
        "semenrich_datasets/audit/masked_truth.py",
        "sentences=kept[0], context=kept[1], history=kept[2]",
        "sentences=kept[0]",
        MASKED,
    ),
    Mutant(
        "saying the opposite is no error",
        "semenrich_datasets/audit/masked_truth.py",
        "one.denies & self.stated.excludes",
        "one.denies & self.stated.states & 0",
        MASKED,
    ),
    Mutant(
        "rare statements need not be surer",
        ENRICH + "safe_selection.py",
        "return (1.0 - self.min_score) * self._usual + 1e-9",
        "return (1.0 - self.min_score) + 0 * self._usual",
        SELECTION,
    ),
    Mutant(
        "a sentence risks no more than one of its statements",
        ENRICH + "safe_selection.py",
        "risks = self.topics @ silence.risk(odds, self.unsaid)",
        "risks = (self.topics * silence.risk(odds, self.unsaid)).max(axis=1)",
        SELECTION,
    ),
    Mutant(
        "what the history asks is no question",
        ENRICH + "facts.py",
        "if logic.implies & self._at_issue:",
        "if False:",
        "tests/enrich/test_facts.py",
    ),
    Mutant(
        "the image decides nothing",
        ENRICH + "enricher.py",
        "found[row] = replace(report, image=vector) if report else None",
        "found[row] = report",
        "tests/index/test_silence_images.py",
    ),
    Mutant(
        "any two may be added together",
        ENRICH + "compatibility.py",
        "beside[i] & ~repeats[i] & ~(1 << i)",
        "-1 & ~repeats[i] & ~(1 << i)",
        f"tests/enrich/test_compatibility.py {SELECTION}",
    ),
    Mutant(
        "a summary of the study speaks of each part",
        INDEX + "topics.py",
        "if self._summaries.isdisjoint(said.concept for said in reading.assertions):",
        "if True:",
        "tests/index/test_topics.py",
    ),
    Mutant(
        "a word that nobody knows needs no more reports than others",
        INDEX + "silence_fit.py",
        "_LEAST_REPORTS_UNKNOWN = 20",
        "_LEAST_REPORTS_UNKNOWN = 5",
        SILENCE,
    ),
    Mutant(
        "nine abnormal reports teach a topic",
        INDEX + "silence_fit.py",
        "_FEWEST = 10",
        "_FEWEST = 9",
        SILENCE,
    ),
    Mutant(
        "what is learned of nothing is believed",
        INDEX + "silence_fit.py",
        "if slope < _LEAST_SLOPE:",
        "if False:",
        SILENCE,
    ),
    Mutant(
        "what was known before is on this image",
        INDEX + "silence_fit.py",
        "np.where(self.of_history[:, None], SILENT, said)",
        "said",
        SILENCE,
    ),
    Mutant(
        "less silence than is assumed is believed",
        INDEX + "silence_fit.py",
        "unsaid=max(unsaid or 0.0, UNSAID_ABNORMAL)",
        "unsaid=unsaid or UNSAID_ABNORMAL",
        IMAGES,
    ),
    Mutant(
        "images that taught nothing overrule the texts",
        INDEX + "silence.py",
        "return np.where(self.image.learned, by_image, by_text)",
        "return by_image",
        IMAGES,
    ),
    Mutant(
        "what only touches on the hidden topic stays",
        "semenrich_datasets/audit/masked_truth.py",
        "if stances[number] == SILENT and found[number] is None",
        "if stances[number] <= 1 and found[number] is None",
        MASKED,
    ),
    Mutant(
        "what is said both ways counts as normal",
        "semenrich_datasets/audit/masked_truth.py",
        'kind = "abnormal" if wrong else "normal"',
        'kind = "normal" if calm else "abnormal"',
        MASKED,
    ),
    Mutant(
        "one question's draws are the next one's start",
        "semenrich_datasets/audit/masked_truth.py",
        "replace(report, rng=copy.copy(report.rng))",
        "replace(report)",
        MASKED,
    ),
    Mutant(
        "who goes with the last goes with all",
        ENRICH + "compatibility.py",
        "common &= self.neighbors[number]",
        "common = self.neighbors[number]",
        COMPATIBLE,
    ),
    Mutant(
        "a narrow statement is chosen beside the broad one",
        ENRICH + "compatibility.py",
        "if not self.covered[number] & within]",
        "if number in numbers]",
        COMPATIBLE,
    ),
    # What may travel
    Mutant(
        "what hardly anybody says is left out by all",
        INDEX + "agreement.py",
        "_LEAST_SHARE = 0.0025",
        "_LEAST_SHARE = 0.0",
        "tests/index/test_agreement.py",
    ),
    Mutant(
        "one patient's own words travel",
        INDEX + "holders.py",
        "MIN_SUPPORT = 3",
        "MIN_SUPPORT = 1",
        f"tests/index/test_agreement.py {SELECTION} {ENRICHER}",
    ),
    Mutant(
        "what recognizes a patient travels",
        READING + "reader.py",
        "            or self.identifying\n",
        "",
        "tests/reading tests/enrich/test_facts.py",
    ),
    Mutant(
        "what nobody of the study's kind has travels",
        READING + "reader.py",
        "            or self.out_of_view\n",
        "",
        "tests/reading/test_openness.py",
    ),
    Mutant(
        "what was not understood is a sign of health",
        READING + "reader.py",
        "not (flags.unclear or flags.unknown)",
        "not flags.unclear",
        "tests/reading tests/probes",
    ),
    Mutant(
        "what is lost leaves nothing open",
        ENRICH + "facts.py",
        "self._left_open = _ALL_OPEN",
        "pass",
        "tests/reading/test_openness.py",
    ),
    Mutant(
        "a report of another kind is silent on the chest",
        ENRICH + "readable.py",
        "return not lexicon.region or inside > elsewhere",
        "return True",
        "tests/enrich/test_readable.py",
    ),
    Mutant(
        "a denial never ends",
        READING + "denial.py",
        'if clause.polarity == "denied" and self._ends_denial(tag):',
        "if False:",
        "tests/reading tests/probes",
    ),
    Mutant(
        "what is left open is added",
        ENRICH + "facts.py",
        "if logic.implies & self._left_open:",
        "if False:",
        "tests/enrich/test_facts.py",
    ),
    # What follows, and what contradicts
    Mutant(
        "a finding does not contradict a denial",
        READING + "entailment.py",
        "proposal.denies & said.excludes or proposal.states & said.implies",
        "proposal.denies & said.excludes",
        "tests/reading tests/enrich/test_facts.py",
    ),
    Mutant(
        "any denial is said already",
        READING + "entailment.py",
        "unsaid = proposal.denies & ~said.implies or proposal.states",
        "unsaid = proposal.states",
        "tests/reading tests/enrich/test_facts.py",
    ),
    # Units of meaning
    Mutant(
        "left is right",
        READING + "reader.py",
        "            degree=None,",
        "            degree=None, side=None,",
        f"{MEANING} tests/index/test_units.py tests/reading",
    ),
    Mutant(
        "left is right in clusters",
        INDEX + "units.py",
        'sides = sorted(reading.sides) if reading.sign == "abnormal" else []',
        "sides: list[str] = []",
        f"{MEANING} tests/index/test_units.py",
    ),
    Mutant(
        "the sign of any sentence is the unit's",
        READING + "signs.py",
        "votes[:, ::-1].argmax(axis=1)",
        "(votes[:, ::-1] > 0).argmax(axis=1)",
        "tests/reading/test_signs.py",
    ),
    Mutant(
        "a new sentence joins a cluster of another sign",
        INDEX + "units.py",
        "if known_signs[other] == signs[row]",
        "if True",
        "tests/index/test_units.py tests/index/test_held_units.py",
    ),
    # Images
    Mutant(
        "a missing image has the vector of another",
        INDEX + "image_embedding.py",
        "if row in keys else -1",
        "if row in keys else 0",
        "tests/index/test_image_embedding.py",
    ),
    Mutant(
        "a pooler drawn at random is believed",
        INDEX + "image_encoders.py",
        'any("pooler" in key for key in random)',
        "False",
        "tests/index/test_image_encoders.py",
    ),
    Mutant(
        "a fine-tuned vision model passes for its base",
        INDEX + "image_encoders.py",
        "if digest and digest != found:",
        "if False:",
        "tests/index/test_image_encoders.py",
    ),
    # What is silence
    Mutant(
        "known words that say nothing are silence",
        READING + "openness.py",
        "return flags.unknown_stated or _tells_without_saying(tags, roles)",
        "return flags.unknown_stated",
        NOTHING_UNDERSTOOD,
    ),
    Mutant(
        "a form is prose",
        READING + "openness.py",
        "or _FORM.search(plain)",
        "or False",
        NOTHING_UNDERSTOOD,
    ),
    Mutant(
        "one side is both",
        ENRICH + "facts.py",
        "return len(sides) == 1 and any(",
        "return False and any(",
        NOTHING_UNDERSTOOD,
    ),
    Mutant(
        "any part of the body is the lexicon's",
        ENRICH + "readable.py",
        "if exam.names_outside and lexicon.names_studies and not exam.names_study:",
        "if False:",
        NOTHING_UNDERSTOOD,
    ),
    Mutant(
        "almost normal is normal",
        READING + "grammar.py",
        "if self._is_not_quite():",
        "if False:",
        "tests/reading/test_openness.py",
    ),
    Mutant(
        "a hip fracture is no fracture",
        READING + "grammar.py",
        "if finding.device or bodily or (placed and finding.of):",
        "if finding.device or (placed and finding.of):",
        "tests/reading/test_openness.py",
    ),
    Mutant(
        "enlarged is enlarged, of whatever organ",
        INDEX + "units.py",
        'f"{one} of {one.concept}" if one.name else str(one)',
        "str(one)",
        "tests/reading/test_openness.py",
    ),
    # Rewards and metrics
    Mutant(
        "what is common weighs most",
        TRAINERS + "rewards/claim_weights.py",
        "math.log1p(reports / held)",
        "math.log1p(held / reports)",
        "tests/trainers/test_rewards.py -k rarity",
    ),
    Mutant(
        "what is abnormal weighs no more",
        TRAINERS + "rewards/claim_weights.py",
        "ABNORMAL_WEIGHT = 5.0",
        "ABNORMAL_WEIGHT = 1.0",
        "tests/trainers/test_rewards.py -k test_weights",
    ),
    Mutant(
        "a rare wording of a denial tells much",
        TRAINERS + "rewards/claim_weights.py",
        "max(1 - against / reports, 1 / (reports + 1))",
        "held / reports",
        "tests/trainers/test_claim_weights.py",
    ),
    Mutant(
        "a report with nothing to tell pays as any other",
        TRAINERS + "rewards/claim_weights.py",
        "        self.prior = sum(",
        "        self.prior = 0 * sum(",
        "tests/trainers/test_claim_weights.py",
    ),
    Mutant(
        "another degree or side is as good",
        INDEX + "claims.py",
        "max(0.0, 1.0 - DEFAULT_COSTS.detail * steps)",
        "1.0",
        MEANING,
    ),
    Mutant(
        "a pacemaker is a central line",
        INDEX + "claims.py",
        " or (one.name != other.name and one.stated.concept == other.stated.concept)",
        "",
        CLAIMS,
    ),
    Mutant(
        "what is taken back earns as before",
        INDEX + "claims.py",
        "if logic.states & denied",
        "if False",
        CLAIMS,
    ),
    Mutant(
        "bilateral is one finding",
        INDEX + "claims.py",
        "[frozenset({side}) for side in sorted(stated.sides)] or [stated.sides]",
        "[stated.sides]",
        CLAIMS,
    ),
    Mutant(
        "a finding with a word of change is none",
        INDEX + "claims.py",
        "reading.content is None and reading.understood",
        "False and reading.understood",
        CLAIMS,
    ),
    Mutant(
        "a reference that says nothing is scored",
        TRAINERS + "references.py",
        'return text if words and " ".join(words)',
        'return text if " ".join(words)',
        "tests/trainers/test_unknown_sections.py",
    ),
    Mutant(
        "a folder goes on with any recipe",
        TRAINERS + "run_recipe.py",
        "if before != after:",
        "if False:",
        "tests/trainers/test_run_recipe.py",
    ),
    Mutant(
        "an adapter that is trained on is frozen",
        TRAINERS + "adapters.py",
        "load_policy(model, use, is_trainable=True",
        "load_policy(model, use, is_trainable=False",
        "tests/trainers/test_adapters.py",
    ),
    Mutant(
        "p-values are not corrected",
        "examples/paired_tests.py",
        "(len(p_values) - rank) * p_values[row]",
        "p_values[row]",
        "tests/examples/test_paired_tests.py",
    ),
    Mutant(
        "the metric leaves out what is neutral",
        "metrics/finding_f1/finding_f1.py",
        '"": ("normal", "abnormal", "neutral"),',
        '"": ("normal", "abnormal"),',
        MEANING,
    ),
    # What outputs depend on
    Mutant(
        "the package's version is no part of the fingerprint",
        ENRICH + "enricher.py",
        '{**state, "_version": _version(), ',
        "{**state, ",
        "tests/trainers/test_formatting.py -k fingerprint",
    ),
    Mutant(
        "the reader is no part of the fingerprint",
        ENRICH + "enricher.py",
        ', "_reader": self.index.reader.digest}',
        "}",
        "tests/trainers/test_formatting.py -k fingerprint",
    ),
    Mutant(
        "settings go with any index",
        ENRICH + "enricher.py",
        'if settings["index_digest"] != index.digest:',
        "if False:",
        SETTINGS,
    ),
    Mutant(
        "reports of one patient count as many",
        f"{INDEX}holders.py",
        "holders[sentence] = len(np.unique(patients))",
        "holders[sentence] = len(patients)",
        PRIVACY,
    ),
    Mutant(
        "what could not be rebuilt travels",
        f"{INDEX}holders.py",
        'return pc.and_(supported, pc.not_equal(sentences.column("rebuilt"), ""))',
        "return supported",
        PRIVACY,
    ),
    Mutant(
        "a shared index tells exact counts",
        f"{INDEX}sharing.py",
        "return np.where(exact < MIN_SUPPORT, 0, steps * MIN_SUPPORT)",
        "return np.where(exact < MIN_SUPPORT, 0, exact)",
        "tests/index/test_sharing.py",
    ),
    Mutant(
        "a turned flag is believed",
        f"{INDEX}candidate_checks.py",
        "        if not reading.is_transferable:",
        "        if False:",
        "tests/index/test_tampered.py",
    ),
    Mutant(
        "a file takes a pipe's place",
        "semenrich_datasets/whole_files.py",
        "if target.exists() and not (target.is_file() or target.is_dir()):",
        "if False:",
        "tests/test_whole_files.py",
    ),
    Mutant(
        "what is left open is asked too late",
        f"{ENRICH}facts.py",
        "return not logic.implies & spoken_of and self.check(proposal) is None",
        "return not logic.implies & spoken_of",
        "tests/enrich/test_allowed.py",
    ),
]


def copy_repository(target: Path) -> None:
    """Copies what git tracks, or would track."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)


def run_tests(folder: Path, tests: Iterable[str], quiet_at: Iterable[int] = (PASSED,)) -> int:
    """pytest's exit status, with the code of a folder; prints what it said at any other status."""
    # Without bytecode: an edit within the same second would go unseen.
    env = {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(
        command, cwd=folder, env=os.environ | env, capture_output=True, text=True, check=False
    )
    if done.returncode not in quiet_at:
        sys.stderr.write(done.stdout[-2_000:] + done.stderr[-2_000:])
    return done.returncode


def run_mutant(folder: Path, mutant: Mutant) -> str:
    """What became of a mutant; the copy is as before."""
    path = folder / mutant.file
    text = path.read_text(encoding="utf-8")
    if text.count(mutant.old) != 1:
        return f"not made: its text stands {text.count(mutant.old)} times in the file"
    path.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
    try:
        status = run_tests(folder, mutant.tests.split(), (PASSED, FAILED))
    finally:
        path.write_text(text, encoding="utf-8")
    return {PASSED: "SURVIVES", FAILED: "caught"}.get(status, f"not tried: pytest ended {status}")


def say(*cells: object) -> None:
    sys.stdout.write("| " + " | ".join(map(str, cells)) + " |\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    names = parser.parse_args().names
    chosen = [one for one in MUTANTS if not names or any(name in one.name for name in names)]
    with TemporaryDirectory() as target:
        folder = Path(target)
        copy_repository(folder)
        sound = {tests: run_tests(folder, tests.split()) for tests in {m.tests for m in chosen}}
        say("mutant", "file", "tests", "result", "seconds")
        say(*["---"] * 5)
        results = []
        for mutant in chosen:
            start = perf_counter()
            result = "not tried: its tests fail without it"
            if sound[mutant.tests] == PASSED:
                result = run_mutant(folder, mutant)
            seconds = f"{perf_counter() - start:.0f}"
            say(mutant.name, f"`{mutant.file}`", f"`{mutant.tests}`", result, seconds)
            results.append(result)
    raise SystemExit(0 if set(results) <= {"caught"} else 1)


if __name__ == "__main__":
    main()
