"""SemEnricher: what it adds to a report, and what it may not."""

import json

import pytest
from datasets import Dataset
from fakes import MARKED, RARE, UnusableEncoder, build_index, made_up_reports

from semenrich_datasets import FindingsIndex, SemEnricher
from semenrich_datasets.sentences import normalize_sentence, split_sentences


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("index")
    build_index()._write(path)
    return path


@pytest.fixture
def index(folder):
    # No sentence of a report may be embedded: known or not, enriching needs no encoder.
    return FindingsIndex.from_pretrained(folder, encoder=UnusableEncoder())


def added(enricher, text, **columns):
    return enricher({"findings": text, **columns})["added_findings"]


def ids(index, sentences):
    return [unit.unit_id for unit in index.units(sentences)]


def sentences_of(additions):
    return [addition["sentence"] for addition in additions]


# What it adds


def test_one_report(index):
    text = "The lungs are clear. Small left pleural effusion. No pneumothorax"
    result = SemEnricher(index)({"findings": text})
    assert list(result) == ["enriched_findings", "added_findings"]
    additions = result["added_findings"]
    assert additions
    assert result["enriched_findings"] == " ".join([text + ".", *sentences_of(additions)])
    support = index.unit_table.column("support").to_pylist()
    for addition in additions:
        assert list(addition) == ["sentence", "cluster_id", "support", "score"]
        unit = addition["cluster_id"]
        assert ids(index, [addition["sentence"]]) == [unit]
        assert addition["support"] == support[unit]
        assert 0.97 <= addition["score"] <= 1
    own = ids(index, split_sentences(text))
    assert not {addition["cluster_id"] for addition in additions} & set(own)


@pytest.mark.parametrize("preset", ["safe", "paper", "random"])
def test_reports_of_the_corpus_get_additions(index, preset):
    enricher = SemEnricher(index, preset=preset)
    rows = made_up_reports()
    assert sum(bool(added(enricher, row["findings"])) for row in rows) > len(rows) / 2
    for row in rows:
        own = set(ids(index, split_sentences(row["findings"])))
        units = [addition["cluster_id"] for addition in added(enricher, row["findings"])]
        assert len(set(units)) == len(units)
        assert not own & set(units)


def test_normal_findings_only(index):
    signs = index.unit_signs
    for preset in ("safe", "paper"):
        enricher = SemEnricher(index, preset=preset)
        for row in made_up_reports():
            for addition in added(enricher, row["findings"]):
                assert signs[addition["cluster_id"]] == "normal"


def test_additions_come_in_the_order_of_reports(index):
    position = index.unit_table.column("position").to_pylist()
    for preset in ("safe", "paper"):
        enricher = SemEnricher(index, preset=preset)
        for row in made_up_reports(60):
            places = [position[a["cluster_id"]] for a in added(enricher, row["findings"])]
            assert places == sorted(places)


def test_what_the_report_contradicts_is_not_added(index):
    enricher = SemEnricher(index, min_score=0.0)
    for text, denied in [
        ("Lungs clear. Small left pleural effusion.", "effusion"),
        ("Lungs clear. Large right pneumothorax.", "pneumothorax"),
        ("Lungs clear. The heart is enlarged.", "heart"),
    ]:
        additions = sentences_of(added(enricher, text))
        assert additions
        assert not [sentence for sentence in additions if denied in sentence.lower()]


def test_what_the_context_contradicts_is_not_added(index):
    text = "The lungs are clear. No pneumothorax. Heart size normal."
    enricher = SemEnricher(index, context_columns=["impression", "indication"])
    plain = sentences_of(added(enricher, text, impression=None, indication="Cough."))
    assert any("effusion" in sentence for sentence in plain)
    for columns in (
        {"impression": "Small left pleural effusion.", "indication": None},
        {"impression": "", "indication": "Known pleural effusion."},
    ):
        found = sentences_of(added(enricher, text, **columns))
        assert not any("effusion" in sentence for sentence in found)
        assert found


def test_the_context_is_a_part_of_the_row_in_batches_too(index):
    text = "The lungs are clear. No pneumothorax. Heart size normal."
    enricher = SemEnricher(index, context_columns=["impression"])
    impressions = [None, "Small left pleural effusion.", 3, "Normal."]
    batch = enricher({"findings": [text] * 4, "impression": impressions})
    single = [added(enricher, text, impression=impression) for impression in impressions]
    assert batch["added_findings"] == single
    assert ["effusion" in str(additions) for additions in single] == [True, False, True, True]


@pytest.mark.parametrize("strategy", ["random", "heaviest"])
def test_rare_or_marked_sentences_never_travel(index, strategy):
    rare = set(map(normalize_sentence, [*RARE, *MARKED]))
    assert rare <= set(index.lookup)
    for variant in range(5):
        enricher = SemEnricher(index, strategy=strategy, variant=variant, min_score=0.0)
        for row in made_up_reports():
            for sentence in sentences_of(added(enricher, row["findings"])):
                assert normalize_sentence(sentence) not in rare
                assert "xxxx" not in sentence.lower()
                assert not any(map(str.isdigit, sentence))


def test_most_additions(index):
    text = "No pneumothorax."
    for preset in ("safe", "paper", "random"):
        full = added(SemEnricher(index, preset=preset), text)
        assert len(full) > 2
        for most in (0, 1, 2, 99):
            some = added(SemEnricher(index, preset=preset, max_added=most), text)
            assert len(some) == min(most, len(full))
    supports = [a["support"] for a in added(SemEnricher(index, preset="paper"), text)]
    capped = added(SemEnricher(index, preset="paper", max_added=2), text)
    assert sorted(a["support"] for a in capped) == sorted(supports)[-2:]


def test_least_score(index):
    text = "No pneumothorax."
    everything = added(SemEnricher(index, min_score=0.0), text)
    assert all(a["score"] == 1.0 for a in added(SemEnricher(index, min_score=1.0), text))
    assert len(everything) >= len(added(SemEnricher(index), text)) > 0


def test_the_heaviest_clique_has_the_greatest_support(index):
    rows = [row["findings"] for row in made_up_reports(60)]

    def support(strategy, variant=0):
        enricher = SemEnricher(index, preset="paper", strategy=strategy, variant=variant)
        return [sum(a["support"] for a in added(enricher, text)) for text in rows]

    heaviest = support("heaviest")
    for variant in range(4):
        drawn = support("random", variant)
        assert all(best >= one for best, one in zip(heaviest, drawn, strict=True))


def test_the_ablation_adds_as_many(index):
    paper, ablation = (
        SemEnricher(index, preset=preset, privacy_floor=False) for preset in ("paper", "random")
    )
    differing = 0
    for row in made_up_reports():
        one, other = added(paper, row["findings"]), added(ablation, row["findings"])
        assert len(one) == len(other)
        differing += one != other
    assert differing > 100


def test_variant_and_seed_change_the_draw(index):
    texts = [row["findings"] for row in made_up_reports(60)]

    def draws(**settings):
        enricher = SemEnricher(index, preset="paper", **settings)
        return [sentences_of(added(enricher, text)) for text in texts]

    assert draws() == draws(variant=0, seed=0)
    drawn = [draws(), draws(variant=1), draws(seed=1), draws(variant=1, seed=1)]
    assert len(set(map(str, drawn))) == 4


def test_resampling_replaces_sentences_within_their_unit(index):
    text = "The lungs are clear. No pleural effusion. Unheard of. Large right pneumothorax."
    own = split_sentences(text)
    for preset in ("safe", "paper"):
        drawn = set()
        for variant in range(20):
            enricher = SemEnricher(
                index, preset=preset, resample=True, max_added=0, variant=variant
            )
            new = split_sentences(enricher({"findings": text})["enriched_findings"])
            assert index.units(new[:2]) == index.units(own[:2])
            assert new[2:] == own[2:]
            drawn.update(new)
        assert {"Lungs clear.", "Clear lungs.", "There is no pleural effusion."} <= drawn
    enricher = SemEnricher(index, preset="paper", resample=True, max_added=0)
    assert enricher({"findings": text})["enriched_findings"].split(". ")[1] != own[1].strip(".")
    enricher = SemEnricher(index, resample=True)
    result = enricher({"findings": text})
    assert (
        sentences_of(result["added_findings"]) == split_sentences(result["enriched_findings"])[4:]
    )
    assert not set(split_sentences(result["enriched_findings"])) & {*RARE, *MARKED}


# What it does not change


@pytest.mark.parametrize("value", [None, float("nan"), 3, True, [], [None], "", " \n "])
def test_what_is_no_text_gets_none(index, value):
    batch = SemEnricher(index)({"findings": [value, "The lungs are clear."]})
    assert batch["enriched_findings"][0] is None
    assert batch["added_findings"][0] == []
    assert batch["added_findings"][1]
    if not isinstance(value, list):
        single = SemEnricher(index)({"findings": value})
        assert single == {"enriched_findings": None, "added_findings": []}


def test_a_list_of_sentences_is_a_text(index):
    sentences = ["The lungs are clear", "", None, "Small left pleural effusion."]
    enricher = SemEnricher(index)
    expected = enricher({"findings": "The lungs are clear. Small left pleural effusion."})
    assert expected["added_findings"]
    assert enricher({"findings": [sentences]})["added_findings"] == [expected["added_findings"]]
    (text,) = enricher({"findings": [sentences]})["enriched_findings"]
    assert text == expected["enriched_findings"]


@pytest.mark.parametrize("text", ["...", "\t. ."])
def test_a_text_without_a_sentence_stays(index, text):
    for preset in ("safe", "paper", "random"):
        enricher = SemEnricher(index, preset=preset, resample=True)
        expected = {"enriched_findings": text, "added_findings": []}
        assert enricher({"findings": text}) == expected


def test_a_report_of_unknown_sentences_keeps_its_characters(index):
    text = " Ultrasound  of the knee \n"
    for preset in ("paper", "random"):
        result = SemEnricher(index, preset=preset)({"findings": text})
        assert result == {"enriched_findings": text, "added_findings": []}
    assert SemEnricher(index)({"findings": text})["enriched_findings"].startswith(text.rstrip())


def test_lone_surrogates_pass(index):
    assert SemEnricher(index)({"findings": "\ud800"})["enriched_findings"] is not None


def test_the_input_is_left_alone(index):
    rows = {"findings": ["The lungs are clear.", None], "impression": ["Normal.", ""]}
    before = json.dumps(rows)
    SemEnricher(index, context_columns=["impression"])(rows)
    assert json.dumps(rows) == before


# Guards of one's own


class RefuseWord:
    """Refuses sentences with a word, and notes how often it was asked about what."""

    def __init__(self, word):
        self.word = word
        self.asked = []

    def __call__(self, proposals):
        self.asked.append(list(proposals))
        return ["word" if self.word in p.sentence.lower() else None for p in proposals]


def test_a_guard_is_asked_once_a_batch_and_its_refusals_drop(index):
    texts = ["The lungs are clear.", None, "No pneumothorax.", "Unheard of."]
    guard, context = RefuseWord("effusion"), ["impression", "clue"]
    enricher = SemEnricher(index, guards=[guard], context_columns=context)
    columns = {"impression": ["Normal.", None, None, ""], "clue": ["Cough.", "a", "b", "c"]}
    plain = SemEnricher(index, context_columns=context)({"findings": texts, **columns})
    plain = plain["added_findings"]
    result = enricher({"findings": texts, **columns})
    kept = result["added_findings"]
    assert kept == [[a for a in row if "effusion" not in a["sentence"]] for row in plain]
    assert any("effusion" in str(row) for row in plain)
    assert "effusion" not in str(result)
    (proposals,) = guard.asked
    assert [p.sentence for p in proposals] == [a["sentence"] for row in plain for a in row]
    assert {p.findings for p in proposals} <= set(texts)
    assert proposals[0].context == "Normal.\nCough."
    assert proposals[0].image is None


def test_guards_are_asked_in_turn(index):
    first, second = RefuseWord("effusion"), RefuseWord("heart")
    enricher = SemEnricher(index, guards=[first, second])
    left = sentences_of(added(enricher, "The lungs are clear."))
    assert left
    assert not [s for s in left if "effusion" in s.lower() or "heart" in s.lower()]
    assert "effusion" in str(first.asked)
    assert "effusion" not in str([p.sentence for p in second.asked[0]])


def test_no_proposal_no_question(index):
    guard = RefuseWord("effusion")
    SemEnricher(index, guards=[guard], preset="paper")({"findings": ["Unheard of.", None]})
    assert guard.asked == []


def test_a_guard_that_answers_too_little_says_so(index):
    with pytest.raises(ValueError, match="guard"):
        added(SemEnricher(index, guards=[lambda proposals: []]), "The lungs are clear.")


def test_a_guard_sees_the_image_only_when_asked_to(index):
    guard = RefuseWord("effusion")
    enricher = SemEnricher(index, guards=[guard], image_column="image")
    rows = {
        "findings": ["The lungs are clear.", None, "No pneumothorax."],
        "image": ["a", "b", "c"],
    }
    enricher(rows)
    assert {(p.findings, p.image) for p in guard.asked[0]} == {
        ("The lungs are clear.", "a"),
        ("No pneumothorax.", "c"),
    }
    enricher({"findings": "The lungs are clear.", "image": "d"})
    assert {p.image for p in guard.asked[1]} == {"d"}


# Mistakes


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"preset": "best"}, ValueError, "'safe', 'paper' or 'random', found 'best'"),
        ({"strategy": "best"}, ValueError, "'random' or 'heaviest', found 'best'"),
        ({"max_added": -1}, ValueError, "0 or more, or None for no bound, found -1"),
        ({"context_columns": "impression"}, TypeError, r"a string: use \['impression'\]"),
    ],
)
def test_settings_that_make_no_sense(index, settings, error, message):
    with pytest.raises(error, match=message):
        SemEnricher(index, **settings)


def test_an_index_a_folder_or_a_path(index, folder):
    text = "The lungs are clear."
    expected = added(SemEnricher(index), text)
    assert added(SemEnricher(folder), text) == added(SemEnricher(str(folder)), text) == expected


@pytest.mark.parametrize("form", ["numpy", "pandas", "torch"])
def test_formatted_datasets_give_the_same(index, form):
    texts = ["The lungs are clear. No pneumothorax.", "Heart size normal."]
    reports = Dataset.from_dict({"findings": texts})
    plain = reports.map(SemEnricher(index), batched=True)
    formatted = reports.with_format(form).map(SemEnricher(index), batched=True)
    for column in ("enriched_findings", "added_findings"):
        assert formatted.with_format(None)[column][:] == plain[column][:]
    assert any(plain["added_findings"])
