"""What may be true of a synthetic chest X-ray, how often, and which statements then hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Literal, NamedTuple


class Statement(NamedTuple):
    """One thing that a sentence says of a study, or that is true of it.

    Args:
        name (`str`): a key of `FINDINGS` ("effusion"), of `NORMALS` ("no effusion") or of `CONTEXT`
            ("no prior").
        value (`str`, *optional*, defaults to `""`): the severity, kind or size; empty where the
            sentence leaves it open or the finding has none.
        site (`str`, *optional*, defaults to `""`): the side ("left") or zone ("left lower"), as
            the patient's own.
    """

    name: str
    value: str = ""
    site: str = ""

    @property
    def sign(self) -> Literal["normal", "abnormal", "neutral"]:
        """What it speaks of: health, disease (devices too), or neither, such as technique."""
        if self.name in CONTEXT:
            return "neutral"
        return "abnormal" if self.name in FINDINGS else "normal"

    @property
    def topic(self) -> str:
        """The part of the chest that it speaks of, one of `TOPICS`."""
        if self.name in FINDINGS:
            return FINDINGS[self.name].topic
        if self in NORMALS:
            return NORMALS[self].topic
        return CONTEXT[self.name]


class Finding(NamedTuple):
    """What one kind of abnormal finding can look like.

    Args:
        topic (`str`): the part of the chest, one of `TOPICS`.
        values (`tuple[str, ...]`, *optional*): severities or kinds, most frequent first.
        sites (`tuple[str, ...]`, *optional*): sides or zones, most frequent first.
        second (`float`, *optional*, defaults to `0.0`): how often it sits at two sites.
    """

    topic: str
    values: tuple[str, ...] = ("",)
    sites: tuple[str, ...] = ("",)
    second: float = 0.0


class Normal(NamedTuple):
    """A normal statement's topic, and the facts (see `facts`) of which none may be there."""

    topic: str
    excludes: frozenset[str]


State = tuple[Statement, ...]
"""A study's hidden state: its abnormal findings, and `PRIOR` where it has a prior study."""

TOPICS = tuple(
    "technique heart mediastinum aorta hila vasculature volumes lungs pleura diaphragm bones "
    "devices abdomen summary".split()
)
_SIDES = ("right", "left")
_ZONES = ("right lower", "left lower", "right upper", "left upper", "right mid", "left mid")

FINDINGS: dict[str, Finding] = {
    "borderline heart": Finding("heart"),
    "cardiomegaly": Finding("heart", ("mild", "moderate", "marked")),
    "wide mediastinum": Finding("mediastinum"),
    "tortuous aorta": Finding("aorta"),
    "calcified aorta": Finding("aorta"),
    "prominent hilum": Finding("hila", sites=_SIDES, second=0.5),
    "congestion": Finding("vasculature"),
    "edema": Finding("vasculature", ("interstitial", "alveolar")),
    "hyperinflation": Finding("volumes"),
    "low volumes": Finding("volumes"),
    "emphysema": Finding("lungs"),
    "consolidation": Finding("lungs", ("patchy", "dense"), _ZONES, second=0.2),
    "nodule": Finding("lungs", ("12 mm", "9 mm", "18 mm", "25 mm"), _ZONES),
    "granuloma": Finding("lungs", sites=_ZONES),
    "scar": Finding("lungs", sites=("right apex", "left apex"), second=0.4),
    "atelectasis": Finding("lungs", ("mild", "moderate"), ("left", "right"), second=0.35),
    "effusion": Finding("pleura", ("small", "moderate", "large"), _SIDES, second=0.4),
    "pneumothorax": Finding("pleura", ("small", "moderate", "large"), _SIDES),
    "elevated hemidiaphragm": Finding("diaphragm", sites=_SIDES),
    "degenerative change": Finding("bones", ("mild", "moderate")),
    "old rib fracture": Finding("bones", sites=_SIDES),
    "acute rib fracture": Finding("bones", sites=_SIDES),
    "central line": Finding("devices", sites=_SIDES),
    "pacemaker": Finding("devices", sites=("left", "right")),
    "sternotomy wires": Finding("devices"),
}

PRIOR = Statement("prior")

HEDGE = "possible "
"""Before a finding's name: it may be there or not, says the author. Not a claim of either."""

HEDGED = tuple(
    "effusion|consolidation|nodule|pneumothorax|atelectasis|congestion|cardiomegaly|"
    "acute rib fracture|prominent hilum".split("|")
)

# Statements of no finding: a prior study, technique, a de-identification blank, "otherwise", what
# was hard to see, what may be there, another region of the body.
CONTEXT = {
    "prior": "technique",
    "no prior": "technique",
    "technique": "technique",
    "blank": "technique",
    "otherwise clear": "lungs",
    "otherwise normal": "summary",
    "advice": "summary",
    "as above": "summary",
    "abdomen": "abdomen",
    "heart hard to see": "heart",
    "bases hard to see": "lungs",
    "apices hard to see": "lungs",
} | {HEDGE + name: FINDINGS[name].topic for name in HEDGED}

_ALL_LUNG = frozenset(("emphysema", "edema", "congestion"))


def _at(sides: Iterable[str], *names: str) -> frozenset[str]:
    return frozenset(f"{name} {side}" for name in names for side in sides)


def _focal(*sides: str) -> frozenset[str]:
    return _at(sides, "consolidation", "nodule", "granuloma", "scar", "atelectasis")


def _in_lung(*sides: str) -> frozenset[str]:
    # Strict: an effusion or a pneumothorax in front of a lung leaves it not "clear".
    return _ALL_LUNG | _focal(*sides) | _at(sides, "effusion", "pneumothorax")


_EFFUSION = _at(_SIDES, "effusion")
_PNEUMOTHORAX = _at(_SIDES, "pneumothorax")
_ACUTE_FRACTURE = _at(_SIDES, "acute rib fracture")
_FRACTURE = _ACUTE_FRACTURE | _at(_SIDES, "old rib fracture")
_ACUTE = frozenset(("edema", "congestion", "wide mediastinum")) | _at(_SIDES, "consolidation")
_EVERYTHING = frozenset(
    f"{name} {site.split()[0]}" if site else name
    for name, finding in FINDINGS.items()
    for site in finding.sites
)

NORMALS: dict[Statement, Normal] = {
    Statement("heart normal"): Normal("heart", frozenset(("borderline heart", "cardiomegaly"))),
    Statement("mediastinum normal"): Normal(
        "mediastinum", frozenset(("wide mediastinum", "tortuous aorta"))
    ),
    Statement("aorta normal"): Normal("aorta", frozenset(("tortuous aorta", "calcified aorta"))),
    Statement("hila normal"): Normal("hila", _at(_SIDES, "prominent hilum")),
    Statement("vasculature normal"): Normal("vasculature", frozenset(("congestion", "edema"))),
    Statement("no edema"): Normal("vasculature", frozenset(("edema",))),
    Statement("volumes normal"): Normal(
        "volumes", frozenset(("low volumes", "hyperinflation")) | _EFFUSION | _PNEUMOTHORAX
    ),
    Statement("lungs clear"): Normal("lungs", _in_lung(*_SIDES)),
    Statement("one lung clear", site="right"): Normal("lungs", _in_lung("right")),
    Statement("one lung clear", site="left"): Normal("lungs", _in_lung("left")),
    Statement("no opacity"): Normal("lungs", _focal(*_SIDES) | {"edema"} | _EFFUSION),
    Statement("no consolidation"): Normal("lungs", _at(_SIDES, "consolidation")),
    Statement("no nodule"): Normal("lungs", _at(_SIDES, "nodule")),
    Statement("no effusion"): Normal("pleura", _EFFUSION),
    Statement("one side no effusion", site="right"): Normal("pleura", _at(["right"], "effusion")),
    Statement("one side no effusion", site="left"): Normal("pleura", _at(["left"], "effusion")),
    Statement("no pneumothorax"): Normal("pleura", _PNEUMOTHORAX),
    Statement("diaphragm normal"): Normal(
        "diaphragm",
        _at(_SIDES, "elevated hemidiaphragm", "effusion") | {"hyperinflation", "low volumes"},
    ),
    Statement("bones normal"): Normal("bones", _FRACTURE | {"degenerative change"}),
    Statement("no fracture"): Normal("bones", _FRACTURE),
    Statement("no acute bone finding"): Normal("bones", _ACUTE_FRACTURE),
    Statement("no acute disease"): Normal(
        "summary", _ACUTE | _EFFUSION | _PNEUMOTHORAX | _ACUTE_FRACTURE
    ),
    Statement("normal chest"): Normal("summary", _EVERYTHING),
}


def facts(state: State) -> frozenset[str]:
    """Gives the abnormal facts of a state as normal statements exclude them: "effusion left"."""
    return frozenset(
        f"{name} {site.split()[0]}" if site else name for name, _, site in state if name in FINDINGS
    )


def holds(statement: Statement, state: State) -> bool:
    """Tells whether a statement is true of a state, as a strict radiologist reads it.

    A statement without value or site holds for any. Technique, advice, blanks and hedges claim
    nothing of the study and always hold; "otherwise" holds where there is something to except.
    """
    name, value, site = statement
    if statement in NORMALS:
        return NORMALS[statement].excludes.isdisjoint(facts(state))
    if name == "no prior":
        return PRIOR not in state
    if name == "otherwise clear":
        return any(found.topic == "lungs" for found in state)
    if name == "otherwise normal":
        return bool(facts(state))
    if name in CONTEXT and statement != PRIOR:
        return True
    return any(
        name == found.name and value in ("", found.value) and site in ("", found.site)
        for found in state
    )


def normal_statements(state: State) -> list[Statement]:
    """Gives the strongest normal statements that hold, in the order of `TOPICS`.

    "Lungs clear" stands for "no consolidation" too; the summaries of impressions are left out.
    """
    return list(_strongest_normals(facts(state)))


@lru_cache(maxsize=4096)
def _strongest_normals(present: frozenset[str]) -> tuple[Statement, ...]:
    true = [
        statement
        for statement, (topic, excludes) in NORMALS.items()
        if topic != "summary" and excludes.isdisjoint(present)
    ]
    return tuple(one for one in true if not any(is_stronger(other, one) for other in true))


def is_stronger(one: Statement, other: Statement) -> bool:
    """Tells whether a normal statement says all that another of its topic says, and more."""
    a, b = NORMALS[one], NORMALS[other]
    return a.topic == b.topic and a.excludes > b.excludes


def are_nested(one: Statement, other: Statement) -> bool:
    """Tells whether one of two normal statements of a topic says all that the other says."""
    a, b = NORMALS[one], NORMALS[other]
    return a.topic == b.topic and (a.excludes <= b.excludes or b.excludes <= a.excludes)


@dataclass(frozen=True)
class _Patients:
    """Why a study was taken: its share of all studies, and how often each finding comes with it."""

    share: float
    findings: dict[str, float]


# Shares and rates: chosen so that half of the studies are normal and the findings come in the
# order of frequency of outpatient and emergency chest films, degenerative change first.
_PATIENTS = (
    _Patients(0.48, {}),
    _Patients(  # age
        0.17,
        {"degenerative change": 0.75, "tortuous aorta": 0.3, "calcified aorta": 0.3}
        | {"borderline heart": 0.2, "cardiomegaly": 0.08, "scar": 0.12, "granuloma": 0.1}
        | {"hyperinflation": 0.08, "old rib fracture": 0.07, "sternotomy wires": 0.06},
    ),
    _Patients(  # heart failure
        0.08,
        {"cardiomegaly": 0.85, "borderline heart": 0.6, "edema": 0.4, "congestion": 0.5}
        | {"effusion": 0.55, "atelectasis": 0.2, "prominent hilum": 0.15, "pacemaker": 0.25}
        | {"sternotomy wires": 0.25, "calcified aorta": 0.25, "degenerative change": 0.35},
    ),
    _Patients(  # infection
        0.09,
        {"consolidation": 0.95, "effusion": 0.2, "prominent hilum": 0.08, "low volumes": 0.1}
        | {"degenerative change": 0.12, "borderline heart": 0.06},
    ),
    _Patients(  # chronic lung disease
        0.06,
        {"hyperinflation": 0.95, "emphysema": 0.45, "scar": 0.25, "nodule": 0.1}
        | {"calcified aorta": 0.2, "degenerative change": 0.35, "pneumothorax": 0.04}
        | {"prominent hilum": 0.08, "consolidation": 0.08},
    ),
    _Patients(  # injury
        0.03,
        {"acute rib fracture": 0.65, "pneumothorax": 0.35, "effusion": 0.12, "atelectasis": 0.25}
        | {"old rib fracture": 0.2, "wide mediastinum": 0.2, "degenerative change": 0.15},
    ),
    _Patients(  # hospital stay
        0.04,
        {"central line": 0.75, "atelectasis": 0.55, "low volumes": 0.5, "effusion": 0.3}
        | {"pneumothorax": 0.08, "elevated hemidiaphragm": 0.12, "sternotomy wires": 0.25}
        | {"cardiomegaly": 0.2, "pacemaker": 0.08, "wide mediastinum": 0.1, "consolidation": 0.1},
    ),
    _Patients(  # found by chance
        0.05,
        {"granuloma": 0.45, "nodule": 0.25, "prominent hilum": 0.12, "scar": 0.15}
        | {"elevated hemidiaphragm": 0.12, "low volumes": 0.2, "wide mediastinum": 0.08},
    ),
)
_PRIOR_RATE = 0.45
# The second never stands where the first does.
_EXCLUSIVE = (
    ("cardiomegaly", "borderline heart"),
    ("edema", "congestion"),
    ("hyperinflation", "low volumes"),
)


def sample_state(rng: Random) -> State:
    """Draws a study's hidden state; no finding in it hides another one from the image."""
    patients = rng.choices(_PATIENTS, [kind.share for kind in _PATIENTS])[0]
    names = {name for name, rate in patients.findings.items() if rng.random() < rate}
    if "emphysema" in names:
        names.add("hyperinflation")
    names -= {weaker for stronger, weaker in _EXCLUSIVE if stronger in names}
    found = [one for name in FINDINGS if name in names for one in _sample_finding(name, rng)]
    prior = [PRIOR] if rng.random() < _PRIOR_RATE else []
    return tuple(_drop_hidden(found) + prior)


def _sample_finding(name: str, rng: Random) -> list[Statement]:
    _, values, sites, second = FINDINGS[name]
    value = rng.choices(values, range(len(values), 0, -1))[0]
    first = rng.choices(sites, range(len(sites), 0, -1))[0]
    others = [site for site in sites if site != first]
    chosen = [first, rng.choice(others)] if rng.random() < second else [first]
    return [Statement(name, value, site) for site in sorted(chosen, key=sites.index)]


def _drop_hidden(found: list[Statement]) -> list[Statement]:
    hidden = {place for statement in found for place in _covers(statement)}
    return [one for one in found if (_layer(one), _zone(one)) not in hidden]


def _zone(statement: Statement) -> str:
    return statement.site + " lower" if statement.name == "atelectasis" else statement.site


def _layer(statement: Statement) -> str:
    small = ("nodule", "granuloma", "scar", "atelectasis")
    return "small" if statement.name in small else statement.name


def _covers(statement: Statement) -> list[tuple[str, str]]:
    """Lists the (layer, zone) pairs that can't be seen behind a finding."""
    name, value, site = statement
    if name == "consolidation":
        return [("small", site)]
    if name == "effusion":
        zones = {"small": [], "moderate": ["lower"], "large": ["lower", "mid"]}[value]
        diaphragm = [("elevated hemidiaphragm", site)]
    elif name == "pneumothorax":
        zones = ["upper", "apex"] if value == "small" else ["upper", "apex", "mid"]
        diaphragm = []
    else:
        return []
    return diaphragm + [
        (layer, f"{site} {zone}") for zone in zones for layer in ("small", "consolidation")
    ]
