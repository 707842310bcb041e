"""Opens blob stores by URL: a folder of this machine, or a bucket of S3 or of a server that speaks its protocol."""

import atexit
import os
import time
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
#: At the end of a process that used S3: see `_let_threads_finish`.
_FINISHING_SECONDS: Final = 0.1


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
            return BlobStore(_s3_store(url), root=None)
        if "://" in url and not url.startswith("file://"):
            raise ConfigurationError(f"{url!r} is no blob store: expected a folder or s3://bucket/prefix")
        root = Path(url.removeprefix("file://")).resolve()
        root.mkdir(parents=True, exist_ok=True)
        return BlobStore(LocalStore(prefix=root, automatic_cleanup=True), root=root)
    except (OSError, BaseError, ValueError) as error:
        raise ConfigurationError(f"the blob store {url!r} cannot be used: {error}") from error


def _s3_store(url: str) -> S3Store:
    # As for other settings, an empty variable counts as unset; the library, which reads them itself, would take an
    # empty one at its word.
    for name in [name for name, value in os.environ.items() if name.startswith("AWS_") and not value]:
        del os.environ[name]
    endpoint = next((os.environ[name] for name in ENDPOINT_VARIABLES if name in os.environ), None)
    if endpoint is not None and not endpoint.startswith(("http://", "https://")):
        raise ConfigurationError(f"the endpoint {endpoint!r} of the blob store must begin with http:// or https://")
    client: ClientConfig = {
        # Whoever gives an endpoint without TLS means it: a server on the same machine or network.
        "allow_http": endpoint is not None and endpoint.startswith("http://"),
        "connect_timeout": timedelta(seconds=_CONNECT_SECONDS),
        "read_timeout": timedelta(seconds=_SILENCE_SECONDS),
        "timeout": timedelta(seconds=_REQUEST_SECONDS),
    }
    # Once, however many stores are opened.
    atexit.unregister(_let_threads_finish)
    atexit.register(_let_threads_finish)
    return S3Store.from_url(url, client_options=client, retry_config=_RETRY)


def _let_threads_finish() -> None:
    """Keeps the interpreter from ending just when a thread of the library hands over the result of the last call.

    It would find no interpreter any more and abort the process, which a quarter of the processes did whose last deed
    was a call to S3. The library cannot be asked to end its threads.
    """
    time.sleep(_FINISHING_SECONDS)
