"""Full text of a segment: which words its items have, ranked by BM25 (tantivy).

`analysis` makes words of text, alike for indexing and for queries; `building` writes the index of a segment;
`text_index` searches it.
"""
