"""What datasets and settings lack is said when a trainer is made, and where to look."""

import pytest
from datasets import Dataset, Features, Image, IterableDataset, List, Value
from trainer_fakes import SETTINGS, make_dataset, make_index, make_model
from trl import GRPOConfig, SFTConfig

from semenrich_trainers import (
    ReportEvaluation,
    ReportFormatter,
    SemEnrichGRPOConfig,
    SemEnrichGRPOTrainer,
    SemEnrichSFTConfig,
    SemEnrichSFTTrainer,
)
from semenrich_trainers.rows import check_images, check_studies

TRAINERS = {
    "sft": (SemEnrichSFTTrainer, SemEnrichSFTConfig),
    "grpo": (SemEnrichGRPOTrainer, SemEnrichGRPOConfig),
}


@pytest.fixture(scope="module")
def index():
    return make_index()


def make_trainer(index, folder, method, rows, eval_rows=None, reward_funcs=None, **settings):
    model, tokenizer = make_model()
    trainer, config = TRAINERS[method]
    if method == "grpo":
        settings = {"num_generations": 2, "reward_funcs": None, **settings}
        settings.pop("reward_funcs")
    rewards = {} if method == "sft" else {"reward_funcs": reward_funcs}
    return trainer(
        model,
        args=config(str(folder), **{**SETTINGS, "max_steps": 1, **settings}),
        index=index,
        train_dataset=rows,
        eval_dataset=eval_rows,
        processing_class=tokenizer,
        **rewards,
    )


def stream(rows, features=None):
    return IterableDataset.from_generator(lambda: iter(list(rows)), features=features)


def test_a_wrong_column_is_named_before_anything_is_generated(index, tmp_path):
    good, column = make_dataset(4), {"findings_column": "findngs"}
    message = (
        r"column 'findngs' not found in {}; found .*'findings'.*'impression'.*findings_column="
    )
    known = stream(good, good.features)
    for rows in (good, known):
        with pytest.raises(ValueError, match=message.format("train_dataset")):
            make_trainer(index, tmp_path, "grpo", rows, **column)
    bad = good.rename_column("impression", "conclusion")
    match = r"'impression' not found in eval_dataset\['far'\]; .*impression_column="
    with pytest.raises(ValueError, match=match):
        make_trainer(index, tmp_path, "grpo", good, {"near": good, "far": bad})
    make_trainer(index, tmp_path, "grpo", bad, rewards=["format"])


def test_a_stream_of_unknown_columns_is_checked_before_it_is_generated_for(
    index, tmp_path, monkeypatch
):
    rows = stream(make_dataset(4))
    assert rows.column_names is None
    trainer = make_trainer(index, tmp_path, "grpo", rows, findings_column="findngs")
    monkeypatch.setattr(trainer.model, "generate", lambda *args, **kwargs: pytest.fail("too late"))
    with pytest.raises(ValueError, match=r"'findngs' not found in the first batch; found .*"):
        trainer.train()


@pytest.mark.parametrize("column", ["prompt", "completion"])
def test_sft_says_what_makes_prompt_and_completion(index, tmp_path, column):
    rows = make_dataset(4).remove_columns(column)
    match = f"'{column}' not found in train_dataset; .*ReportFormatter"
    with pytest.raises(ValueError, match=match):
        make_trainer(index, tmp_path, "sft", rows)
    with pytest.raises(ValueError, match=match.replace("train", "eval")):
        make_trainer(index, tmp_path, "sft", make_dataset(4), rows, eval_reports=0)


def test_sft_learns_the_other_forms_of_trl_too(index, tmp_path):
    text = make_dataset(4).select_columns(["findings"]).rename_column("findings", "text")
    assert text.features == Features({"text": Value("string")})
    make_trainer(index, tmp_path, "sft", text)


@pytest.mark.parametrize("which", ["train_dataset", "eval_dataset"])
def test_a_transform_needs_its_columns(index, tmp_path, which):
    rows = make_dataset(4, images=True)
    lazy = rows.remove_columns(["prompt", "completion"]).with_transform(ReportFormatter())
    pair = (lazy, None) if which == "train_dataset" else (rows, lazy)
    with pytest.raises(ValueError, match=f"{which} has a transform.*remove_unused_columns=False"):
        make_trainer(index, tmp_path, "sft", *pair)
    with pytest.raises(ValueError, match="pass remove_unused_columns=False"):
        make_trainer(index, tmp_path, "grpo", *pair, remove_unused_columns=True)
    with pytest.raises(ValueError, match=r"'wrong' not found in train_dataset; found .*'prompt'"):
        make_trainer(index, tmp_path, "grpo", lazy, findings_column="wrong")


@pytest.mark.parametrize("method", ["sft", "grpo"])
def test_two_columns_of_images_are_one_too_many(index, tmp_path, method):
    rows = make_dataset(4, images=True)
    both = rows.add_column("images", [[]] * 4)
    match = "one column of images in eval_dataset, found 'image' and 'images': remove one"
    with pytest.raises(ValueError, match=match):
        make_trainer(index, tmp_path, method, rows, both)


def test_grpo_names_studies_without_images_and_the_way_out_works(index, tmp_path):
    rows = make_dataset(5, images=True)
    alone = rows.cast_column("image", Image(decode=False))["image"]
    lists = [[one] for one in alone]
    features = {**rows.features, "images": List(Image())}
    bare = rows.remove_columns("image")

    def with_images(images):
        table = {**bare.to_dict(), "images": images}
        return Dataset.from_dict(table, features=Features({n: features[n] for n in table}))

    some = with_images([*lists[:2], [], lists[3], None])
    match = (
        r"study of {0}, found 2 without, the first in row 2 in column 'images', .*"
        r"{0}\.filter\(bool, input_columns='images'\)"
    )
    with pytest.raises(ValueError, match=match.format("train_dataset")):
        make_trainer(index, tmp_path, "grpo", some)
    with pytest.raises(ValueError, match=match.format("eval_dataset")):
        make_trainer(index, tmp_path, "grpo", with_images(lists), some)
    check_studies(some.filter(bool, input_columns="images"), "train_dataset")
    check_studies(some.select([3, 1]), "train_dataset")
    with pytest.raises(ValueError, match="found 1 without, the first in row 1"):
        check_studies(some.select([3, 2]), "train_dataset")
    gap = Dataset.from_dict({"image": [alone[0], None]}, features=Features(image=Image()))
    with pytest.raises(ValueError, match="found 1 without, the first in row 1 in column 'image'"):
        check_studies({"far": gap}, "eval_dataset")


def test_a_study_without_images_in_a_stream_is_named_when_it_comes():
    with pytest.raises(ValueError, match="every study of the dataset, found one without in column"):
        check_images([{"images": ["a"]}, {"images": []}], "the dataset")
    with pytest.raises(ValueError, match="found one without in column 'image'"):
        check_images([{"image": "a"}, {"image": None}], "the dataset")
    check_images([{"images": ["a"]}], "the dataset")
    check_images([{"prompt": "a"}], "the dataset")


@pytest.mark.parametrize("method", ["sft", "grpo"])
def test_reports_are_scored_against_another_column_than_is_learned(index, tmp_path, method):
    rows = make_dataset(4)
    written = [f"{text} No fracture." for text in rows["findings"]]
    rows = rows.add_column("enriched_findings", written)
    learned = {"findings_column": "enriched_findings"}
    scored = {**learned, "eval_findings_column": "findings"}
    for settings, column in ((learned, "enriched_findings"), (scored, "findings")):
        trainer = make_trainer(index, tmp_path, method, rows, rows, **settings)
        (evaluation,) = [
            one for one in trainer.callback_handler.callbacks if isinstance(one, ReportEvaluation)
        ]
        assert evaluation.references[0] == list(rows[column])
    with pytest.raises(ValueError, match=r"'no' not found in eval_dataset;.*eval_findings_column="):
        make_trainer(index, tmp_path, method, rows, rows, **learned, eval_findings_column="no")


@pytest.mark.parametrize(("method", "config"), [("sft", SFTConfig), ("grpo", GRPOConfig)])
def test_a_configuration_of_trl_is_refused_by_the_name_of_ours(index, tmp_path, method, config):
    model, tokenizer = make_model()
    trainer, ours = TRAINERS[method]
    match = f"expected args to be a {ours.__name__}, found a {config.__name__}"
    with pytest.raises(TypeError, match=match):
        trainer(
            model,
            args=config(str(tmp_path), report_to="none", bf16=False, use_cpu=True),
            index=index,
            train_dataset=make_dataset(4),
            processing_class=tokenizer,
        )


@pytest.mark.parametrize("kind", ["dataset", "stream", "dict"])
def test_grpo_evaluates_the_rewards_of_as_many_reports_as_it_generates(index, tmp_path, kind):
    rewarded = []

    def count(completions, findings, **columns):
        rewarded.extend(findings)
        return [0.0] * len(completions)

    rows = make_dataset(9, seed=2)
    given = {"dataset": rows, "stream": stream(rows, rows.features), "dict": {"far": rows}}[kind]
    settings = {"eval_reports": 3, "num_generations_eval": 2}
    trainer = make_trainer(index, tmp_path, "grpo", make_dataset(4), given, count, **settings)
    metrics = trainer.evaluate()
    prefix = "eval_far" if kind == "dict" else "eval"
    assert f"{prefix}_cluster_f1" in metrics
    assert sorted(set(rewarded)) == sorted(set(rows["findings"][:3]))
    assert len(rewarded) == 3 * 2
    trainer.evaluate(rows)  # what is given at the call is evaluated whole
    assert len(rewarded) == 3 * 2 + 9 * 2
