"""Tars, folders with captions and combinations of them: what is read, and what is said of what cannot be."""

import csv
import io
import json
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sightwire_trainer.configuration import FolderSource, TarSource
from sightwire_trainer.data.captioned import captioned_sample, sample_facts
from sightwire_trainer.data.combining import CombinedSource
from sightwire_trainer.data.samples import Sample
from sightwire_trainer.data.sources import open_source
from sightwire_trainer.data.tar_writing import write_tar
from sightwire_trainer.data.tars import TarSamples

from services.trainer.tests.drawn_samples import ListedSamples, drawing, drawn_samples
from sightwire.errors import CorruptDataError, InvalidInputError

CAPTIONS = {"name": "a boat", "keywords": ["sea", "sail"], "concept": None, "source": "drawn", "licence": "MIT"}


def tar_of(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def captions(**facts: object) -> bytes:
    return json.dumps(CAPTIONS | facts).encode()


def test_a_tar_is_read_in_any_order(tmp_path: Path) -> None:
    samples = drawn_samples(5)
    write_tar(tmp_path / "drawn.tar", samples)
    source = open_source(TarSource(path=tmp_path / "drawn.tar"))
    assert (len(source), source.name) == (5, "drawn.tar")
    assert [source[number] for number in (3, 0, 4)] == [samples[3], samples[0], samples[4]]
    assert list(source) == samples


def test_the_same_samples_make_the_same_tar(tmp_path: Path) -> None:
    first, second = tmp_path / "first.tar", tmp_path / "second.tar"
    assert write_tar(first, drawn_samples(3)) == write_tar(second, drawn_samples(3)) == 3
    assert TarSamples(first).sha256() == TarSamples(second).sha256()


@pytest.mark.parametrize("extension", ["webp", "png", "jpg", "jpeg"])
def test_pictures_of_each_extension(tmp_path: Path, extension: str) -> None:
    picture = drawing(1)
    path = tar_of(tmp_path / "t.tar", {f"a/b.{extension}": picture, "a/b.json": captions(), "README": b"not a sample"})
    assert list(TarSamples(path)) == [
        Sample("a/b", "a boat", picture, keywords=("sea", "sail"), origin="drawn", licence="MIT"),
    ]


def test_pairs_of_texts_in_a_tar(tmp_path: Path) -> None:
    files = {"a.txt": b"Ein Boot\n", "a.json": captions(), "b.json": captions(text="a ship")}
    assert [sample.text for sample in TarSamples(tar_of(tmp_path / "t.tar", files))] == ["Ein Boot", "a ship"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"x.webp": drawing(1)}, "expected x.json beside webp"),
        ({"x.json": captions()}, r"expected x\.\(webp\|png.* beside x.json"),
        ({"x.webp": drawing(1), "x.json": b'{"name": '}, "not JSON"),
        ({"x.webp": drawing(1), "x.json": b"[]"}, "JSON object, got list"),
        ({"x.webp": drawing(1), "x.json": captions(name="  ")}, "'name', is empty"),
        ({"x.webp": drawing(1), "x.json": captions(name=["a"])}, "text as 'name', got list"),
        ({"x.webp": drawing(1), "x.json": captions(keywords=[1])}, "list of texts as 'keywords'"),
        ({"x.webp": drawing(1), "x.json": captions(text="too")}, "either a picture or a text, got both"),
        ({"x.txt": b"\xff", "x.json": captions()}, "not UTF-8"),
    ],
)
def test_a_bad_sample_is_named_when_it_is_read(tmp_path: Path, files: dict[str, bytes], message: str) -> None:
    good = {"good.webp": drawing(2), "good.json": captions()}
    source = TarSamples(tar_of(tmp_path / "t.tar", files | good))
    assert len(source) == 2
    assert source[1].key == "good"
    with pytest.raises(CorruptDataError, match=message) as error:
        source[0]
    assert "t.tar, x" in error.value.detail


def test_a_damaged_tar_is_refused_at_opening(tmp_path: Path) -> None:
    path = tmp_path / "drawn.tar"
    write_tar(path, drawn_samples(4))
    whole = path.read_bytes()
    content_end = len(whole.rstrip(b"\0"))
    for kept in (0, 100, 512, 700, content_end // 2, content_end - 600):
        path.write_bytes(whole[:kept])
        with pytest.raises(CorruptDataError, match="is truncated"):
            TarSamples(path)
    path.write_bytes(whole[:1024] + b"?" * 512 + whole[1536:])
    with pytest.raises(CorruptDataError, match="truncated or damaged"):
        TarSamples(path)
    with tarfile.open(path, "w:gz"):
        pass
    with pytest.raises(CorruptDataError, match="not an uncompressed tar"):
        TarSamples(path)


def test_a_tar_that_is_missing_or_has_a_key_twice(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="no tar"):
        TarSamples(tmp_path / "none.tar")
    with tarfile.open(tmp_path / "twice.tar", "w") as tar:
        for _ in range(2):
            tar.addfile(tarfile.TarInfo("a.json"))
    with pytest.raises(CorruptDataError, match=r"a\.json twice"):
        TarSamples(tmp_path / "twice.tar")


def test_an_unknown_picture_leaves_no_tar(tmp_path: Path) -> None:
    with pytest.raises(CorruptDataError, match="expected a picture"):
        write_tar(tmp_path / "t.tar", [Sample("a", "a boat", b"what is this?")])
    assert list(tmp_path.iterdir()) == []


ROWS = [
    {"file": "boats/one.png", "name": "a boat", "keywords": ["sea", "sail"], "concept": "boat", "source": "me"},
    {"file": "two.png", "name": "a house", "keywords": [], "concept": "", "source": "me"},
]


def write_folder(folder: Path, kind: str) -> Path:
    (folder / "boats").mkdir(parents=True)
    for number, row in enumerate(ROWS):
        (folder / str(row["file"])).write_bytes(drawing(number))
    table = folder / f"captions.{kind}"
    if kind == "jsonl":
        table.write_text("\n".join(map(json.dumps, ROWS)) + "\n\n")
    elif kind == "parquet":
        parquet.write_table(pa.Table.from_pylist(ROWS), table)
    else:
        with table.open("w", newline="") as file:
            writer = csv.DictWriter(file, ROWS[0])
            writer.writeheader()
            writer.writerows({**row, "keywords": "; ".join(row["keywords"])} for row in ROWS)
    return table


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_folder_with_captions(tmp_path: Path, kind: str) -> None:
    table = write_folder(tmp_path / "pictures", kind)
    source = open_source(FolderSource(path=tmp_path / "pictures", captions=table))
    assert list(source) == [
        Sample("boats/one.png", "a boat", drawing(0), keywords=("sea", "sail"), concept="boat", origin="me"),
        Sample("two.png", "a house", drawing(1), origin="me"),
    ]
    before = source.sha256()
    (tmp_path / "pictures" / "two.png").write_bytes(drawing(3))
    assert source.sha256() != before


@pytest.mark.parametrize(
    ("filename", "content", "error", "message"),
    [
        ("c.csv", "file,title\na.png,boat\n", InvalidInputError, "columns 'name' and 'file'.*it has file, title"),
        ("c.csv", "", InvalidInputError, "it has none"),
        ("c.csv", 'file,name\n"a.png,boat', CorruptDataError, "cannot read the captions"),
        ("c.csv", "file,name\na.png,boat\na.png,ship\n", CorruptDataError, "a.png twice"),
        ("c.jsonl", '{"file": "a.png", "name": "boat"}\n{', CorruptDataError, "line 2 is not JSON"),
        ("c.jsonl", "[]", CorruptDataError, "line 1: expected a JSON object"),
        ("c.parquet", "no parquet", CorruptDataError, "cannot read the captions"),
        ("c.txt", "", InvalidInputError, "expected captions as .csv, .jsonl, .parquet"),
    ],
)
def test_tables_that_cannot_be_read(
    tmp_path: Path, filename: str, content: str, error: type[Exception], message: str
) -> None:
    (tmp_path / filename).write_text(content)
    with pytest.raises(error, match=message):
        open_source(FolderSource(path=tmp_path, captions=tmp_path / filename))


def test_a_missing_picture_of_a_folder_is_named(tmp_path: Path) -> None:
    table = tmp_path / "captions.csv"
    table.write_text("file,name,text\nnone.png,a boat,\n,a boat,the words\n")
    source = open_source(FolderSource(path=tmp_path, captions=table))
    assert source[1] == Sample("row 2", "a boat", text="the words")
    with pytest.raises(CorruptDataError, match=r"captions.csv, none\.png: cannot read its picture"):
        source[0]


def test_sources_one_after_another() -> None:
    samples = drawn_samples(7)
    parts = [ListedSamples(samples[:3]), ListedSamples([]), ListedSamples(samples[3:])]
    combined = CombinedSource("all", parts)
    assert len(combined) == 7
    assert list(combined) == samples
    with pytest.raises(IndexError, match="7 samples"):
        combined[7]


texts = st.text(st.characters(exclude_categories=["C", "Z"]), max_size=8)


@given(
    st.builds(
        Sample,
        key=texts.filter(bool),
        name=texts.filter(bool),
        text=texts.filter(bool),
        keywords=st.lists(texts.filter(bool)).map(tuple),
        description=texts,
        concept=texts,
        origin=texts,
        licence=texts,
    )
)
def test_what_is_written_of_a_sample_makes_it_again(sample: Sample) -> None:
    facts = json.loads(json.dumps(sample_facts(sample)))
    assert captioned_sample(facts, key="another", where="here") == sample
