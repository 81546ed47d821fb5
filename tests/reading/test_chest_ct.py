"""The chest CT lexicon, the short lumbar one, and what docs/lexicon.md says of them."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from semenrich_datasets.reading.reader import Reader
from semenrich_datasets.sentences import split_sentences

ROOT = next(folder for folder in Path(__file__).parents if (folder / "pyproject.toml").is_file())


def shared_folder():
    """The folder `shared` beside the first parent of this file that has one beside it, or None."""
    siblings = (folder.parent / "shared" for folder in Path(__file__).parents)
    return next((path for path in siblings if path.is_dir()), None)


def corpus(name):
    folder = shared_folder()
    path = folder / "corpora" / name if folder else None
    if path is None or not path.is_file():
        pytest.skip(f"public corpus not here: ../shared/corpora/{name}")
    return path


@pytest.fixture(scope="module")
def ct():
    return Reader("chest_ct")


@pytest.fixture(scope="module")
def bench():
    sys.path.insert(0, str(ROOT / "tests" / "benchmarks"))
    try:
        import bench_lexicons
    finally:
        sys.path.pop(0)
    return bench_lexicons


def stated(reading):
    return {said.concept for said in reading.assertions if said.is_abnormal}


@pytest.mark.parametrize(
    ("sentence", "concept", "status"),
    [
        ("HEART: Normal.", "heart", "normal"),
        ("LYMPH NODES: Normal.", "nodes", "normal"),
        ("Lymph nodes are normal in size", "nodes", "normal"),
        ("THYROID: Unremarkable.", "thyroid", "normal"),
        ("The liver is normal", "liver", "normal"),
        ("Both kidneys appear natural", "kidneys", "normal"),
        ("The gallbladder is unremarkable", "gallbladder", "normal"),
        ("Spleen and pancreas are normal", "pancreas", "normal"),
        ("Adrenal glands are normal", "adrenals", "normal"),
        ("The oesophagus is of normal calibration", "esophagus", "normal"),
        ("The trachea is open", "airways", "normal"),
        ("The diameter of the thoracic aorta is normal", "aortic_caliber", "normal"),
        ("Vertebral corpus heights are preserved", "vertebral_heights", "normal"),
        ("No enlarged lymph nodes are seen", "adenopathy", "absent"),
        ("No enlarged mediastinal or hilar lymph nodes", "adenopathy", "absent"),
        ("Small mediastinal lymph nodes are seen", "visible_nodes", "present"),
        ("Lymph nodes of pathological size are seen", "adenopathy", "present"),
        ("No pericardial effusion or thickening", "pericardial_thickening", "absent"),
        ("Minimal effusion is seen in the pericardial space", "pericardial_effusion", "present"),
        ("The pericardium is thickened", "pericardial_thickening", "present"),
        ("Coronary arteries are calcified", "coronary_calcification", "present"),
        ("The ascending aorta is wider than normal", "aortic_dilatation", "present"),
        ("The pulmonary trunk is dilated", "pulmonary_artery_dilatation", "present"),
        ("There is a nodule in the thyroid", "thyroid_nodule", "present"),
        ("The esophageal wall is thickened", "esophageal_wall_thickening", "present"),
        ("No sliding hiatal hernia", "hiatal_hernia", "absent"),
        ("Cylindrical bronchiectasis in both lower lobes", "dilated_bronchi", "present"),
        ("Mild peribronchial thickening", "bronchial_wall_thickening", "present"),
        ("Ground-glass opacities in the right upper lobe", "ground_glass", "present"),
        ("No mosaic attenuation", "mosaic_attenuation", "absent"),
        ("Crazy paving in the left lower lobe", "crazy_paving", "present"),
        ("Interlobular septa are thickened", "septal_thickening", "present"),
        ("A 4 mm subpleural nodule is seen", "nodule", "present"),
        ("No mass or infiltrative lesion in the lungs", "consolidation", "absent"),
        ("Paraseptal emphysema in both apices", "emphysema", "present"),
        ("Linear atelectasis in the lingula", "atelectasis", "present"),
        ("Pleuroparenchymal sequelae in both apices", "fibrotic_sequela", "present"),
        ("No pleural thickening-effusion on either side", "pleural_thickening", "absent"),
        ("The liver shows steatosis", "steatosis", "present"),
        ("No free fluid in the abdomen", "free_fluid", "absent"),
        ("Left adrenal adenoma", "adrenal_lesion", "present"),
        ("No lytic-destructive lesion of the ribs", "bone_lesion", "absent"),
        ("A port catheter is in place", "device", "present"),
    ],
)
def test_ct_sentences_are_understood(ct, sentence, concept, status):
    reading = ct.read(sentence)
    assert reading.understood, reading.unknown
    assert (concept, status) in {(said.concept, said.status) for said in reading.assertions}


def test_distinct_things_are_distinct_concepts(ct):
    assert "dilated_bronchi" not in stated(ct.read("Peribronchial thickening is seen"))
    assert "bronchial_wall_thickening" not in stated(ct.read("Bronchiectasis is seen"))
    assert "aorta" not in {said.concept for said in ct.read("Aortic diameter is normal").assertions}
    assert "adenopathy" not in stated(ct.read("Millimetric lymph nodes are seen"))
    assert "coronary_calcification" not in stated(ct.read("Calcified plaques in the aorta"))


@pytest.mark.parametrize(
    "sentence",
    [
        "A nodule in the natural course of the bronchus is seen",
        "The liver is normal and there is a cyst in the kidney",
        "An effusion is seen and was not detected in the previous examination",
        "CT may be negative early in viral pneumonia",
        "The parenchyma is homogeneous",
        "A mass has expanded the thyroid gland",
        "Ascending aorta measures 45 mm and is wider than normal",
        "Trachea is open but occlusive pathology is seen in the left main bronchus",
        "The absence of intravenous contrast makes evaluation hard",
        "Pericardial and left pleural effusion",
        "Lymph nodes with a short axis of 14 mm",
        "Homogeneous consolidation in the right lower lobe",
        "The gallbladder is missing, operated years ago",
        "Heart contour is natural, its size is increased",
    ],
)
def test_a_finding_is_never_read_as_normal(ct, sentence):
    assert ct.read(sentence).sign != "normal"


def test_ct_adds_to_the_xray_lexicon(ct):
    assert set(Reader("chest_xray").lexicon.concepts) < set(ct.lexicon.concepts)


def test_bars_on_labelled_reports(bench, ct):
    texts, labels = bench.load_reports(corpus("chest_ct_labelled_dev.csv"))
    understood, scores = bench.measure(texts, labels, ct)
    assert understood >= 0.70
    assert scores["micro"] >= 0.85


def test_reports_in_sections_are_read(bench, ct):
    texts, _ = bench.load_reports(corpus("chest_ct_sections_dev.csv"))
    understood, _ = bench.measure(texts, {}, ct)
    assert understood >= 0.70


def test_the_benchmark_prints_a_table(bench, tmp_path, monkeypatch, capsys):
    path = tmp_path / "made_up.csv"
    path.write_text(
        'text,Hiatal hernia\n"Small hiatal hernia. Trachea is open.",1\n"No hiatal hernia.",0\n',
        encoding="utf-8",
    )
    monkeypatch.setattr(sys, "argv", ["bench_lexicons.py", str(path)])
    bench.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| lexicon | chest_xray | chest_ct |"
    assert "| reports | 2 | 2 |" in lines
    assert "| F1 Hiatal hernia | 1.000 | 1.000 |" in lines


LUMBAR_REPORT = """Vertebral body heights and alignment are maintained. Bone marrow signal is
normal. The conus medullaris terminates normally. At L4-L5 there is a small disc bulge with mild
narrowing of the neural foramina. At L5-S1 a left paracentral disc extrusion compresses the
traversing nerve root. No canal stenosis at the other levels. Mild facet arthropathy is present.
The paraspinal soft tissues are unremarkable."""


def test_a_lumbar_report_is_understood():
    sentences = split_sentences(LUMBAR_REPORT)
    readings = [Reader("lumbar_mri").read(sentence) for sentence in sentences]
    assert len(readings) == 8
    assert sum(reading.understood for reading in readings) / 8 >= 0.8
    assert [reading.sign == "normal" for reading in readings] == [
        True, True, True, False, False, True, False, True,
    ]  # fmt: skip
    assert stated(readings[4]) >= {"disc_herniation", "nerve_compression"}


def test_the_python_of_the_lexicon_page_runs(tmp_path, monkeypatch, capsys):
    page = (ROOT / "docs" / "lexicon.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```(\w+)\n(.*?)```", page, flags=re.DOTALL)
    toml = next(text for kind, text in blocks if kind == "toml")
    (tmp_path / "my_chest.toml").write_text(toml, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for kind, text in blocks:
        if kind == "python":
            exec(text, names)
    printed = capsys.readouterr().out
    assert "normal ['normal lungs', 'absent lung_torsion']" in printed
    assert "('zebroid', 2)" in printed


def test_every_key_and_word_list_is_on_the_lexicon_page():
    from dataclasses import fields

    from semenrich_datasets.reading import lexicon_entries as entries

    page = (ROOT / "docs" / "lexicon.md").read_text(encoding="utf-8")
    kinds = (entries.Structure, entries.Finding, entries.Narrowing)
    keys = {item.name for kind in kinds for item in fields(kind)} | {*entries.WORD_ROLES}
    assert {key for key in keys if f"`{key}`" not in page} == set()
