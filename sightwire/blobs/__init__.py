"""Bytes that are too large for the bus: pictures, thumbnails, segments, manifests; in a local folder or S3."""

from sightwire.blobs.opening import open_blob_store
from sightwire.blobs.store import BlobStore

__all__ = ["BlobStore", "open_blob_store"]
