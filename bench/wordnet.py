"""WordNet's 117,659 synsets as a labelled corpus: definitions to find, and usage examples that ask for them.

The database is the Debian package wordnet-base (WordNet 3.0, Princeton University; its licence allows any use with its
notice), fetched by apt from the machine's own sources. Definitions are embedded once by the default bundle and kept in
the user's cache folder. `python -m bench.wordnet` prepares all of it, some ten minutes on two cores.
"""

import hashlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from bench.cache import cache_folder
from bench.plain_loop import PlainLoop
from sightwire.segments.vectors import Matrix

_PACKAGE: Final = "wordnet-base"
_PARTS_OF_SPEECH: Final = ("noun", "verb", "adj", "adv")
_EMBED_BATCH: Final = 32
#: An example ends the gloss, in quotation marks, after the definition.
_EXAMPLE: Final = re.compile(r'"([^"]+)"')
_MIN_EXAMPLE_WORDS: Final = 4


@dataclass(frozen=True, slots=True)
class Synset:
    """A meaning: the words that have it, its definition, and sentences that use one of the words so."""

    id: str
    words: tuple[str, ...]
    definition: str
    examples: tuple[str, ...]

    @property
    def text(self) -> str:
        """What is indexed: words and definition, without the examples."""
        return f"{', '.join(self.words)}: {self.definition}"


@dataclass(frozen=True, slots=True)
class Corpus:
    """Synsets with the vectors of their texts, float32 [synsets, dimension], unit length."""

    synsets: Sequence[Synset]
    vectors: Matrix


@dataclass(frozen=True, slots=True)
class Questions:
    """Usage examples, their vectors, float32 [questions, dimension], and the id of the synset that each is of."""

    texts: Sequence[str]
    vectors: Matrix
    answers: Sequence[str]


def read_synsets() -> list[Synset]:
    """All synsets; fetched when this is the first time on this machine."""
    return list(_synsets(_database()))


def read_corpus() -> Corpus:
    """All synsets with their vectors; fetched and embedded when this is the first time on this machine."""
    synsets = read_synsets()
    return Corpus(synsets, _embedded([synset.text for synset in synsets], "synsets"))


def read_questions(synsets: Sequence[Synset], count: int) -> Questions:
    """`count` examples of different synsets, spread evenly over all that have one."""
    asked = [(example, synset.id) for synset in synsets if (example := _question(synset)) is not None]
    chosen = [asked[position] for position in np.linspace(0, len(asked) - 1, count).astype(int)]
    texts = [text for text, _ in chosen]
    return Questions(texts, _embedded(texts, "questions"), [answer for _, answer in chosen])


def _question(synset: Synset) -> str | None:
    return next((example for example in synset.examples if len(example.split()) >= _MIN_EXAMPLE_WORDS), None)


def _synsets(folder: Path) -> Iterator[Synset]:
    for part in _PARTS_OF_SPEECH:
        for line in (folder / f"data.{part}").read_text(encoding="utf-8").splitlines():
            # The licence at the top of each file is indented.
            if not line.startswith(" "):
                yield _parsed(part, line)


def _parsed(part: str, line: str) -> Synset:
    """A line of a data file; its format is described in wndb(5WN)."""
    data, _, gloss = line.partition(" | ")
    offset, _, _, word_count, *rest = data.split(" ")
    words = [rest[2 * number].split("(")[0].replace("_", " ") for number in range(int(word_count, 16))]
    definition = gloss.split('; "')[0].split('"')[0].strip().rstrip(";:").strip()
    return Synset(f"{part}-{offset}", tuple(words), definition, tuple(_EXAMPLE.findall(gloss)))


def _database() -> Path:
    """Folder with WordNet's data files."""
    installed = cache_folder() / "wordnet"
    if not installed.is_dir():
        with tempfile.TemporaryDirectory(dir=cache_folder()) as temporary:
            subprocess.run(["apt-get", "download", _PACKAGE], cwd=temporary, check=True, stdout=subprocess.DEVNULL)
            (package,) = Path(temporary).glob("*.deb")
            subprocess.run(["dpkg-deb", "--extract", package.name, "files"], cwd=temporary, check=True)
            (Path(temporary) / "files/usr/share/wordnet").rename(installed)
    return installed


def _embedded(texts: Sequence[str], name: str) -> Matrix:
    digest = hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
    path = cache_folder() / f"{name}-{digest}.npy"
    if not path.exists():
        vectors = _embed(texts)
        with tempfile.NamedTemporaryFile(dir=cache_folder(), suffix=".npy", delete=False) as file:
            np.save(file, vectors)
        Path(file.name).rename(path)
    stored: Matrix = np.load(path, mmap_mode="r")
    return stored


def _embed(texts: Sequence[str]) -> Matrix:
    """Vectors in the order of the texts, made in the order of their length, so that little is padded."""
    models = PlainLoop()
    order = sorted(range(len(texts)), key=lambda position: len(texts[position]))
    vectors: Matrix | None = None
    for start in range(0, len(order), _EMBED_BATCH):
        batch = order[start : start + _EMBED_BATCH]
        made = np.stack(models.text_vectors([texts[position] for position in batch]))
        if vectors is None:
            vectors = np.empty((len(texts), made.shape[1]), dtype=np.float32)
        vectors[batch] = made
        print(f"\rembedded {start + len(batch):,} of {len(order):,}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    assert vectors is not None, "there are texts"
    return vectors


if __name__ == "__main__":
    prepared = read_corpus()
    print(f"{len(prepared.synsets):,} synsets; {len(read_questions(prepared.synsets, 2_000).texts):,} questions")
