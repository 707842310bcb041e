"""Answering a query from a snapshot, without any I/O but that of mapped memory.

`requests` checks what came; `selections` turns filters into selections of vectors; `field_rankings` searches one field
over all segments; `fusion` and `paging` put rankings together; `engine` runs a whole query; `lookups` answers the
requests that are not searches.
"""
