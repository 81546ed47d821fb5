"""Which column is what: findings, impression, indication, study, patient, images.

Public datasets name the same thing differently ("section_findings", "Findings_EN",
"findings_section"), so names are compared without case, separators and such affixes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

# Names in use, without case, separators and affixes; the first one found is taken. The last of
# the reports, "text", says little: a column with "findings" in its name goes before it.
_REPORT = (
    "report fullreport wholereport originalreport radiologyreport rawreport reports text".split()
)
_IMPRESSION = "impression impressions conclusion conclusions opinion".split()
# May hold what the impression lacks: a summary code, an addendum, the body of a one-part report.
_AFTER_IMPRESSION = (
    "endofimpression summary lastparagraph addendum addenda diagnosis assessment interpretation "
    "comment comments notes finalread".split()
)
_INDICATION = (
    "indication indications clinicalindication history clinicalhistory clinicalinformation "
    "clinicalinfo reasonforexam reasonforexamination reasonforstudy context".split()
)
_STUDY = (
    "studyid study accessionnumber accession studyinstanceuid studyuid reportid examid uid "
    "impressionid".split()
)
_PATIENT = (
    "patientid subjectid personid patient subject mrn pid empi empiid empianon patientnumber "
    "patientkey patientname patientidentifier"
).split()
_IMAGES = (
    "imagepath imagepaths pathtoimage image images imagefile imageid imagename volumename "
    "filename filenames dicomid".split()
)
_EXAM = (
    "examtype exam examination modality studydescription examdescription bodypartexamined bodypart "
    "technique procedure proceduredescription".split()
)

_AFFIXES = frozenset("section sections en english deid dicom text".split())
# "impression_labels" and "findings_id" hold no text to read.
_NOT_TEXT = frozenset(
    "id ids uid label labels score scores count length embedding embeddings tokens path code "
    "date order type added enriched".split()
)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_SEPARATORS = re.compile(r"[\W_]+")
_MOST_NAMES_SHOWN = 30


@dataclass(frozen=True)
class ReportColumns:
    """What each column of a dataset of reports was taken for.

    Args:
        findings (`str`): Column that sentences are added to.
        impression (`str`, *optional*): Column of the impression; used as context.
        indication (`str`, *optional*): Column of the indication or history; used as context.
        context (`tuple[str, ...]`): Every column of the study that an addition must not contradict;
            of `report` the sections other than the findings.
        study_id (`str`, *optional*): Column that names the study.
        patient_id (`str`, *optional*): Column that names the patient.
        images (`tuple[str, ...]`): Columns of images or their paths.
        exam (`tuple[str, ...]`): Columns that tell the kind of exam.
        report (`str`, *optional*): A whole report in one column, cut at its headings: equal to
            `findings` where these are cut from it, another column where only the impression is.
    """

    findings: str
    impression: str | None = None
    indication: str | None = None
    context: tuple[str, ...] = ()
    study_id: str | None = None
    patient_id: str | None = None
    images: tuple[str, ...] = ()
    exam: tuple[str, ...] = ()
    report: str | None = None

    @property
    def read(self) -> tuple[str, ...]:
        """The columns that the texts of a study are read from."""
        names = (self.findings, self.report, *self.exam, *self.context)
        return tuple(dict.fromkeys(name for name in names if name))

    def __str__(self) -> str:
        """Says in one line what was taken for what."""
        cut = " (whole reports are cut at their headings)" if self.report == self.findings else ""
        named = {self.impression, self.indication}
        others = [name for name in self.context if name not in named and name != self.findings]
        parts = [
            f"findings = {self.findings!r}{cut}",
            f"impression = {self._impression()}",
            _role("indication", self.indication),
            _role("other context", *others),
            _role("study", self.study_id),
            _role("patient", self.patient_id),
            _role("images", *self.images),
            _role("exam", *self.exam),
        ]
        return "Columns: " + ", ".join(filter(None, parts))

    def _impression(self) -> str:
        if self.impression is None and self.report in self.context:
            return f"a section of {self.report!r}"
        return repr(self.impression) if self.impression else "none"


def find_columns(
    names: Sequence[str],
    *,
    text_column: str | None = None,
    context_columns: Sequence[str] | None = None,
    patient_column: str | None = None,
) -> ReportColumns:
    """Finds out which column is what, by the names in use in public datasets.

    Args:
        names (`Sequence[str]`): Names of the columns.
        text_column (`str`, *optional*): The column of the findings, where known.
        context_columns (`Sequence[str]`, *optional*): The columns that additions must not
            contradict. By default the impression, the indication and what else belongs to them; an
            empty sequence switches the context off.
        patient_column (`str`, *optional*): The column that names the patient, where known.

    Returns:
        [`ReportColumns`]

    Raises:
        `ValueError`: When there is no column of findings or several, a given column is missing, or
            a column that looks like an impression is neither used nor switched off.

    Example:
        ```python
        >>> print(find_columns(["VolumeName", "Findings_EN", "Impressions_EN"]))
        Columns: findings = 'Findings_EN', impression = 'Impressions_EN', images = 'VolumeName'
        ```
    """
    check_names(names)
    findings = _resolve(text_column, names, "text_column") if text_column else _findings(names)
    report = findings if findings in _wholes(names) else None
    if context_columns is None:
        context = _find_context(names, findings)
        if report is None and not looks_like_impression(findings):
            report = _first(_known(names, _REPORT))
    else:
        context = tuple(_resolve(name, names, "context_columns") for name in context_columns)
        _check_impression_used(names, findings, context)
    if report and report not in context and (context_columns is None or context):
        context = (*context, report)
    images = _known(names, _IMAGES)
    exams = _known(names, _EXAM)
    if "image" in images and {"uid", "MeSH", "Problems"} <= set(names):
        # The table of Indiana University: its "image" says what was taken, not where it lies.
        images, exams = [name for name in images if name != "image"], ["image", *exams]
    # "id" numbers the studies, but where a row is an image it may number the images.
    studies = _known(names, _STUDY if images else [*_STUDY, "id"])
    texts = [name for name in context if name != report]
    return ReportColumns(
        findings=findings,
        impression=_first(filter(looks_like_impression, texts)),
        indication=_first(filter(_looks_like_indication, texts)),
        context=context,
        study_id=_first(studies),
        patient_id=_resolve(patient_column, names, "patient_column")
        if patient_column
        else _first(_known(names, _PATIENT)),
        images=tuple(images),
        exam=tuple(exams),
        report=report,
    )


def check_names(names: object) -> None:
    """Raises `TypeError` for what is no list of names, such as those of an untold stream."""
    if names is None or isinstance(names, str):
        raise TypeError(
            f"expected a list of column names, found {names!r}: of a stream without features take "
            "list(next(iter(stream)))"
        )


def looks_like_impression(name: str) -> bool:
    """Tells by its name whether a column holds the impression of a report."""
    key = _key(name)
    return key in _IMPRESSION or (
        _holds_text(name) and any(word in key for word in ("impression", "conclusion"))
    )


def _key(name: str) -> str:
    words = [word for word in _words(name) if word not in _AFFIXES]
    return "".join(words or _words(name))


def _words(name: str) -> list[str]:
    return [word for word in _SEPARATORS.split(_CAMEL.sub("_", name).lower()) if word]


def _holds_text(name: str) -> bool:
    return not _NOT_TEXT.intersection(_words(name))


def _first(names: Iterable[str]) -> str | None:
    return next(iter(names), None)


def _role(role: str, *names: str | None) -> str:
    found = [repr(name) for name in names if name]
    return f"{role} = {' and '.join(found)}" if found else ""


def _known(names: Iterable[str], keys: Sequence[str]) -> list[str]:
    found = [
        (keys.index(_key(name)), i, name) for i, name in enumerate(names) if _key(name) in keys
    ]
    return [name for _, _, name in sorted(found)]


def _show(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:_MOST_NAMES_SHOWN])) or "none"
    more = len(names) - _MOST_NAMES_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def _resolve(name: str, names: Sequence[str], argument: str) -> str:
    """Finds a column that the caller named, in another case if need be."""
    if name in names:
        return name
    alike = [other for other in names if _key(other) == _key(name)]
    if len(alike) == 1:
        return alike[0]
    msg = f"column {name!r} not found; the columns are {_show(names)}: pass one as {argument}="
    raise ValueError(msg)


def _findings(names: Sequence[str]) -> str:
    if "findings" in names:
        return "findings"
    for candidates in (
        [name for name in names if _key(name) == "findings"],
        _known(names, _REPORT[:-1])[:1],
        [name for name in names if "finding" in _key(name) and _holds_text(name)],
        _known(names, _REPORT)[:1],
        _wholes(names),
    ):
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            found = " and ".join(map(repr, candidates))
            msg = (
                f"expected one column of findings, found {found}: pass the one to add to as "
                f"text_column="
            )
            raise ValueError(msg)
    impression = _first(filter(looks_like_impression, names))
    only = f", where {impression!r} is an impression" if impression else ""
    msg = (
        f"no column of findings: expected 'findings' or a whole 'report', found {_show(names)}"
        f"{only}; pass as text_column= the column that describes the images"
    )
    raise ValueError(msg)


def _wholes(names: Iterable[str]) -> list[str]:
    return [
        name
        for name in names
        if _key(name) in _REPORT or ("report" in _key(name) and _is_whole(name))
    ]


def _is_whole(name: str) -> bool:
    parts = ("finding", "impression", "conclusion", "structured")  # the last is made by a model
    return _holds_text(name) and not any(part in _key(name) for part in parts)


def _find_context(names: Sequence[str], findings: str) -> tuple[str, ...]:
    wanted: list[Callable[[str], bool]] = [
        looks_like_impression,
        _looks_like_indication,
        lambda name: _key(name) in _AFTER_IMPRESSION,
    ]
    if looks_like_impression(findings):  # then the findings bind what is added to the impression
        wanted.insert(0, lambda name: _key(name) == "findings")
    known = _known(names, [*_IMPRESSION, *_INDICATION])
    ordered = [*known, *(name for name in names if name not in known)]
    found = [name for fits in wanted for name in ordered if name != findings and fits(name)]
    return tuple(dict.fromkeys(found))


def _looks_like_indication(name: str) -> bool:
    key = _key(name)
    return key in _INDICATION or ("indication" in key and _holds_text(name))


def _check_impression_used(names: Sequence[str], findings: str, context: tuple[str, ...]) -> None:
    unused = [
        name
        for name in names
        if looks_like_impression(name) and name != findings and name not in context
    ]
    if context and unused:
        msg = (
            f"column {unused[0]!r} looks like an impression and is not used, so additions could "
            f"contradict it: add it to context_columns=, or pass an empty list to use no context"
        )
        raise ValueError(msg)
