"""Packages come through npm as it is configured, whole and with the expected content, or not at all."""

import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Literal

import pytest
from sightwire_trainer.datasets.archives import read_files
from sightwire_trainer.datasets.clipart_packages import PACKAGES
from sightwire_trainer.datasets.packages import Package, fetch_package

from sightwire.errors import CorruptDataError, UnavailableError

needs_npm = pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")


def tarball(files: dict[str, bytes], *, mode: Literal["w:gz", "w:xz"] = "w:gz") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return file.getvalue()


def debian_archive(files: dict[str, bytes]) -> bytes:
    def member(name: str, content: bytes) -> bytes:
        return (
            f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode()
            + content
            + b"\n" * (len(content) % 2)
        )

    return b"!<arch>\n" + member("debian-binary", b"2.0") + member("data.tar.xz", tarball(files, mode="w:xz"))


@dataclass
class Registry:
    """An npm registry on this machine with one package."""

    tarball: bytes
    #: Bytes after which a download breaks off.
    breaks_after: int | None = None
    downloads: int = 0
    url: str = ""
    package: Package = field(init=False)

    def __post_init__(self) -> None:
        self.package = Package("npm", "@tiny/icons", "1.0.0", hashlib.sha256(self.tarball).hexdigest())

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        if not request.path.endswith(".tgz"):
            versions = {
                "1.0.0": {"name": "@tiny/icons", "version": "1.0.0", "dist": {"tarball": f"{self.url}/tiny.tgz"}}
            }
            self._send(request, json.dumps({"name": "@tiny/icons", "versions": versions}).encode())
            return
        self.downloads += 1
        self._send(request, self.tarball, self.breaks_after)

    def _send(self, request: BaseHTTPRequestHandler, content: bytes, end: int | None = None) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content[:end])
        request.close_connection = True


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    served = Registry(
        tarball({"package/package.json": b'{"name": "@tiny/icons", "version": "1.0.0"}', "package/a/b.svg": b"<svg/>"})
    )

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.answer(self)

        def log_message(self, *_: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("npm_config_registry", served.url)
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield served
    server.shutdown()
    thread.join()
    server.server_close()


@needs_npm
def test_a_package_is_downloaded_once(registry: Registry, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    archive = fetch_package(registry.package, cache)
    assert read_files(archive, "a") == {"b.svg": b"<svg/>"}
    assert fetch_package(registry.package, cache) == archive
    assert registry.downloads == 1


@needs_npm
def test_other_content_than_expected_is_refused(registry: Registry, tmp_path: Path) -> None:
    expected = Package("npm", registry.package.name, "1.0.0", "0" * 64)
    with pytest.raises(CorruptDataError, match="expected an archive with the sha256 0000"):
        fetch_package(expected, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


@needs_npm
def test_after_an_interrupted_download_the_next_one_begins_anew(registry: Registry, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    registry.breaks_after = 20
    with pytest.raises(UnavailableError, match=r"cannot download @tiny/icons 1\.0\.0 of npm"):
        fetch_package(registry.package, cache)
    assert list(cache.iterdir()) == []
    registry.breaks_after = None
    assert read_files(fetch_package(registry.package, cache), "a")


@needs_npm
def test_a_damaged_archive_in_the_cache_is_replaced(registry: Registry, tmp_path: Path) -> None:
    archive = tmp_path / registry.package.filename
    archive.write_bytes(registry.tarball[:20])
    assert fetch_package(registry.package, tmp_path).read_bytes() == registry.tarball


def test_files_of_a_debian_archive_are_read(tmp_path: Path) -> None:
    archive = tmp_path / "art.deb"
    archive.write_bytes(debian_archive({"./usr/share/art/a.png": b"A", "./usr/share/doc/readme": b"R"}))
    assert read_files(archive, "usr/share/art") == {"a.png": b"A"}


@pytest.mark.parametrize("content", [b"", b"no archive", b"!<arch>\n", debian_archive({"./a": b"A"})[:150]])
def test_damaged_archives_are_told(content: bytes, tmp_path: Path) -> None:
    for name in ("art.deb", "art.tgz"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(CorruptDataError, match=name):
            read_files(tmp_path / name)


def test_no_two_packages_share_a_file_of_the_cache() -> None:
    assert len({package.filename for package in PACKAGES.values()}) == len(PACKAGES)
    assert PACKAGES["openclipart-png"].filename == "openclipart-png-1-0.18+dfsg-19.deb"
