"""Opens blob stores by URL: a folder of this machine, or a bucket of S3 or of a server that speaks its protocol."""

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from obstore.exceptions import BaseError
from obstore.store import LocalStore, S3Store

from sightwire.blobs.store import BlobStore
from sightwire.errors import ConfigurationError

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

#: Where the endpoint of a server other than Amazon's is looked for, as by other programs; the first one that is set.
ENDPOINT_VARIABLES: Final = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")

#: A short absence is waited for here. A longer one is an error: whoever called knows better how long to go on trying.
_RETRY: Final["RetryConfig"] = {
    "max_retries": 5,
    "retry_timeout": timedelta(seconds=10),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=2), "base": 2},
}
_CONNECT_SECONDS: Final = 3
#: For one part of an upload, and between two pieces of a download.
_SILENCE_SECONDS: Final = 30
#: For one request from beginning to end: a segment's largest file over a slow line.
_REQUEST_SECONDS: Final = 3600


def open_blob_store(url: str) -> BlobStore:
    """The blob store at `url`: a folder (created when missing) or `s3://bucket/prefix`.

    Of S3 the credentials, the region and the endpoint come from the environment: `AWS_ACCESS_KEY_ID`,
    `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION`, `AWS_ENDPOINT_URL` and the like. Nothing is asked of the
    server here.

    Raises:
        ConfigurationError: it is neither, or the folder cannot be made.
    """
    try:
        if url.startswith("s3://"):
            return BlobStore(_s3_store(url, os.environ), root=None)
        if "://" in url and not url.startswith("file://"):
            raise ConfigurationError(f"{url!r} is no blob store: expected a folder or s3://bucket/prefix")
        root = Path(url.removeprefix("file://")).resolve()
        root.mkdir(parents=True, exist_ok=True)
        return BlobStore(LocalStore(prefix=root, automatic_cleanup=True), root=root)
    except (OSError, BaseError, ValueError) as error:
        raise ConfigurationError(f"the blob store {url!r} cannot be used: {error}") from error


def _s3_store(url: str, environment: Mapping[str, str]) -> S3Store:
    endpoint = next((environment[name] for name in ENDPOINT_VARIABLES if environment.get(name)), "")
    client: ClientConfig = {
        # Whoever gives an endpoint without TLS means it: a server on the same machine or network.
        "allow_http": endpoint.startswith("http://"),
        "connect_timeout": timedelta(seconds=_CONNECT_SECONDS),
        "read_timeout": timedelta(seconds=_SILENCE_SECONDS),
        "timeout": timedelta(seconds=_REQUEST_SECONDS),
    }
    return S3Store.from_url(url, client_options=client, retry_config=_RETRY)
