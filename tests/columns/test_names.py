"""Which column is what, by the names in use in public datasets."""

import pytest

from semenrich_datasets.columns import ReportColumns, StudyTexts, find_columns, read_texts

# The names of the published tables.
PUBLIC = {
    "rexgradient": (
        "|PatientID|AccessionNumber|StudyDate|Indication|Comparison|Findings|Impression|ImagePath",
        ReportColumns(
            "Findings",
            "Impression",
            "Indication",
            ("Impression", "Indication"),
            "AccessionNumber",
            "PatientID",
            ("ImagePath",),
        ),
    ),
    "mimic-cxr": (
        "study|impression|findings|last_paragraph|comparison",
        ReportColumns(
            "findings", "impression", None, ("impression", "last_paragraph"), study_id="study"
        ),
    ),
    "chexpert-plus": (
        "path_to_image|path_to_dcm|frontal_lateral|ap_pa|deid_patient_id|patient_report_date_order|"
        "report|section_narrative|section_clinical_history|section_history|section_comparison|"
        "section_technique|section_procedure_comments|section_findings|section_impression|"
        "section_end_of_impression|section_summary|section_accession_number|age|sex|race|split",
        ReportColumns(
            "section_findings",
            "section_impression",
            "section_history",
            (
                "section_impression",
                "section_end_of_impression",
                "section_history",
                "section_clinical_history",
                "section_summary",
                "report",
            ),
            "section_accession_number",
            "deid_patient_id",
            ("path_to_image",),
            exam=("section_technique",),
            report="report",
        ),
    ),
    "ct-rate": (
        "VolumeName|ClinicalInformation_EN|Technique_EN|Findings_EN|Impressions_EN",
        ReportColumns(
            "Findings_EN",
            "Impressions_EN",
            "ClinicalInformation_EN",
            ("Impressions_EN", "ClinicalInformation_EN"),
            images=("VolumeName",),
            exam=("Technique_EN",),
        ),
    ),
    "srrg": (
        "original_report|structured_report|findings_section|impression_section|history_section|"
        "exam_type_section|id",
        ReportColumns(
            "findings_section",
            "impression_section",
            "history_section",
            ("impression_section", "history_section", "original_report"),
            "id",
            report="original_report",
            exam=("exam_type_section",),
        ),
    ),
    "rexrank": (
        "study_id|section_findings|section_impression|context|image_path|split",
        ReportColumns(
            "section_findings",
            "section_impression",
            "context",
            ("section_impression", "context"),
            "study_id",
            images=("image_path",),
        ),
    ),
    "iu": (
        "uid|MeSH|Problems|image|indication|comparison|findings|impression",
        ReportColumns(
            "findings",
            "impression",
            "indication",
            ("impression", "indication"),
            "uid",
            exam=("image",),
        ),
    ),
    "padchest": (
        "ImageID|ImageDir|StudyDate_DICOM|StudyID|PatientID|Projection|Modality_DICOM|ReportID|"
        "Report|MethodLabel|Labels",
        ReportColumns(
            "Report",
            context=("Report",),
            study_id="StudyID",
            patient_id="PatientID",
            images=("ImageID",),
            exam=("Modality_DICOM",),
            report="Report",
        ),
    ),
}


@pytest.mark.parametrize("name", PUBLIC)
def test_names_of_public_datasets(name):
    names, expected = PUBLIC[name]
    assert find_columns(names.split("|")) == expected


@pytest.mark.parametrize("name", PUBLIC)
def test_case_and_separators_do_not_matter(name):
    names, expected = PUBLIC[name]
    found = find_columns(names.upper().replace("_", " ").split("|"))
    if name != "iu":  # told by the very names of its table
        assert found.findings == expected.findings.upper().replace("_", " ")
        assert len(found.context) == len(expected.context)


def test_inspect_has_impressions_only():
    with pytest.raises(ValueError, match=r"no column of findings.*'impressions' is an impression"):
        find_columns(["person_id", "impression_id", "impressions"])


def test_no_columns_at_all():
    with pytest.raises(ValueError, match="found none; pass as text_column="):
        find_columns([])


def test_many_columns_are_not_all_listed():
    with pytest.raises(ValueError, match="'label_29' and 70 more"):
        find_columns([f"label_{i}" for i in range(100)])


def test_unknown_names_are_taken_by_their_words():
    found = find_columns(["key", "radiologist_findings", "final_impression", "impression_labels"])
    assert (found.findings, found.impression) == ("radiologist_findings", "final_impression")
    assert found.context == ("final_impression",)


def test_known_name_goes_before_others():
    assert find_columns(["ai_findings", "section_findings"]).findings == "section_findings"
    assert find_columns(["findings", "complete_findings", "Findings_EN"]).findings == "findings"
    assert find_columns(["findings_present", "report"]).findings == "report"
    assert find_columns(["text", "ai_findings"]).findings == "ai_findings"
    assert find_columns(["enriched_findings", "findings", "added_findings"]).findings == "findings"


@pytest.mark.parametrize(
    "names", [["Findings_EN", "section_findings"], ["ai_findings", "findings2"]]
)
def test_two_candidates_ask_for_the_argument(names):
    with pytest.raises(ValueError, match=rf"'{names[0]}' and '{names[1]}': .* text_column="):
        find_columns(names)
    assert find_columns(names, text_column=names[1]).findings == names[1]


def test_given_column_may_be_in_another_case():
    assert find_columns(["Findings", "id"], text_column="findings").findings == "Findings"
    with pytest.raises(ValueError, match="'notes' not found; the columns are 'Findings', 'id'"):
        find_columns(["Findings", "id"], text_column="notes")


def test_given_context_column_must_exist():
    with pytest.raises(ValueError, match=r"'notes' not found.* context_columns="):
        find_columns(["findings"], context_columns=["notes"])


def test_unused_impression_is_named():
    names = ["findings", "Final_Impression", "indication"]
    with pytest.raises(ValueError, match="'Final_Impression' looks like an impression and is not"):
        find_columns(names, context_columns=["indication"])
    both = find_columns(names, context_columns=["indication", "final impression"])
    assert both.context == ("indication", "Final_Impression")
    assert both.impression == "Final_Impression"


def test_context_is_switched_off():
    found = find_columns(["findings", "impression"], context_columns=())
    assert found.context == ()
    assert found.impression is None
    assert find_columns(["report"], context_columns=()).context == ()


def test_impression_as_text_has_the_findings_as_context():
    found = find_columns(["findings", "impression", "report"], text_column="impression")
    assert found.context == ("findings",)


def test_impression_inside_a_whole_report_is_context():
    found = find_columns(["report", "findings"])
    assert (found.findings, found.report, found.context) == ("findings", "report", ("report",))
    rows = {"report": ["FINDINGS: Clear. IMPRESSION: Mass."], "findings": ["Clear."]}
    assert read_texts(rows, found) == [StudyTexts("Clear.", {"impression": "Mass."})]


def test_one_line_says_what_was_taken_for_what():
    names = ["VolumeName", "Findings_EN", "Impressions_EN", "Technique_EN"]
    assert str(find_columns(names)) == (
        "Columns: findings = 'Findings_EN', impression = 'Impressions_EN', images = 'VolumeName', "
        "exam = 'Technique_EN'"
    )
    assert str(find_columns(["findings"])) == "Columns: findings = 'findings', impression = none"
    assert str(find_columns(["report"])) == (
        "Columns: findings = 'report' (whole reports are cut at their headings), "
        "impression = a section of 'report'"
    )
