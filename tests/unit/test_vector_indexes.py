"""Every kind of index finds what exact search finds, whatever the metric and the filter, within its memory."""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightwire.contracts.collections import IndexParameters, IndexType, Metric, VectorField
from sightwire.errors import CorruptDataError
from sightwire.segments.description import FieldDescription, IndexDescription
from sightwire.segments.schema import SegmentSchema, VectorColumn
from sightwire.segments.search_plan import plan_list_search
from sightwire.segments.vector_file import map_vectors, write_vectors
from sightwire.segments.vector_index import VectorIndex
from sightwire.segments.vector_indexes.gpu import Gpu, why_no_gpu
from sightwire.segments.vector_indexes.ivf import code_bytes, list_count, lists_to_read
from sightwire.segments.vector_indexes.kinds import IndexKind, choose_kind
from sightwire.segments.vector_indexes.opening import build_index
from sightwire.segments.vector_indexes.policy import IndexPolicy, index_parameters
from sightwire.segments.vectors import normalized
from tests.plugin.segments import item, make_segment, vector

ROWS, DIMENSION, CLUSTERS, QUERIES, K = 20_000, 32, 60, 40, 10
Mask = npt.NDArray[np.bool_]
Matrix = npt.NDArray[np.float32]
INDEXED = [kind for kind in IndexKind if kind is not IndexKind.FLAT]


class Population:
    """Clustered vectors in a field with an index, and queries from the same clusters."""

    def __init__(self, folder: Path, kind: IndexKind, metric: Metric, *, on_gpu: bool) -> None:
        self.on_gpu = on_gpu
        rng = np.random.default_rng(3)
        centres = rng.standard_normal((CLUSTERS, DIMENSION))
        self.clusters = rng.integers(0, CLUSTERS, ROWS)
        self.query_clusters = rng.integers(0, CLUSTERS, QUERIES)

        def around(clusters: npt.NDArray[np.int64]) -> Matrix:
            spread = 0.6 * rng.standard_normal((len(clusters), DIMENSION))
            return np.asarray(centres[clusters] + spread, dtype=np.float32)

        vectors = around(self.clusters)
        self.queries = around(self.query_clusters)
        self.index = indexed_field(folder, kind, normalized(vectors) if metric is Metric.COSINE else vectors, metric)
        if on_gpu:
            self.index.copy_to(Gpu(memory_bytes=1 << 30))
        self.scores = self.index.search(self.queries, ROWS, exact=True)

    def closeness(self, query: int) -> Matrix:
        """Score of every row."""
        scores = np.empty(ROWS, dtype=np.float32)
        scores[self.scores.rows[query]] = self.scores.scores[query]
        return scores


def indexed_field(
    folder: Path, kind: IndexKind, vectors: Matrix, metric: Metric, parameters: IndexParameters | None = None
) -> VectorIndex:
    rows, dimension = vectors.shape
    parameters = parameters or IndexParameters(ef_construction=80, pq_bytes=dimension // 2)
    description = IndexDescription(file="index.v.faiss", kind=kind, parameters=parameters)
    write_vectors(folder / "v.f32", vectors, metric)
    mapped = map_vectors(folder / "v.f32", rows, dimension, metric)
    build_index(folder / description.file, mapped, metric, kind, parameters, threads=2)
    return VectorIndex(
        folder,
        FieldDescription(
            name="v",
            dimension=dimension,
            metric=metric,
            per_object=False,
            rows=rows,
            vectors_file="v.f32",
            index=description,
        ),
    )


@pytest.fixture(
    scope="module",
    params=[
        *((kind, metric, "processor") for kind in INDEXED for metric in Metric),
        *((IndexKind.HNSW, metric, "gpu") for metric in Metric),
    ],
    ids="-".join,
)
def population(request: pytest.FixtureRequest) -> Iterator[Population]:
    kind, metric, device = request.param
    reason = why_no_gpu() if device == "gpu" else None
    if reason is not None:
        pytest.skip(reason)
    with TemporaryDirectory() as folder:
        yield Population(Path(folder), kind, metric, on_gpu=device == "gpu")


def random_share(share: float) -> Callable[[Population, int], Mask]:
    return lambda population, query: np.random.default_rng(query).random(ROWS) < share


def own_cluster(population: Population, query: int) -> Mask:
    return np.asarray(population.clusters == population.query_clusters[query])


def other_clusters(population: Population, query: int) -> Mask:
    return np.asarray(population.clusters != population.query_clusters[query])


def farthest(share: float) -> Callable[[Population, int], Mask]:
    return lambda population, query: population.closeness(query) < np.quantile(population.closeness(query), share)


def nearest(share: float) -> Callable[[Population, int], Mask]:
    return lambda population, query: population.closeness(query) > np.quantile(population.closeness(query), 1 - share)


@pytest.mark.parametrize(
    "filter_",
    [
        *(random_share(share) for share in (0.0001, 0.001, 0.01, 0.1, 0.5, 1.0)),
        own_cluster,
        other_clusters,
        *(farthest(share) for share in (0.1, 0.5, 0.9)),
        *(nearest(share) for share in (0.1, 0.5)),
    ],
)
def test_recall_at_10(population: Population, filter_: Callable[[Population, int], Mask]) -> None:
    index = population.index
    found = wanted = 0
    for query in range(QUERIES):
        selection = index.select(filter_(population, query))
        vector = population.queries[query][None]
        answer = index.search(vector, K, selection=selection)
        exact = index.search(vector, K, selection=selection, exact=True)
        count = min(K, selection.count)
        rows = answer.rows[0][:count]
        assert np.all(rows >= 0)
        assert np.all(answer.rows[0][count:] == -1)
        assert np.all(selection.mask[rows])
        assert len(set(rows.tolist())) == count
        assert np.all(np.diff(answer.scores[0][:count]) <= 0)
        np.testing.assert_allclose(answer.scores[0][:count], population.closeness(query)[rows], rtol=1e-3, atol=1e-3)
        found += len(set(rows.tolist()) & set(exact.rows[0][:count].tolist()))
        wanted += count
    assert found >= 0.95 * wanted


def test_unfiltered_searches_go_through_the_index(population: Population) -> None:
    assert population.index.search(population.queries, K).plan.exact == population.on_gpu
    assert not population.index.search(population.queries, K, selection=half(population)).plan.exact


def half(population: Population) -> Any:
    return population.index.select(np.arange(ROWS) % 2 == 0)


def test_queries_of_one_batch_get_what_they_get_alone(population: Population) -> None:
    together = population.index.search(population.queries, K, selection=half(population))
    for query in range(QUERIES):
        alone = population.index.search(population.queries[query][None], K, selection=half(population))
        np.testing.assert_array_equal(together.rows[query], alone.rows[0])


def test_deep_searches_are_answered_in_full(population: Population) -> None:
    hits = population.index.search(population.queries[:2], 3000, selection=half(population))
    assert (hits.rows >= 0).all()
    assert (np.diff(hits.scores, axis=1) <= 0).all()


@pytest.mark.parametrize(
    ("kind", "bytes_per_vector"),
    [(IndexKind.HNSW, 4 * 128 + 160), (IndexKind.HNSW_SQ, 128 + 160), (IndexKind.IVF_SQ, 160), (IndexKind.IVF_PQ, 60)],
)
def test_what_must_stay_in_memory(tmp_path: Path, kind: IndexKind, bytes_per_vector: int) -> None:
    vectors = np.random.default_rng(4).standard_normal((12_000, 128), dtype=np.float32)
    index = indexed_field(tmp_path, kind, vectors, Metric.DOT, IndexParameters(m=16, ef_construction=16))
    memory = index.memory
    assert memory.vectors == len(vectors)
    assert memory.mapped_vector_bytes == vectors.nbytes
    assert memory.index_bytes >= (tmp_path / "index.v.faiss").stat().st_size
    assert memory.resident_bytes_per_vector < bytes_per_vector
    assert index.files_of_rare_use == ({"v.f32"} if kind.is_quantized else frozenset())


@pytest.mark.parametrize("kind", INDEXED)
def test_a_first_search_keeps_nothing_that_others_would_wait_for(tmp_path: Path, kind: IndexKind) -> None:
    vectors = np.random.default_rng(0).standard_normal((2_000, DIMENSION)).astype(np.float32)
    field = indexed_field(tmp_path, kind, vectors, Metric.L2)
    opened = vars(field._index).copy()
    few = field.select(np.arange(len(vectors)) % 7 == 0)
    assert (field.search(vectors[:3], K).rows[:, 0] == np.arange(3)).all()
    assert (field.search(vectors[:3], K, selection=few).rows % 7 == 0).all()
    assert vars(field._index) == opened


@pytest.mark.parametrize("kind", INDEXED)
def test_a_damaged_index_is_refused(tmp_path: Path, kind: IndexKind) -> None:
    vectors = np.random.default_rng(4).standard_normal((1_500, 8), dtype=np.float32)
    index = indexed_field(tmp_path, kind, vectors, Metric.L2)
    (tmp_path / "index.v.faiss").write_bytes(b"nothing of the kind")
    with pytest.raises(CorruptDataError, match="not a vector index"):
        VectorIndex(tmp_path, index.description)


@pytest.mark.parametrize(
    ("type_", "rows", "hurry", "expected"),
    [
        (IndexType.AUTO, 4_999, False, IndexKind.FLAT),
        (IndexType.AUTO, 4_999, True, IndexKind.FLAT),
        (IndexType.AUTO, 5_000, False, IndexKind.HNSW),
        (IndexType.AUTO, 5_000, True, IndexKind.IVF_SQ),
        (IndexType.FLAT, 1_000_000, False, IndexKind.FLAT),
        (IndexType.HNSW, 5_000, False, IndexKind.HNSW),
        (IndexType.HNSW, 5_000, True, IndexKind.HNSW),
        (IndexType.HNSW_SQ, 5_000, True, IndexKind.HNSW_SQ),
        (IndexType.IVF_PQ, 4_999, False, IndexKind.FLAT),
        (IndexType.IVF_PQ, 9_999, False, IndexKind.IVF_SQ),
        (IndexType.IVF_PQ, 10_000, True, IndexKind.IVF_PQ),
    ],
)
def test_the_kind_follows_from_type_and_size(type_: IndexType, rows: int, hurry: bool, expected: IndexKind) -> None:
    assert choose_kind(type_, rows=rows, min_rows=5_000, hurry=hurry) is expected


@pytest.mark.parametrize(
    ("type_", "hurry"), [(IndexType.AUTO, True), (IndexType.IVF_PQ, False), (IndexType.IVF_PQ, True)]
)
def test_a_few_vectors_are_never_divided_into_lists(type_: IndexType, hurry: bool) -> None:
    assert choose_kind(type_, rows=500, min_rows=1, hurry=hurry) in (IndexKind.FLAT, IndexKind.HNSW)


def test_a_field_with_its_own_parameters_is_indexed_by_them() -> None:
    own = IndexParameters(type=IndexType.HNSW_SQ)
    policy = IndexPolicy(IndexParameters(), min_rows=100, by_field={"own": own})
    assert policy.kind_of("own", 100) is IndexKind.HNSW_SQ
    assert policy.kind_of("other", 100) is IndexKind.HNSW
    assert policy.parameters_of("own") is own


@pytest.mark.parametrize(
    ("own", "generation", "expected"),
    [
        pytest.param(None, IndexParameters(ef_search=96), 96, id="the generation's"),
        pytest.param(IndexParameters(ef_search=32), IndexParameters(ef_search=96), 32, id="its own"),
        pytest.param(IndexParameters(), IndexParameters(ef_search=96), 64, id="its own, which is the default"),
    ],
)
def test_how_a_field_is_searched(own: IndexParameters | None, generation: IndexParameters, expected: int) -> None:
    assert index_parameters(VectorField(dimension=2, index=own), generation).ef_search == expected


@pytest.mark.parametrize(
    ("rows", "wanted", "expected"), [(10_000, None, 200), (10_000, 50, 50), (1_600, 5_000, 100), (1, None, 1)]
)
def test_how_many_lists(rows: int, wanted: int | None, expected: int) -> None:
    assert list_count(rows, wanted) == expected


@pytest.mark.parametrize(
    ("dimension", "wanted", "expected"),
    [(384, None, 48), (384, 50, 48), (384, 4096, 384), (7, None, 1), (100, None, 10), (97, 32, 1)],
)
def test_how_many_bytes_a_code_has(dimension: int, wanted: int | None, expected: int) -> None:
    assert code_bytes(dimension, wanted) == expected


@pytest.mark.parametrize(
    ("allowed", "candidates", "probes", "expected"),
    [
        pytest.param(100_000, 64, 32, 8_000, id="no filter"),
        pytest.param(10_000, 64, 32, 8_000, id="a tenth: ten times the lists at the same cost"),
        pytest.param(8_000, 64, 32, None, id="exact costs no more"),
        pytest.param(100_000, 64, 400, None, id="all lists: exact costs no more"),
        pytest.param(100_000, 4_000, 32, 16_000, id="many results"),
        pytest.param(0, 64, 32, None, id="nothing"),
    ],
)
def test_the_plan_follows_the_cost(allowed: int, candidates: int, probes: int, expected: int | None) -> None:
    plan = plan_list_search(rows=100_000, allowed=allowed, candidates=candidates, lists=400, probes=probes)
    assert plan.candidates == expected


@given(
    allowed=st.lists(st.integers(0, 20), min_size=1, max_size=12),
    wanted=st.integers(1, 60),
    seed=st.integers(0, 99),
)
def test_the_nearest_lists_are_read_until_they_hold_enough(allowed: list[int], wanted: int, seed: int) -> None:
    sizes = np.array(allowed)
    rng = np.random.default_rng(seed)
    nearest_lists = np.array([rng.permutation(len(sizes)) for _ in range(3)])
    for order, read in zip(nearest_lists, lists_to_read(nearest_lists, sizes, wanted), strict=True):
        numbers = read[read >= 0]
        assert sizes[numbers].sum() >= min(wanted, sizes.sum())
        assert (sizes[numbers] > 0).all()
        assert sizes[numbers[:-1]].sum() < wanted
        assert numbers.tolist() == [number for number in order if number in set(numbers.tolist())]
        if sizes[numbers].sum() < wanted:
            assert len(numbers) == np.count_nonzero(sizes)


def test_each_field_of_a_segment_is_indexed_as_it_asks(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    names = ("plain", "small", "exact", "rare")
    schema = SegmentSchema(vectors=tuple(VectorColumn(name, 16, Metric.L2) for name in names), metadata={})
    items = [
        item(
            f"item-{number}",
            vectors={name: vector(rng, 16) for name in names if name != "rare" or number % 100 == 0},
        )
        for number in range(1_200)
    ]
    by_field = {
        "small": IndexParameters(type=IndexType.HNSW_SQ, m=8),
        "exact": IndexParameters(type=IndexType.FLAT),
    }
    policy = IndexPolicy(IndexParameters(m=12), min_rows=1_000, threads=2, by_field=by_field)
    segment = make_segment(tmp_path, items, schema=schema, indexes=policy)
    assert {name: field.kind for name, field in segment.fields.items()} == {
        "plain": IndexKind.HNSW,
        "small": IndexKind.HNSW_SQ,
        "exact": IndexKind.FLAT,
        "rare": IndexKind.FLAT,
    }
    description = segment.fields["small"].description.index
    assert description is not None
    assert description.parameters == by_field["small"]
    assert segment.vector_memory.vectors == 3 * 1_200 + 12
    assert segment.vector_memory.mapped_vector_bytes == 16 * 4 * segment.vector_memory.vectors
    whole_vectors_of_small = next(file.bytes for file in segment.description.files if file.name == "vectors.small.f32")
    assert segment.warm() == segment.disk_bytes - whole_vectors_of_small
    # But for the headers of files of vectors.
    assert segment.warm() - 4 * 64 <= segment.resident_bytes <= segment.warm()
    for name in names:
        row = int(segment.fields[name].target_rows()[5])
        stored = segment.vector(name, row)
        assert stored is not None
        assert segment.search(name, stored[None], 1).rows.tolist() == [[row]]


def test_in_a_hurry_a_segment_is_indexed_by_lists(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    schema = SegmentSchema(vectors=(VectorColumn("v", 16, Metric.COSINE),), metadata={})
    items = [item(f"item-{number}", vectors={"v": vector(rng, 16)}) for number in range(1_200)]
    segment = make_segment(
        tmp_path, items, schema=schema, indexes=IndexPolicy(IndexParameters(), min_rows=1_000, hurry=True)
    )
    assert segment.fields["v"].kind is IndexKind.IVF_SQ


def test_more_effort_finds_more_behind_small_codes(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    vectors = rng.standard_normal((12_000, 64)).astype(np.float32)
    parameters = IndexParameters(pq_bytes=4, lists=32, probes=8)
    index = indexed_field(tmp_path, IndexKind.IVF_PQ, vectors, Metric.L2, parameters)
    queries = vectors[:50] + 0.5 * rng.standard_normal((50, 64)).astype(np.float32)
    exact = index.search(queries, K, exact=True).rows

    def recall(effort: int) -> float:
        found = index.search(queries, K, ef_search=effort).rows
        return float(np.mean([len(set(a) & set(b)) / K for a, b in zip(found.tolist(), exact.tolist(), strict=True)]))

    little, much = recall(64), recall(192)
    assert little < 0.6
    assert much > little + 0.15
