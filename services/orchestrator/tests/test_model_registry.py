"""The registry of models: whole versions or none, aliases moved by compare-and-set, files fetched as registered."""

import asyncio
from pathlib import Path

import pytest
from sightwire_orchestrator.registry.references import ModelReference, parse_reference
from sightwire_orchestrator.registry.service import ModelRegistry
from sightwire_orchestrator.storage.database import Database

from services.orchestrator.tests.made_bundles import make_bundle
from sightwire.blobs import BlobStore, open_blob_store
from sightwire.bundles import BUNDLE_FILE, BundleError, file_sha256, load_bundle
from sightwire.contracts.models import DEFAULT, LIVE, ModelId, ModelLineage, ModelNotes
from sightwire.errors import ConflictError, InvalidInputError, NotFoundError

ALTERED = b"WEIGHTS"


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return open_blob_store(str(tmp_path / "blobs"))


@pytest.fixture
def registry(database: Database, blobs: BlobStore) -> ModelRegistry:
    return ModelRegistry(database, blobs)


async def stored_files(blobs: BlobStore) -> list[str]:
    return await blobs.keys("models")


async def test_a_registered_bundle_can_be_fetched(registry: ModelRegistry, tmp_path: Path):
    folder = make_bundle(tmp_path)
    notes = ModelNotes(tags=("small",), metadata={"team": "a"}, metrics={"real/recall_at_1": 0.25})
    registration = await registry.register(
        folder, notes=notes, lineage=ModelLineage(data=("drawn",), run="train-1"), by="someone"
    )
    model = registration.model
    assert registration.is_new
    assert await registry.get("tiny:1") == model
    assert (str(model.id), model.space, model.dimension, model.bytes) == (
        "tiny:1",
        "tiny-1",
        8,
        len(b"weights") + (folder / BUNDLE_FILE).stat().st_size,
    )
    assert model.metrics == {"drawn/recall_at_1": 0.5, "real/recall_at_1": 0.25}
    assert model.bundle_sha256 == file_sha256(folder / BUNDLE_FILE)
    assert model.configuration["image_encoder"]["size"] == 32

    fetched = await registry.fetch("tiny", tmp_path / "fetched")
    assert fetched.folder == tmp_path / "fetched/tiny-1"
    assert load_bundle(fetched.folder).spec == load_bundle(folder).spec
    assert sorted(path.name for path in fetched.folder.parent.iterdir()) == ["tiny-1"]


async def test_the_same_bundle_again_changes_nothing(registry: ModelRegistry, blobs: BlobStore, tmp_path: Path):
    folder = make_bundle(tmp_path)
    first = await registry.register(folder, by="someone")
    files = await stored_files(blobs)
    again = await registry.register(folder, by="another")
    assert (again.is_new, again.model) == (False, first.model)
    assert await stored_files(blobs) == files


async def test_bundles_that_are_registered_at_once(registry: ModelRegistry, tmp_path: Path):
    folder = make_bundle(tmp_path)
    registrations = await asyncio.gather(*(registry.register(folder) for _ in range(4)))
    assert sorted(registration.is_new for registration in registrations) == [False, False, False, True]
    assert len({registration.model.registered_at for registration in registrations}) == 1


async def test_a_version_never_changes(registry: ModelRegistry, tmp_path: Path):
    await registry.register(make_bundle(tmp_path / "a"))
    with pytest.raises(ConflictError, match="tiny:1 is registered with other files"):
        await registry.register(make_bundle(tmp_path / "b", weights=b"others"))
    assert (await registry.fetch("tiny:1", tmp_path / "fetched")).spec.files[0].sha256 == (
        load_bundle(tmp_path / "a/tiny-1").spec.files[0].sha256
    )


async def test_files_of_many_versions_are_stored_once(registry: ModelRegistry, blobs: BlobStore, tmp_path: Path):
    for version in ("1", "2", "3"):
        await registry.register(make_bundle(tmp_path, version=version))
    descriptions, weights = 3, 1
    assert len(await stored_files(blobs)) == descriptions + weights


@pytest.mark.parametrize(
    ("path", "content", "reason"),
    [
        ("graphs/image.onnx", ALTERED, r"image.onnx: expected sha256 \w+, found \w+"),
        ("graphs/image.onnx", None, "found No such file"),
        (BUNDLE_FILE, None, "A bundle is a folder with a bundle.yaml"),
        (BUNDLE_FILE, b"name: [", "does not describe a bundle"),
        (BUNDLE_FILE, b"{}", "does not describe a bundle"),
    ],
)
async def test_a_wrong_bundle_leaves_nothing_behind(
    registry: ModelRegistry, blobs: BlobStore, tmp_path: Path, path: str, content: bytes | None, reason: str
):
    folder = make_bundle(tmp_path)
    if content is None:
        (folder / path).unlink()
    else:
        (folder / path).write_bytes(content)
    with pytest.raises(BundleError, match=reason):
        await registry.register(folder)
    assert await stored_files(blobs) == []
    assert await registry.versions() == []


async def test_another_bundle_than_the_expected_one(registry: ModelRegistry, blobs: BlobStore, tmp_path: Path):
    folder = make_bundle(tmp_path)
    with pytest.raises(BundleError, match=f"expected sha256 {'0' * 64}, found "):
        await registry.register(folder, expected_sha256="0" * 64)
    assert await stored_files(blobs) == []
    await registry.register(folder, expected_sha256=file_sha256(folder / BUNDLE_FILE))


async def test_a_bundle_in_the_blob_store(registry: ModelRegistry, blobs: BlobStore, tmp_path: Path):
    folder = make_bundle(tmp_path)
    for path in (BUNDLE_FILE, "graphs/image.onnx"):
        await blobs.put(f"trained/run-1/{path}", folder / path)
    registration = await registry.register_stored("trained/run-1/")
    assert registration.model.id == ModelId(name="tiny", version="1")
    with pytest.raises(NotFoundError, match=r"no bundle\.yaml below 'trained' in the blob store"):
        await registry.register_stored("trained")


async def test_a_damaged_file_is_never_served(registry: ModelRegistry, blobs: BlobStore, tmp_path: Path):
    """Not until the bundle is registered again from a whole copy, which mends it."""
    folder = make_bundle(tmp_path)
    weights = next(file for file in (await registry.register(folder)).model.files if file.path != BUNDLE_FILE)
    key = f"models/files/{weights.sha256[:2]}/{weights.sha256}"
    await blobs.put(key, ALTERED)
    with pytest.raises(BundleError, match="register the bundle again from a whole copy"):
        await registry.fetch("tiny", tmp_path / "fetched")
    assert list((tmp_path / "fetched").iterdir()) == []
    await blobs.delete([key])
    with pytest.raises(NotFoundError, match="there is no blob"):
        await registry.fetch("tiny", tmp_path / "fetched")
    await blobs.put(key, ALTERED)
    assert not (await registry.register(folder)).is_new
    await registry.fetch("tiny", tmp_path / "fetched")


async def test_a_damaged_fetched_copy_is_replaced(registry: ModelRegistry, tmp_path: Path):
    await registry.register(make_bundle(tmp_path))
    folder = (await registry.fetch("tiny", tmp_path / "fetched")).folder
    (folder / "graphs/image.onnx").write_bytes(ALTERED)
    await registry.fetch("tiny", tmp_path / "fetched")
    assert (folder / "graphs/image.onnx").read_bytes() == b"weights"
    assert [path.name for path in folder.parent.iterdir()] == ["tiny-1"]


async def test_many_fetch_at_once(registry: ModelRegistry, tmp_path: Path):
    await registry.register(make_bundle(tmp_path))
    await asyncio.gather(*(registry.fetch("tiny", tmp_path / "fetched") for _ in range(4)))
    assert [path.name for path in (tmp_path / "fetched").iterdir()] == ["tiny-1"]


async def test_what_a_name_means(registry: ModelRegistry, tmp_path: Path):
    for version in ("2", "10", "3"):
        await registry.register(make_bundle(tmp_path, version=version))

    async def meant(reference: str) -> str:
        return (await registry.get(reference)).id.version

    assert await meant("tiny") == "3"
    await registry.deprecate("tiny:3", "it is worse")
    assert await meant("tiny") == "10"
    await registry.aliases.move("tiny", DEFAULT, "2", expected=None)
    assert (await meant("tiny"), await meant("tiny@default"), await meant("tiny:10")) == ("2", "2", "10")
    for reference, reason in {
        "tiny:4": "there is no model tiny:4",
        "tiny@live": "model 'tiny' has no alias 'live'",
        "other": "there is no model 'other'",
    }.items():
        with pytest.raises(NotFoundError, match=reason):
            await registry.get(reference)


async def test_aliases_are_moved_by_compare_and_set(registry: ModelRegistry, tmp_path: Path):
    for version in ("1", "2"):
        await registry.register(make_bundle(tmp_path, version=version))
    aliases = registry.aliases
    first = await aliases.move("tiny", LIVE, "1", expected=None, by="someone", reason="the first one")
    with pytest.raises(ConflictError, match="tiny@live means '1' and not nothing"):
        await aliases.move("tiny", LIVE, "2", expected=None)
    with pytest.raises(NotFoundError, match="there is no model tiny:3"):
        await aliases.move("tiny", LIVE, "3", expected="1")
    with pytest.raises(InvalidInputError, match="expected a model as"):
        await aliases.move("tiny", "Live", "1", expected=None)
    second = await aliases.move("tiny", LIVE, "2", expected="1")
    back = await aliases.roll_back("tiny", LIVE, reason="it was worse")
    assert [(move.revision, move.previous, move.version) for move in (first, second, back)] == [
        (1, None, "1"),
        (2, "1", "2"),
        (3, "2", "1"),
    ]
    assert await aliases.of("tiny") == {LIVE: back}
    await aliases.move("tiny", LIVE, None, expected="1")
    assert await aliases.of("tiny") == {}
    assert [move.version for move in await aliases.history("tiny", LIVE)] == [None, "1", "2", "1"]
    with pytest.raises(NotFoundError, match="no alias 'live'"):
        await aliases.roll_back("tiny", LIVE)


async def test_of_those_who_move_an_alias_at_once_one_succeeds(registry: ModelRegistry, tmp_path: Path):
    for version in ("0", "1", "2", "3"):
        await registry.register(make_bundle(tmp_path, version=version))
    await registry.aliases.move("tiny", LIVE, "0", expected=None)
    outcomes = await asyncio.gather(
        *(registry.aliases.move("tiny", LIVE, version, expected="0") for version in ("1", "2", "3")),
        return_exceptions=True,
    )
    moved = [outcome for outcome in outcomes if not isinstance(outcome, ConflictError)]
    assert len(moved) == 1
    assert await registry.aliases.of("tiny") == {LIVE: moved[0]}


async def test_the_first_meaning_cannot_be_rolled_back(registry: ModelRegistry, tmp_path: Path):
    await registry.register(make_bundle(tmp_path))
    await registry.aliases.move("tiny", LIVE, "1", expected=None)
    with pytest.raises(ConflictError, match="tiny@live meant nothing before '1'"):
        await registry.aliases.roll_back("tiny", LIVE)


async def test_deprecation(registry: ModelRegistry, tmp_path: Path):
    for version in ("1", "2"):
        await registry.register(make_bundle(tmp_path, version=version))
    await registry.aliases.move("tiny", LIVE, "1", expected=None)
    with pytest.raises(ConflictError, match="tiny:1 is live; move the alias to another version first"):
        await registry.deprecate("tiny:1", "old")
    with pytest.raises(InvalidInputError, match="cannot be replaced by itself"):
        await registry.deprecate("tiny:2", "old", replacement=ModelId(name="tiny", version="2"))
    await registry.aliases.move("tiny", LIVE, "2", expected="1")
    deprecated = await registry.deprecate("tiny:1", "old", replacement=ModelId(name="tiny", version="2"), by="someone")
    assert deprecated.deprecation is not None
    assert (deprecated.deprecation.reason, deprecated.revision) == ("old", 2)
    assert await registry.get("tiny:1") == deprecated
    assert [model.id.version for model in await registry.versions()] == ["2"]
    assert [model.id.version for model in await registry.versions(with_deprecated=True)] == ["2", "1"]
    with pytest.raises(ConflictError, match="tiny:1 is deprecated and gets no alias"):
        await registry.aliases.roll_back("tiny", LIVE)
    assert (await registry.fetch("tiny:1", tmp_path / "fetched")).spec.version == "1"


async def test_notes_are_changed_one_after_the_other(registry: ModelRegistry, tmp_path: Path):
    model = (await registry.register(make_bundle(tmp_path))).model
    changed = await registry.annotate(model, ModelNotes(tags=("good",)))
    assert (await registry.get("tiny")).notes.tags == changed.notes.tags == ("good",)
    with pytest.raises(ConflictError, match="tiny:1 was changed since revision 1"):
        await registry.annotate(model, ModelNotes(tags=("bad",)))
    assert [model.id.version for model in await registry.versions(tag="good")] == ["1"]
    assert await registry.versions(tag="bad") == []


async def test_lists(registry: ModelRegistry, tmp_path: Path):
    for name, version, space in (("b", "1", "b-1"), ("a", "1", "a-1"), ("b", "2", "a-1")):
        await registry.register(make_bundle(tmp_path, name, version, space=space))

    async def listed(**wanted: str) -> list[str]:
        return [str(model.id) for model in await registry.versions(**wanted)]

    assert await listed() == ["a:1", "b:2", "b:1"]
    assert await listed(name="b") == ["b:2", "b:1"]
    assert await listed(space="a-1") == ["a:1", "b:2"]


async def test_lineage(registry: ModelRegistry, tmp_path: Path):
    for version, parent in (("1", None), ("2", "1"), ("3", "2")):
        lineage = ModelLineage(parent=None if parent is None else ModelId(name="tiny", version=parent))
        await registry.register(make_bundle(tmp_path, version=version), lineage=lineage)
    assert [model.id.version for model in await registry.lineage("tiny:3")] == ["3", "2", "1"]
    with pytest.raises(NotFoundError, match="there is no model tiny:9"):
        await registry.register(
            make_bundle(tmp_path, version="4"), lineage=ModelLineage(parent=ModelId(name="tiny", version="9"))
        )


async def test_what_differs(registry: ModelRegistry, tmp_path: Path):
    quality = [
        {"measure": "recall_at_1", "dataset": "drawn", "value": 0.75},
        {"measure": "recall_at_10", "dataset": "drawn", "value": 1.0},
    ]
    await registry.register(make_bundle(tmp_path))
    await registry.register(
        make_bundle(
            tmp_path,
            version="2",
            weights=b"better weights",
            space="tiny-2",
            image_encoder={"file": "graphs/image.onnx", "size": 64},
            quality=quality,
        )
    )
    comparison = await registry.compare("tiny:1", "tiny:2")
    assert not comparison.same_space
    assert [(each.path, each.before, each.after) for each in comparison.configuration] == [
        ("image_encoder.size", 32, 64),
        ("space", "tiny-1", "tiny-2"),
    ]
    assert [(each.metric, each.before, each.after, each.change) for each in comparison.metrics] == [
        ("drawn/recall_at_1", 0.5, 0.75, 0.25),
        ("drawn/recall_at_10", None, 1.0, None),
    ]
    assert [(each.path, each.change) for each in comparison.files] == [
        ("bundle.yaml", "changed"),
        ("graphs/image.onnx", "changed"),
    ]
    same = await registry.compare("tiny:1", "tiny:1")
    assert (same.configuration, same.files, same.same_space) == ((), (), True)


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("tiny", ModelReference("tiny")),
        ("tiny:1.2-b", ModelReference("tiny", version="1.2-b")),
        ("tiny@live", ModelReference("tiny", alias="live")),
    ],
)
def test_references(text: str, reference: ModelReference):
    assert parse_reference(text) == reference


@pytest.mark.parametrize("text", ["", "Tiny", "tiny:", "tiny@", "tiny:1@live", "tiny@Live", "a/b", ":1", "tiny:1:2"])
def test_wrong_references(text: str):
    with pytest.raises(InvalidInputError, match="NAME, NAME:VERSION or NAME@ALIAS"):
        parse_reference(text)
