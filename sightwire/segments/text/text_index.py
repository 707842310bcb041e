"""Searches the text index of a segment."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import tantivy

from sightwire.contracts.collections import TextLanguage
from sightwire.errors import CorruptDataError
from sightwire.segments.text.analysis import text_analyzer
from sightwire.segments.text.layout import ANALYZER, PARTS, ROW_FIELD, link_files, temporary_index_folder

_UNSCORED: Final = tantivy.Order.Asc


class TextHits(NamedTuple):
    """Matches, best first: float32 [n], item rows int64 [n], and how many match in all."""

    scores: npt.NDArray[np.float32]
    rows: npt.NDArray[np.int64]
    total: int


class TextIndex:
    """An open text index: immutable, thread-safe, its files mapped into memory.

    Queries are tantivy's, over the fields of `text_schema`, made for `schema`. Rows are item rows of the segment,
    deleted ones included.
    """

    def __init__(self, index: tantivy.Index, language: TextLanguage, rows: int) -> None:
        self.schema: Final = index.schema
        self.language: Final = language
        #: Documents, one per item.
        self.rows: Final = rows
        self._searcher = index.searcher()

    @classmethod
    def open(cls, folder: Path, files: tuple[str, ...], language: TextLanguage, rows: int) -> TextIndex:
        """Opens the text index among the files of a segment.

        Raises:
            CorruptDataError: it is no text index of `rows` items.
        """
        # tantivy locks the folder that it opens, and segments may lie where nobody may write.
        with temporary_index_folder() as links:
            link_files(folder, files, links)
            try:
                index = tantivy.Index.open(str(links))
                index.config_reader("manual", 0)
                index.register_tokenizer(ANALYZER, text_analyzer(language))
                index.reload()
                opened = cls(index, language, rows)
            except (ValueError, OSError) as error:
                raise CorruptDataError(f"{folder} has a text index that cannot be opened: {error}") from None
        if opened._searcher.num_docs != rows:
            raise CorruptDataError(
                f"{folder} has a text index of {opened._searcher.num_docs} items, expected {rows}; rebuild the index"
            )
        return opened

    def doc_freq(self, part: str, term: str) -> int:
        """Number of items with a word in one of `PARTS`."""
        assert part in PARTS, f"unknown part {part!r}"
        return self._searcher.doc_freq(part, term)

    def count(self, query: tantivy.Query) -> int:
        """Number of items that match."""
        # The stubs know only of the hits.
        total: int = self._searcher.search(query, 1, count=True).count  # type: ignore[attr-defined]
        return total

    def matching_rows(self, query: tantivy.Query) -> npt.NDArray[np.int64]:
        """Rows of all items that match, ascending; int64."""
        hits = self._searcher.search(query, self.rows, count=False, order_by_field=ROW_FIELD, order=_UNSCORED).hits
        return np.fromiter((row for row, _ in hits), dtype=np.int64, count=len(hits))

    def best(self, query: tantivy.Query, k: int) -> TextHits:
        """The `k` best matches; of those with equal scores the first rows."""
        result = self._searcher.search(query, max(1, min(k, self.rows)), count=True)
        hits = result.hits
        rows = self._searcher.fast_field_values(ROW_FIELD, [address for _, address in hits])
        total: int = result.count  # type: ignore[attr-defined]
        return TextHits(
            np.fromiter((score for score, _ in hits), dtype=np.float32, count=len(hits)),
            np.array(rows, dtype=np.int64),
            total,
        )
