"""What drawings are of: concepts, names, and what no training picture may show."""

import json
from collections import Counter

import pytest
from sightwire_trainer.datasets.clipart_styles import STYLES
from sightwire_trainer.datasets.drawings import numbered
from sightwire_trainer.datasets.emoji import Concept, concept_code, is_unseen, read_concepts
from sightwire_trainer.datasets.emoji_drawings import drawings_of_files, drawings_of_fluent, drawings_of_icon_set
from sightwire_trainer.datasets.flags import drawings_of_flags, flag_code
from sightwire_trainer.datasets.icon_drawings import drawings_of_named_icons
from sightwire_trainer.datasets.icons import IconSet, read_icon_set
from sightwire_trainer.datasets.naming import ConceptNames, UnseenNames, name_words
from sightwire_trainer.datasets.openclipart import drawings_of_clip_art, name_of_file, read_clip_art
from sightwire_trainer.datasets.splits import TEST_OPENCLIPART, TRAIN, packed_splits, read_splits

from sightwire.errors import CorruptDataError

SNOWFLAKE = Concept("2744", "snowflake", ("cold", "snow"), 5)
STAR_OF_DAVID = Concept("2721", "star of David", ("star",), 8, ("star_of_david", "jewish_star"))
TRACKBALL = Concept("1f5b2", "trackball", ("computer",), 7)
RED_APPLE = Concept("1f34e", "red apple", ("fruit",), 4, ("apple",))
GREEN_APPLE = Concept("1f34f", "green apple", ("fruit",), 4, ("apple", "granny_smith"))
FRANCE = Concept("1f1eb-1f1f7", "flag: France", ("fr",), 9)
CONCEPTS = {concept.code: concept for concept in (SNOWFLAKE, STAR_OF_DAVID, TRACKBALL, RED_APPLE, GREEN_APPLE, FRANCE)}
DRAWN = '<path d="M0 0h9v9h-9z"/>'


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("1F9D1-200D-2695-FE0F", "1f9d1-200d-2695"),
        ("u1f9d1_200d_2695", "1f9d1-200d-2695"),
        ("23-20e3", "0023-20e3"),
        ("0030-FE0F-20E3", "0030-20e3"),
        ("2744", "2744"),
    ],
)
def test_concepts_have_one_code(written: str, code: str) -> None:
    assert concept_code(written) == code


@pytest.mark.parametrize("code", ["0030-20e3", "1f004", "271d", "2721", "2728", "2744"])
def test_concepts_kept_for_evaluation(code: str) -> None:
    assert is_unseen(code)


@pytest.mark.parametrize("code", ["1f5b2", "1f9d1-200d-2695", "1f34e", "1f34f", "1f1eb-1f1f7"])
def test_concepts_of_training(code: str) -> None:
    assert not is_unseen(code)


def test_concepts_are_read_with_all_their_names() -> None:
    data = [
        {"hexcode": "2744", "label": "snowflake", "tags": ["cold", "snow"], "group": 5},
        {"hexcode": "1F3FB", "label": "light skin tone", "group": 2},
        {"hexcode": "1F1E6", "label": "regional indicator A"},
    ]
    concepts = read_concepts(json.dumps(data).encode(), [b'{"2744-FE0F": "snow_crystal"}', b'{"2744": ["snowflake"]}'])
    assert {code: concept.group for code, concept in concepts.items()} == {"2744": 5, "1f3fb": 2, "1f1e6": None}
    assert concepts["2744"] == Concept("2744", "snowflake", ("cold", "snow"), 5, ("snowflake", "snow_crystal"))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Star of David", ("star", "david")),
        ("snow_Flakes-02", ("snow", "flake", "02")),
        ("glass", ("glass",)),
        ("boxes", ("box",)),
        ("on", ("on",)),
        ("cactus", ("cactus",)),
    ],
)
def test_names_are_compared_as_words(name: str, words: tuple[str, ...]) -> None:
    assert name_words(name) == words


@pytest.mark.parametrize(
    ("name", "concept"),
    [
        ("Trackball", TRACKBALL),
        ("track-ball", TRACKBALL),
        ("redapple", RED_APPLE),
        ("granny-smith", GREEN_APPLE),
        ("apple", None),  # of both
        ("snow-flakes", SNOWFLAKE),
        ("house", None),
    ],
)
def test_names_mean_concepts(name: str, concept: Concept | None) -> None:
    assert ConceptNames(CONCEPTS.values()).meant_by(name) == concept


@pytest.mark.parametrize(
    ("name", "unseen"),
    [
        ("snowflake", True),
        ("Snowflakes", True),
        ("snow-flake-outline", True),
        ("blue snowflake", True),
        ("david's star", True),
        ("star of david, gold", True),
        ("jewish-star", True),
        ("star", False),
        ("trackball", False),
    ],
)
def test_names_of_unseen_concepts_are_recognised(name: str, unseen: bool) -> None:
    assert UnseenNames(CONCEPTS.values()).include(name) == unseen


def icon_set(*names: str, characters: dict[str, str] | None = None) -> IconSet:
    return IconSet(dict.fromkeys(names, f'<svg viewBox="0 0 9 9">{DRAWN}</svg>'), characters or {}, "MIT")


def test_named_icons_show_concepts_of_training_alone() -> None:
    icons = icon_set("snowflake", "snow-flakes", "trackball", "granny-smith", "apple", "house", "blue-snowflake")
    names, unseen = ConceptNames(CONCEPTS.values()), UnseenNames(CONCEPTS.values())
    drawings = list(drawings_of_named_icons(icons, names, unseen, "icons"))
    assert [(drawing.name, drawing.concept, drawing.licence) for drawing in drawings] == [
        ("green apple", "1f34f", "MIT"),
        ("trackball", "1f5b2", "MIT"),
    ]


def test_of_variants_of_an_icon_one_is_taken() -> None:
    icons = icon_set("trackball", "trackball-filled", "red-apple")
    names, unseen = ConceptNames(CONCEPTS.values()), UnseenNames(CONCEPTS.values())
    drawings = drawings_of_named_icons(icons, names, unseen, "icons", variant="-filled")
    assert [drawing.name for drawing in drawings] == ["trackball"]


def test_drawings_of_emoji_are_those_of_the_given_concepts() -> None:
    seen = {code: concept for code, concept in CONCEPTS.items() if not is_unseen(code)}
    svg = f'<svg viewBox="0 0 9 9">{DRAWN}</svg>'.encode()
    of_icons = drawings_of_icon_set(icon_set("a", "b", characters={"2744": "a", "1f5b2": "b"}), seen, "set")
    of_files = drawings_of_files({"1f5b2.svg": svg, "2744.svg": svg, "license": b""}, seen, "set", "MIT")
    of_fluent = drawings_of_fluent({"red-apple-default.svg": svg, "snowflake.svg": svg}, seen, "set")
    of_flags = drawings_of_flags(icon_set("fr-4x3", "fr", "de-4x3", "fr-1x1"), seen, "set", suffix="-4x3")
    names = [[drawing.name for drawing in drawings] for drawings in (of_icons, of_files, of_fluent, of_flags)]
    assert names == [["trackball"], ["trackball"], ["red apple"], ["flag: France"]]
    assert flag_code("fr") == FRANCE.code


def icon_files(licence: str) -> dict[str, bytes]:
    icons = {"a": {"body": '<path fill="currentColor"/>'}, "old": {"body": "", "hidden": True}}
    return {
        "icons.json": json.dumps({"icons": icons, "width": 24, "height": 24}).encode(),
        "info.json": json.dumps({"license": {"spdx": licence}}).encode(),
    }


def test_icon_sets_are_read_as_svg() -> None:
    icons = read_icon_set(icon_files("CC0-1.0"))
    assert list(icons.icons) == ["a"]
    assert 'viewBox="0 0 24 24"><path fill="#000000"/>' in icons.icons["a"]
    assert icons.licence == "public domain"


@pytest.mark.parametrize("licence", ["CC-BY-SA-4.0", "CC-BY-4.0", "CC-BY-NC-4.0", "GPL-3.0"])
def test_sets_under_other_licences_are_refused(licence: str) -> None:
    with pytest.raises(ValueError, match=licence):
        read_icon_set(icon_files(licence))


def test_a_package_without_icons_is_told() -> None:
    with pytest.raises(CorruptDataError, match="info"):
        read_icon_set({"icons.json": b"{}"})


def clip_art_svg(title: str, *keywords: str, description: str = "") -> bytes:
    items = "".join(f"<rdf:li>{word}</rdf:li>" for word in keywords)
    return f"""<svg xmlns="http://www.w3.org/2000/svg" xmlns:cc="http://web.resource.org/cc/"
        xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
        <metadata><rdf:RDF><cc:Work><dc:title>{title}</dc:title><dc:description>{description}</dc:description>
        <dc:subject><rdf:Bag>{items}</rdf:Bag></dc:subject></cc:Work></rdf:RDF></metadata></svg>""".encode()


def test_clip_art_is_described_by_its_title_or_its_file() -> None:
    files = {
        "animals/cat_01.svg": clip_art_svg("Cartoon_Cat", "", "Mammal", "hash", "sign", "north_america", "mammal"),
        "food/pear2.svg": clip_art_svg("Clipart by Somebody - pear", description="HASH(0x86)"),
        "food/broken.svg": b"<svg",
    } | {f"map/no_dogs{number}.svg": clip_art_svg("Signs") for number in range(10)}
    clip_art = read_clip_art(files.items())
    cat = clip_art["animals/cat_01"]
    assert (cat.name, cat.keywords, cat.description) == ("cartoon cat", ("mammal", "north america"), "")
    assert (clip_art["food/pear2"].name, clip_art["food/pear2"].description) == ("pear", "")
    assert {clip_art[f"map/no_dogs{number}"].name for number in range(10)} == {"no dogs"}
    assert "food/broken" not in clip_art
    drawings = drawings_of_clip_art(
        clip_art, [("animals/cat_01.png", b""), ("other.png", b"")], ["animals/cat_01", "other"]
    )
    assert [(drawing.identity, drawing.concept) for drawing in drawings.values()] == [("animals/cat_01", None)]
    assert name_of_file("shapes/arrow3-2-2") == "arrow"


def test_the_fixed_sets_have_their_sizes_and_nothing_in_common() -> None:
    splits = read_splits()
    assert Counter(entry.source for entry in splits[TRAIN]) == {"openclipart": 2630, "noto": 1416, "fluent": 1301}
    assert len(splits[TEST_OPENCLIPART]) == 658
    assert not {entry.identity for entry in splits[TRAIN]} & {entry.identity for entry in splits[TEST_OPENCLIPART]}
    assert not [entry for entry in splits[TRAIN] if entry.source != "openclipart" and is_unseen(entry.identity)]
    assert len(packed_splits(splits.items())) < 40_000


def test_no_style_is_of_an_artist_of_the_test_sets() -> None:
    assert not [style for style in STYLES if "twemoji" in style or "openmoji" in style]


def test_drawings_are_numbered_within_their_set() -> None:
    drawing = next(iter(drawings_of_icon_set(icon_set("b", characters={"1f5b2": "b"}), CONCEPTS, "set")))
    assert [key for key, _ in numbered([drawing, drawing])] == ["set-00000", "set-00001"]
