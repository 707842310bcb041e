"""A configuration's sources opened: what is trained on, kept apart and left out, and the card that tells it."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from sightwire_trainer.configuration import TrainingConfiguration, parse_configuration
from sightwire_trainer.data.concepts import choose_concepts
from sightwire_trainer.data.datasets import TrainingData, open_training_data
from sightwire_trainer.data.samples import Sample
from sightwire_trainer.data.tar_writing import write_tar
from sightwire_trainer.data.tars import TarSamples

from services.trainer.tests.drawn_samples import drawing, drawn_samples
from sightwire.errors import CorruptDataError, InvalidInputError


def configuration(folder: Path, **data: object) -> TrainingConfiguration:
    content = {"name": "test", "version": "1", "space": "test", "data": {"train": [tar("train.tar")], **data}}
    return parse_configuration(content, base=folder, name="test")


def tar(name: str) -> dict[str, str]:
    return {"kind": "tar", "path": name}


def opened(folder: Path, **data: object) -> TrainingData:
    return open_training_data(configuration(folder, **data), cache=None)


def keys(samples: object) -> set[str]:
    return {sample.key for sample in samples}


def test_whole_concepts_are_kept_apart(tmp_path: Path) -> None:
    write_tar(tmp_path / "train.tar", drawn_samples(60, concepts=20))
    data = opened(tmp_path, validation_concepts=0.2)
    assert {len(data.train), len(data.validation)} == {48, 12}
    kept_apart = {sample.concept for sample in data.validation}
    assert len(kept_apart) == 4
    assert not kept_apart & {sample.concept for sample in data.train}
    assert keys(opened(tmp_path, validation_concepts=0.2).validation) == keys(data.validation)
    assert len(opened(tmp_path, validation_concepts=0).validation) == 0


@given(st.sets(st.text(max_size=4)), st.floats(0, 1))
def test_a_share_of_concepts(concepts: set[str], share: float) -> None:
    chosen = choose_concepts(concepts, share)
    assert chosen <= concepts
    assert abs(len(chosen) - share * len(concepts)) <= 1
    assert bool(chosen) == bool(share and concepts)


def test_the_likes_of_held_out_and_validation_samples_are_left_out(tmp_path: Path) -> None:
    samples = drawn_samples(10)
    write_tar(tmp_path / "train.tar", samples)
    write_tar(tmp_path / "validation.tar", [Sample("v1", "v1", drawing(0)), Sample("v2", "v2", drawing(3))])
    write_tar(tmp_path / "test.tar", [Sample("t", "t", drawing(3)), Sample("u", "u", drawing(5))])
    data = opened(tmp_path, validation=[tar("validation.tar")], held_out=[tar("test.tar")])
    assert keys(data.validation) == {"v1"}
    assert keys(data.train) == keys(samples) - {"drawing-0", "drawing-3", "drawing-5"}
    assert {(part.reason, part.samples, part.examples) for part in data.card.left_out} == {
        ("nearly the same picture as a held-out sample", 2, ("drawing-3", "drawing-5")),
        ("nearly the same picture as a held-out sample", 1, ("v2",)),
        ("nearly the same picture as a validation sample", 1, ("drawing-0",)),
    }


def test_unreadable_samples_stop_a_training_or_are_counted(tmp_path: Path) -> None:
    broken = Sample("broken", "a boat", drawing(1)[:100])
    write_tar(tmp_path / "train.tar", [*drawn_samples(5), broken])
    with pytest.raises(CorruptDataError, match=r"train\.tar, broken: "):
        opened(tmp_path)
    data = opened(tmp_path, skip_corrupt=True)
    assert len(data.train) + len(data.validation) == 5
    [left_out] = data.card.left_out
    assert (left_out.reason, left_out.samples) == ("unreadable (train)", 1)
    assert "broken" in left_out.examples[0]


def test_nothing_left_to_train_on(tmp_path: Path) -> None:
    write_tar(tmp_path / "train.tar", drawn_samples(4))
    with pytest.raises(InvalidInputError, match=r"of 4 samples none is left.*4 nearly the same picture as a held-out"):
        opened(tmp_path, held_out=[tar("train.tar")])
    write_tar(tmp_path / "train.tar", [])
    with pytest.raises(InvalidInputError, match="of 0 samples none"):
        opened(tmp_path)


def test_the_card_of_several_sources(tmp_path: Path) -> None:
    write_tar(tmp_path / "train.tar", drawn_samples(6, concepts=3))
    write_tar(tmp_path / "more.tar", drawn_samples(4, first=10, origin="elsewhere|here"))
    write_tar(tmp_path / "test.tar", drawn_samples(2, first=20))
    more = [tar("train.tar"), tar("more.tar")]
    data = opened(tmp_path, train=more, held_out=[tar("test.tar")], validation_concepts=0)
    assert keys(data.train) == keys([*drawn_samples(6), *drawn_samples(4, first=10)])
    card = data.card
    assert (card.train.samples, card.train.concepts) == (10, 7)
    assert card.train.origins == {"drawn": 6, "elsewhere|here": 4}
    assert card.train.licences == {"CC0-1.0": 10}
    assert [(source.name, source.part, source.counts.samples) for source in card.sources] == [
        ("train.tar", "train", 6),
        ("more.tar", "train", 4),
        ("test.tar", "held_out", 2),
    ]
    assert card.sources[0].sha256 == TarSamples(tmp_path / "train.tar").sha256()
    assert yaml.safe_load(card.as_yaml()) == card.model_dump(mode="json")
    assert str(tmp_path) not in card.as_yaml()
    markdown = card.as_markdown()
    assert "| training | 10 | 7 |" in markdown
    assert "| elsewhere\\|here | 4 |" in markdown
