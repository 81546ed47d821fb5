"""Cluster ids against the hdbscan package, scikit-learn, and the methods' own definitions."""

import multiprocessing

import hdbscan
import numpy as np
import pytest
import sklearn.cluster
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score

from semenrich_datasets.index import clustering, neighbors
from semenrich_datasets.index.clustering import DBSCAN, HDBSCAN, KMeans, cluster_vectors


def blobs(n=600, centers=8, d=16, std=1.0, seed=0):
    points, _ = make_blobs(n, d, centers=centers, cluster_std=std, random_state=seed)
    return points.astype(np.float32)


def noise(n=200, d=4, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def peer(vectors, min_cluster_size=5, min_samples=5):
    model = hdbscan.HDBSCAN(min_cluster_size=min_cluster_size, min_samples=min_samples)
    return model.fit_predict(vectors.astype(np.float64))


def knn(vectors, k):
    return neighbors.NeighborSearch.over(vectors).knn(k)


def spanning_tree(vectors, k):
    search = neighbors.NeighborSearch.over(vectors)
    distances, ids = search.knn(k)
    return clustering._spanning_tree(search, distances, ids, distances[:, 4])


def same_partition(left, right):
    """Equal up to the numbers of the clusters, noise equal as noise."""
    pairs = set(zip(left.tolist(), right.tolist(), strict=True))
    noise_agrees = all((a < 0) == (b < 0) for a, b in pairs)
    return noise_agrees and len(pairs) == len(set(left.tolist())) == len(set(right.tolist()))


class TestHdbscan:
    @pytest.mark.parametrize("std", [0.5, 1.0, 2.0])
    def test_finds_the_blobs_that_hdbscan_finds(self, std):
        vectors = blobs(std=std)
        assert adjusted_rand_score(peer(vectors), cluster_vectors(vectors)) >= 0.98

    @pytest.mark.parametrize("seed", range(6))
    @pytest.mark.parametrize(("min_cluster_size", "min_samples"), [(5, 5), (8, 3), (4, 1)])
    def test_equals_hdbscan_when_every_pair_is_in_the_graph(
        self, seed, min_cluster_size, min_samples
    ):
        vectors = np.concatenate([noise(60, seed=seed), blobs(90, 3, 4, seed=seed)])
        labels = cluster_vectors(vectors, HDBSCAN(min_cluster_size, min_samples, n_neighbors=149))
        expected = peer(vectors, min_cluster_size, min_samples)
        assert adjusted_rand_score(expected, labels) >= 0.97

    @pytest.mark.parametrize("seed", range(6))
    def test_tree_has_the_exact_weights_when_every_pair_is_in_the_graph(self, seed):
        vectors = noise(120, seed=seed)
        tree = spanning_tree(vectors, 119)
        model = hdbscan.HDBSCAN(algorithm="generic", min_samples=5, gen_min_span_tree=True)
        model.fit(vectors.astype(np.float64))
        expected = np.sort(model.minimum_spanning_tree_.to_numpy()[:, 2])
        np.testing.assert_allclose(tree.weights, expected, rtol=1e-6)

    @settings(deadline=None, max_examples=25)
    @given(seed=st.integers(0, 2**32 - 1))
    def test_order_of_the_rows_does_not_matter(self, seed):
        # Many small, loose clusters: equal weights would be cut by row number if not by distance.
        vectors, config = noise(400, d=2, seed=3), HDBSCAN(4, 4)
        order = np.random.default_rng(seed).permutation(len(vectors))
        labels = cluster_vectors(vectors, config)
        assert same_partition(labels[order], cluster_vectors(vectors[order], config))

    def test_a_disconnected_graph_is_joined_by_the_shortest_edges(self):
        vectors = blobs(120, centers=6, d=3, std=0.1)
        tree, whole = spanning_tree(vectors, 5), spanning_tree(vectors, 119)
        assert len(tree) == 119
        # The bridges are the longest edges here.
        np.testing.assert_allclose(tree.weights[-5:], whole.weights[-5:])

    def test_a_bridge_is_short_in_mutual_reachability(self):
        line = np.array([[0.0], [1.0], [1.2]], np.float32)
        core, parts = np.array([0.0, 5.0, 0.0]), np.array([0, 1, 1])
        bridge = clustering._bridges(line, core, parts, queries=np.array([0]))
        assert (bridge.sources.tolist(), bridge.targets.tolist()) == ([0], [2])
        np.testing.assert_allclose(bridge.weights, [1.2], rtol=1e-6)

    @pytest.mark.parametrize("wider", [1, 8, 40])
    def test_bridges_from_borders_only_still_join_everything(self, monkeypatch, wider):
        monkeypatch.setattr(neighbors, "APPROXIMATE_FROM", 100)
        monkeypatch.setattr(clustering, "_WIDER", wider)
        monkeypatch.setattr(clustering, "_BORDER_POINTS", 40)
        monkeypatch.setattr(clustering, "_BRIDGE_PAIRS", 400 * 20)
        vectors = blobs(400, centers=10, d=8, std=0.2)
        assert adjusted_rand_score(peer(vectors), cluster_vectors(vectors)) == 1.0

    def test_the_border_is_the_sparsest_points_of_the_smaller_components(self):
        core, parts = np.array([1.0, 3, 2, 9, 9, 9, 9, 4]), np.array([1, 1, 1, 0, 0, 0, 0, 2])
        assert sorted(clustering._border(core, parts, 4).tolist()) == [0, 1, 2, 7]
        assert sorted(clustering._border(core, parts, 3).tolist()) == [1, 7]
        assert sorted(clustering._border(core, parts, 0).tolist()) == [1, 7]

    def test_approximate_neighbors_give_nearly_the_same_clusters(self, monkeypatch):
        vectors = blobs(1500, centers=20)
        exact = cluster_vectors(vectors)
        monkeypatch.setattr(neighbors, "APPROXIMATE_FROM", 100)
        assert adjusted_rand_score(exact, cluster_vectors(vectors)) >= 0.98

    def test_duplicates_stay_together(self):
        vectors = np.repeat(noise(4, d=8), 30, axis=0)
        labels = cluster_vectors(vectors)
        assert same_partition(labels, np.repeat(np.arange(4), 30))

    def test_nothing_but_duplicates(self):
        assert len(set(cluster_vectors(np.ones((50, 3), np.float32)))) == 1

    @pytest.mark.parametrize("n", range(12))
    def test_few_points(self, n):
        vectors = noise(n)
        labels = cluster_vectors(vectors)
        assert labels.dtype == np.int64
        assert labels.shape == (n,)
        if n > 5:
            assert same_partition(labels, peer(vectors))
        else:
            assert (labels == -1).all()


class TestDbscan:
    @pytest.mark.parametrize("seed", range(8))
    @pytest.mark.parametrize(("eps", "min_samples"), [(0.5, 5), (0.8, 5), (0.8, 2), (0.4, 1)])
    def test_equals_scikit_learn(self, seed, eps, min_samples):
        vectors = noise(150, d=3, seed=seed)
        labels = cluster_vectors(vectors, DBSCAN(eps, min_samples, n_neighbors=149))
        model = sklearn.cluster.DBSCAN(eps=eps, min_samples=min_samples).fit(vectors)
        core = model.core_sample_indices_
        assert same_partition(labels[core], model.labels_[core])
        np.testing.assert_array_equal(labels < 0, model.labels_ < 0)

    def test_a_border_point_joins_its_nearest_core_point(self):
        left, right = np.linspace(0, 0.4, 5), np.linspace(2.0, 2.4, 5)
        # The two points between are each other's nearest, and no core points.
        line = np.concatenate([left, right, [1.21, 1.22]]).astype(np.float32)
        labels = cluster_vectors(np.stack([line, 0 * line], 1), DBSCAN(0.815, 5))
        assert labels[10] == labels[11] == labels[5] != labels[0]

    @pytest.mark.parametrize(("n", "expected"), [(0, []), (1, [0]), (2, [0, 0])])
    def test_few_points_that_are_all_core(self, n, expected):
        assert cluster_vectors(np.zeros((n, 2), np.float32), DBSCAN(1, 1)).tolist() == expected

    @pytest.mark.parametrize("n", range(5))
    def test_fewer_points_than_a_core_point_needs_are_noise(self, n):
        assert (cluster_vectors(np.zeros((n, 2), np.float32), "dbscan") == -1).all()


class TestKmeans:
    def test_clusters_are_as_tight_as_those_of_scikit_learn(self):
        vectors = blobs(600, centers=10, std=2.0)
        labels = cluster_vectors(vectors, KMeans(30))
        means = np.stack([vectors[labels == label].mean(axis=0) for label in range(30)])
        model = sklearn.cluster.KMeans(30, n_init=1, init="random", random_state=0).fit(vectors)
        assert ((vectors - means[labels]) ** 2).sum() <= 1.1 * model.inertia_

    def test_same_seed_same_labels_and_another_seed_others(self):
        vectors = noise(500, d=8)
        first = cluster_vectors(vectors, KMeans(20), seed=1)
        np.testing.assert_array_equal(first, cluster_vectors(vectors, KMeans(20), seed=1))
        assert not same_partition(first, cluster_vectors(vectors, KMeans(20), seed=2))

    @pytest.mark.parametrize("n", [0, 1, 2, 7])
    def test_at_most_one_cluster_for_each_point(self, n):
        assert sorted(cluster_vectors(noise(n), "kmeans")) == list(range(n))

    def test_duplicates_leave_no_gaps(self):
        labels = cluster_vectors(np.repeat(noise(3), 10, axis=0), KMeans(10))
        assert set(labels) == set(range(labels.max() + 1))


class TestArguments:
    def test_unknown_method_names_the_known_ones(self):
        with pytest.raises(ValueError, match=r"dbscan.*hdbscan.*kmeans.*'ward'"):
            cluster_vectors(noise(), "ward")

    @pytest.mark.parametrize("bad", [np.nan, np.inf, 1e30])
    def test_values_must_be_finite(self, bad):
        vectors = noise()
        vectors[3, 1] = bad
        with pytest.raises(ValueError, match="finite length"):
            cluster_vectors(vectors)

    def test_vectors_must_be_a_matrix(self):
        with pytest.raises(ValueError, match=r"\(n, d\).*\(5,\)"):
            cluster_vectors(np.zeros(5, np.float32))

    @pytest.mark.parametrize(
        "wrong",
        [
            lambda: HDBSCAN(min_cluster_size=1),
            lambda: HDBSCAN(min_samples=0),
            lambda: HDBSCAN(min_samples=20, n_neighbors=16),
            lambda: DBSCAN(eps=0),
            lambda: DBSCAN(min_samples=0),
            lambda: DBSCAN(min_samples=20, n_neighbors=16),
            lambda: KMeans(0),
        ],
    )
    def test_settings_that_cannot_work_are_refused(self, wrong):
        with pytest.raises(ValueError, match="must be"):
            wrong()


class TestNeighbors:
    def test_equal_a_full_sort_of_distances(self):
        vectors = noise(300, d=6)
        distances, ids = knn(vectors, 7)
        full = np.linalg.norm(vectors[:, None].astype(float) - vectors, axis=2)
        np.fill_diagonal(full, np.inf)
        np.testing.assert_array_equal(ids, full.argsort(axis=1)[:, :7])
        np.testing.assert_allclose(distances, np.sort(full, axis=1)[:, :7])

    def test_duplicates_are_at_distance_zero_and_never_the_row_itself(self):
        vectors = np.repeat(noise(2, d=64), 40, axis=0)
        distances, ids = knn(vectors, 10)
        assert (distances == 0).all()
        assert (ids != np.arange(80)[:, None]).all()

    def test_rows_whose_lists_hold_too_few_are_searched_exactly(self, monkeypatch):
        monkeypatch.setattr(neighbors, "APPROXIMATE_FROM", 100)
        monkeypatch.setattr(neighbors, "_PROBED_LISTS", 1)
        distances, ids = knn(noise(300), 40)
        assert (ids >= 0).all()
        assert np.isfinite(distances).all()


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def save(index, path):
    with path.open("wb") as file:
        neighbors.write_search_index(index, file)


class TestSearchIndex:
    @pytest.mark.parametrize("approximate_from", [10, 10_000])
    def test_a_saved_index_finds_what_it_found(self, tmp_path, monkeypatch, approximate_from):
        monkeypatch.setattr(neighbors, "APPROXIMATE_FROM", approximate_from)
        vectors = unit(noise(400, d=16))
        index = neighbors.build_search_index(vectors)
        save(index, tmp_path / "vectors.faiss")
        loaded = neighbors.load_search_index((tmp_path / "vectors.faiss").open("rb"), 400)
        for built in (index, loaded):
            similarities, ids = neighbors.nearest(built, vectors[:50], 3)
            np.testing.assert_array_equal(ids[:, 0], np.arange(50))
            np.testing.assert_allclose(similarities[:, 0], 1, atol=1e-6)
            expected = np.einsum("ij,ikj->ik", vectors[:50], vectors[ids])
            np.testing.assert_allclose(similarities, expected, atol=1e-6)

    @pytest.mark.parametrize("approximate_from", [10, 10_000])
    def test_same_vectors_same_file(self, tmp_path, monkeypatch, approximate_from):
        monkeypatch.setattr(neighbors, "APPROXIMATE_FROM", approximate_from)
        for name in ("first", "second"):
            index = neighbors.build_search_index(unit(noise(400, d=16)))
            save(index, tmp_path / name)
        assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()

    def test_more_neighbors_than_rows(self):
        index = neighbors.build_search_index(unit(noise(2)))
        similarities, ids = neighbors.nearest(index, unit(noise(1, seed=1)), 4)
        assert ids[0, 2:].tolist() == [-1, -1]
        assert (similarities[0, 2:] == -np.inf).all()

    def test_queries_of_another_dimension_are_refused(self):
        index = neighbors.build_search_index(unit(noise(5, d=4)))
        with pytest.raises(ValueError, match=r"\(q, 4\).*\(5, 3\)"):
            neighbors.nearest(index, noise(5, d=3), 1)

    @pytest.mark.parametrize("keep", [0, 3, 40, -1])
    def test_a_file_cut_short_is_refused(self, tmp_path, keep):
        path = tmp_path / "vectors.faiss"
        save(neighbors.build_search_index(unit(noise(50))), path)
        path.write_bytes(path.read_bytes()[:keep])
        with pytest.raises(ValueError, match=r"whole FAISS file|bytes, found"):
            neighbors.load_search_index(path.open("rb"), 50)

    def test_the_loaded_vectors_are_mapped_not_copied(self, tmp_path):
        psutil = pytest.importorskip("psutil")
        path = tmp_path / "vectors.faiss"
        index = neighbors.build_search_index(unit(noise(20_000, d=384)))
        save(index, path)
        process = psutil.Process()

        def own_memory():
            return sum(area.anonymous for area in process.memory_maps())

        before = own_memory()
        loaded = neighbors.load_search_index(path.open("rb"), 20_000)
        neighbors.nearest(loaded, unit(noise(1, d=384)), 1)
        assert own_memory() - before < path.stat().st_size / 5

    def test_a_forked_worker_does_not_hang(self):
        faiss = neighbors.faiss_module()
        threads = faiss.omp_get_max_threads()
        faiss.omp_set_num_threads(2)
        vectors = unit(noise(2000, d=32))
        index = neighbors.build_search_index(vectors)
        neighbors.nearest(index, vectors, 3)
        context = multiprocessing.get_context("fork")
        worker = context.Process(target=neighbors.nearest, args=(index, vectors, 3))
        worker.start()
        worker.join(timeout=20)
        faiss.omp_set_num_threads(threads)
        worker.kill()
        assert worker.exitcode == 0


class TestFaissModule:
    @pytest.fixture(autouse=True)
    def _fresh(self):
        neighbors.faiss_module.cache_clear()
        yield
        neighbors.faiss_module.cache_clear()

    def test_two_builds_in_one_place_are_warned_of(self, monkeypatch):
        class Installed:
            def __init__(self, name):
                self.metadata = {"Name": name}

        both = [Installed("faiss-cpu"), Installed("faiss-gpu-cu12")]
        monkeypatch.setattr(neighbors.metadata, "distributions", lambda: both)
        with pytest.warns(RuntimeWarning, match="pip uninstall -y faiss-cpu faiss-gpu-cu12 &&"):
            neighbors.faiss_module()

    def test_a_faiss_that_does_not_import_says_how_to_install_it(self, monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, "faiss", None)
        with pytest.raises(ImportError, match="pip install faiss-cpu"):
            neighbors.faiss_module()
