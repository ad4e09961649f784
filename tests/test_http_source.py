"""The list over a static web server, good ones and bad ones."""

import contextlib
import threading
import time
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from agent.core.notices import ListRefused
from agent.stores.http_source import HttpSource
from agent.stores.sources import SourceFault
from agent.stores.updates import Switched, Unchanged
from tests.trusted_site import TrustedSite


class Static(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 5
    connections = 0

    def setup(self):
        type(self).connections += 1
        super().setup()

    def log_message(self, *_):
        """Quiet."""


class Bad(BaseHTTPRequestHandler):
    """Each path misbehaves in a way of its own."""

    protocol_version = "HTTP/1.1"
    timeout = 5

    def do_GET(self):
        with contextlib.suppress(OSError):
            getattr(self, self.path.strip("/"))()

    def begin(self, status, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def endless(self):
        self.begin(200)
        while True:
            self.wfile.write(bytes(65536))

    def dripping(self):
        self.begin(200)
        for _ in range(1000):
            self.wfile.write(b".")
            time.sleep(0.05)

    def silent(self):
        time.sleep(2)

    def cut(self):
        self.begin(200, **{"Content-Length": "1000"})
        self.wfile.write(b"only this")
        self.close_connection = True

    def moved(self):
        self.begin(302, Location="http://127.0.0.1:1/elsewhere", **{"Content-Length": "0"})

    def broken(self):
        self.begin(500, **{"Content-Length": "0"})

    def zipped(self):
        self.begin(200, **{"Content-Encoding": "gzip", "Content-Length": "5"})
        self.wfile.write(b"12345")

    def rubbish(self):
        self.wfile.write(b"\xff\x00 not http at all\r\n\r\n")
        self.close_connection = True

    def log_message(self, *_):
        """Quiet."""


@contextlib.contextmanager
def serving(handler, **options):
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    source = HttpSource(f"http://127.0.0.1:{server.server_port}/", **options)
    try:
        yield source
    finally:
        source.close()
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_list_arrives_over_one_connection(tmp_path):
    site = TrustedSite(tmp_path / "site")
    site.publish(1)
    Static.connections = 0
    with serving(partial(Static, directory=str(site.repo))) as source:
        assert isinstance(site.sync(source), Switched)
        assert site.sync(source) == Unchanged(1)
    assert Static.connections <= 3, "an absent file closes one; two are asked about"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("endless", "larger than the 1000 bytes"),
        ("dripping", "took longer than"),
        ("silent", "can't be reached"),
        ("cut", "can't be reached"),
        ("moved", "answered 302"),
        ("broken", "answered 500"),
        ("rubbish", "can't be reached"),
        ("../etc/passwd", "wanted one inside the repository"),
    ],
)
def test_a_bad_server_is_a_fault_with_a_sentence(path, words):
    with serving(Bad, silence_s=0.5, budget_s=0.7) as source, pytest.raises(SourceFault, match=words):
        source.fetch(path, 1000)


def test_bytes_come_as_they_are():
    with serving(Bad) as source:
        assert source.fetch("zipped", 1000) == b"12345"


def test_a_server_that_is_gone_refuses_the_list_and_nothing_else(tmp_path):
    site = TrustedSite(tmp_path / "site")
    refused = site.sync(HttpSource("http://127.0.0.1:9", silence_s=0.5))
    assert isinstance(refused, ListRefused)
    assert "can't be reached" in refused.why


def test_other_addresses_are_not_taken():
    with pytest.raises(ValueError, match="wanted http"):
        HttpSource("file:///etc")
