"""Tests of download.py: published weights come once, whole, and are what they should be."""

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mnasnet.arch.zoo import ZOO, PublishedWeights
from mnasnet.base.errors import RequestError
from mnasnet.nn.download import fetch, published_weights

CONTENT = b"the weights"
NAME = f"tiny-{hashlib.sha256(CONTENT).hexdigest()[:8]}.pth"


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The address of a web server on this machine, and the folder that it serves."""
    served = tmp_path / "served"
    served.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(served))) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{running.server_port}/", served
        finally:
            running.shutdown()
            thread.join()


def published(address: str) -> PublishedWeights:
    return PublishedWeights(by="timm", url=f"{address}{NAME}", top1=1.0, top5=5.0)


def test_a_file_comes_once(server: tuple[str, Path], tmp_path: Path) -> None:
    address, served = server
    (served / NAME).write_bytes(CONTENT)
    path = fetch(published(address), tmp_path / "cache")
    assert path.read_bytes() == CONTENT
    (served / NAME).unlink()
    assert fetch(published(address), tmp_path / "cache") == path


def test_something_else_under_the_name_is_refused_and_not_kept(
    server: tuple[str, Path], tmp_path: Path
) -> None:
    address, served = server
    (served / NAME).write_bytes(b"something else")
    with pytest.raises(RequestError, match="sent something else: invalid hash value"):
        fetch(published(address), tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_a_damaged_file_in_the_cache_is_named(server: tuple[str, Path], tmp_path: Path) -> None:
    address, _ = server
    (tmp_path / NAME).write_bytes(CONTENT[:4])
    with pytest.raises(RequestError, match="is not what its name says, by its SHA-256: remove it"):
        fetch(published(address), tmp_path)


def test_a_file_that_is_gone_and_a_network_that_is_not_there_are_one_line(
    server: tuple[str, Path], tmp_path: Path
) -> None:
    address, _ = server
    with pytest.raises(RequestError, match=f"{NAME} cannot be had: .*not found; connect to a network"):
        fetch(published(address), tmp_path)
    with pytest.raises(RequestError, match="Connection refused; connect to a network, or put the file into"):
        fetch(published("http://127.0.0.1:1/"), tmp_path)


def test_every_published_file_has_a_digest_in_its_name() -> None:
    files = [weights for network in ZOO.values() for weights in network.weights]
    assert len(files) == 11
    for weights in files:
        assert len(weights.sha256) >= 8
        assert int(weights.sha256, 16) > 0
        assert weights.top1 < weights.top5 < 100


def test_weights_are_found_by_network_width_and_publisher() -> None:
    found = published_weights("mnasnet-b1", by="torchvision", width=1.3)
    assert found is not None
    assert found.file == "mnasnet1_3-a4c69d6f.pth"
    assert published_weights("mnasnet-b1", by="weights.pth", width=1.0) is None
    with pytest.raises(
        RequestError, match=r"timm publishes no weights of mnasnet-b1 at width 0\.5; there are"
    ):
        published_weights("mnasnet-b1", by="timm", width=0.5)
    with pytest.raises(RequestError, match="there are none: give a file"):
        published_weights("mnasnet-d1", by="timm", width=1.0)
