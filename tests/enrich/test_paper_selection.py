"""Preset "paper" against a naive reading of the paper: dicts and sets, written from its text."""

import csv
import random
from collections import Counter
from itertools import combinations
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from fakes import build_index, made_up_reports, report_of

from semenrich_datasets import SemEnricher
from semenrich_datasets.enrich.cliques import from_bits, to_bits
from semenrich_datasets.enrich.paper_selection import PaperSelection, RandomSelection
from semenrich_datasets.index.clustering import KMeans

IU_REPORTS = Path(__file__).parents[3] / "shared" / "iu_xray" / "reports.csv"


class NaivePaper:
    """Steps 4 and 5: A[i, j] counts reports, cliques are drawn from the maximal ones."""

    def __init__(self, reports, cluster_of, normal):
        self.cluster_of = cluster_of
        self.normal = normal
        self.counts = {}
        for text in reports:
            for i in self.clusters(text):
                for j in self.clusters(text):
                    if i != j:
                        row = self.counts.setdefault(i, {})
                        row[j] = row.get(j, 0) + 1

    def clusters(self, text):
        pieces = [piece.strip() for piece in text.lower().split(".")]
        return {self.cluster_of[p] for p in pieces if p and self.cluster_of.get(p, -1) != -1}

    def addable(self, j, i):
        """Whether j may be added to a report that holds i."""
        row = self.counts.get(i, {})
        count = row.get(j, 0)
        return j in self.normal and count > 3 and count / sum(row.values()) > 0.001

    def candidates(self, held):
        if not held:
            return set()
        return {
            j
            for j in self.normal
            if j not in held and all(self.addable(j, member) for member in held)
        }

    def maximal_cliques(self, candidates):
        together = {
            frozenset(pair)
            for pair in combinations(candidates, 2)
            if self.addable(*pair) and self.addable(*reversed(pair))
        }
        found = set()

        def grow(clique, rest, left_out):
            if not rest and not left_out:
                found.add(frozenset(clique))
            for vertex in sorted(rest):
                fits = {other for other in rest | left_out if {vertex, other} in together}
                grow(clique | {vertex}, rest & fits, left_out & fits)
                rest = rest - {vertex}
                left_out = left_out | {vertex}

        if candidates:
            grow(set(), set(candidates), set())
        return found


def naive_reading(index, reports):
    cluster_of = {row["sentence"]: row["cluster_id"] for row in index.sentences.to_pylist()}
    normal = {unit for unit, sign in enumerate(index.unit_signs) if sign == "normal"}
    return NaivePaper(reports, cluster_of, normal)


def compare(index, corpus, reports=None):
    """Compares candidates, maximal cliques and a draw of every report; counts the cliques."""
    naive = naive_reading(index, corpus)
    enricher = SemEnricher(index, preset="paper", privacy_floor=False)
    selection = PaperSelection(index, "random", None, privacy_floor=False)
    known, sizes = {}, Counter()
    for text in reports or corpus:
        held = naive.clusters(text)
        report = report_of(text, sentences=index.split(text))
        assert set(index.held_units(report.sentences)) == held
        candidates = naive.candidates(held)
        bits = selection.graph.candidates(to_bits(held))
        assert set(from_bits(bits)) == candidates
        key = frozenset(candidates)
        if key not in known:
            known[key] = naive.maximal_cliques(candidates)
            cliques = selection.graph.cliques(bits)
            assert {frozenset(from_bits(clique)) for clique in cliques} == known[key]
            assert len(cliques) == len(known[key])
        drawn = enricher({"findings": text})["added_findings"]
        clique = [addition["cluster_id"] for addition in drawn]
        assert len(set(clique)) == len(clique)
        assert frozenset(clique) in (known[key] or {frozenset()})
        for addition in drawn:
            sentence = addition["sentence"].lower().removesuffix(".")
            assert naive.cluster_of[sentence] == addition["cluster_id"]
        sizes[len(known[key])] += 1
    return sizes


class OneOfAKind:
    """Gives each sentence a direction of its own: every sentence is a cluster."""

    def encode(self, sentences):
        seeds = [crc32(sentence.encode()) for sentence in sentences]
        return np.stack([np.random.default_rng(seed).normal(size=32) for seed in seeds])


def build_all_normal(reports):
    return build_index(
        reports,
        preset="paper",
        embedder=OneOfAKind(),
        signs=lambda sentences: ["normal"] * len(sentences),
    )


@pytest.mark.parametrize("clusters", ["dbscan", 12])
def test_a_small_corpus(clusters):
    reports = [row["findings"] for row in made_up_reports(300)]
    settings = {} if clusters == "dbscan" else {"clustering": KMeans(clusters)}
    sizes = compare(build_index(reports, preset="paper", **settings), reports)
    assert sizes.total() - sizes[0] > 100


def test_a_corpus_whose_candidates_do_not_all_go_together():
    # Sections that never meet but through one sentence: as many maximal cliques as sections.
    rng = random.Random(0)
    sections = [[f"{name}{k} clear" for k in range(3)] for name in ("apex", "base", "rib", "hilum")]
    reports = []
    for _ in range(400):
        section = rng.choice(sections)
        reports.append(". ".join(["hub clear", *(s for s in section if rng.random() < 0.7)]))
    index = build_all_normal(reports)
    assert index.unit_table.num_rows == 13
    sizes = compare(index, [*reports, "hub clear"])
    assert sizes[4] >= 1
    assert sizes[1] >= 1


def test_addability_is_asymmetric_in_a_corpus():
    # "rare" meets "hub" in 4 reports: enough of its own row, too little of the hub's.
    reports = ["hub clear. rare clear"] * 4 + ["hub clear. other clear"] * 4_100
    index = build_all_normal(reports)
    naive = naive_reading(index, reports)
    hub, rare = (naive.cluster_of[f"{name} clear"] for name in ("hub", "rare"))
    assert naive.addable(hub, rare)
    assert not naive.addable(rare, hub)
    assert naive.candidates({hub}) == {naive.cluster_of["other clear"]}
    assert compare(index, reports, ["hub clear", "rare clear", reports[0]]) == {1: 2, 0: 1}


def test_draws_are_uniform_over_the_maximal_cliques():
    sections = ["hub clear. a clear. b clear", "hub clear. c clear", "hub clear. d clear"]
    index = build_all_normal(sections * 10)
    drawn = Counter()
    for variant in range(600):
        enricher = SemEnricher(index, preset="paper", variant=variant, privacy_floor=False)
        additions = enricher({"findings": "hub clear"})["added_findings"]
        drawn[tuple(sorted(addition["sentence"] for addition in additions))] += 1
    assert sorted(drawn) == [("A clear.", "B clear."), ("C clear.",), ("D clear.",)]
    assert all(150 < count < 250 for count in drawn.values())


def test_the_sentence_is_drawn_from_all_of_its_cluster():
    index = build_index(preset="paper")
    texts = {
        addition["sentence"]
        for variant in range(100)
        for addition in SemEnricher(index, preset="paper", variant=variant, privacy_floor=False)(
            {"findings": "No acute bony abnormality."}
        )["added_findings"]
    }
    assert {"Heart size normal.", "Normal heart size.", "The xxxx heart size is normal."} <= texts


def test_the_ablation_draws_clusters_of_every_sign():
    index = build_index(preset="paper")
    ablation = RandomSelection(index, "random", None)
    signs = index.unit_signs
    drawn = Counter()
    for row in made_up_reports():
        report = report_of(row["findings"], sentences=index.split(row["findings"]), seed=1)
        drawn.update(signs[addition.cluster_id] for addition in ablation(report))
    assert drawn["abnormal"] > 30
    assert drawn["normal"] > 30


def iu_texts():
    if not IU_REPORTS.is_file():
        pytest.skip("needs ../shared/iu_xray/reports.csv")
    with IU_REPORTS.open(newline="", encoding="utf-8") as file:
        return [row["findings"] for row in csv.DictReader(file) if row["findings"].strip()]


@pytest.mark.parametrize("clustering", [KMeans(200), "hdbscan"], ids=["kmeans", "hdbscan"])
def test_every_iu_report(clustering):
    # Clusters of hashed words differ from those of MiniLM; what is compared is the same.
    reports = iu_texts()
    sizes = compare(build_index(reports, preset="paper", clustering=clustering), reports)
    assert sizes.total() == len(reports)
    assert max(sizes) > 2
