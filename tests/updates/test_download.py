"""Downloads that break, lie, run out of room, and go on where they stopped: over HTTP and from a stick."""

import contextlib
import hashlib
import http.server
import os
import subprocess
import threading
from pathlib import Path

import pytest

from agent.stores.sources import SourceFault, Unreachable
from firmware_tools.device import download
from firmware_tools.device.offers import Release
from firmware_tools.device.place import UpdateFault
from firmware_tools.manifest import Fits
from firmware_tools.rollout import Rollout, Terms

DATA = os.urandom(3_000_000)
TERMS = Terms(
    version="0.2.0",
    floor="0.0.0",
    fits=Fits(boards=("own",), arch="x86_64", python="3.11"),
    rollout=Rollout(),
)


def signed(data: bytes = DATA) -> Release:
    digest = hashlib.sha256(data).hexdigest()
    return Release(f"fw/{digest}.menshen-0.2.0.tar", len(data), digest, TERMS)


class Server(http.server.BaseHTTPRequestHandler):
    """A web server with habits, set by the test."""

    data, breaks_after, ranges, asked, more = DATA, [], True, [], b""

    def do_GET(self):
        cls = type(self)
        cls.asked.append(self.headers.get("Range"))
        begin = 0
        if cls.ranges and (asked := self.headers.get("Range")):
            begin = int(asked.removeprefix("bytes=").rstrip("-"))
            if begin >= len(cls.data):
                self.send_error(416)
                return
        body = cls.data[begin:] + cls.more
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        end = cls.breaks_after.pop(0) if cls.breaks_after else len(body)
        with contextlib.suppress(OSError):
            self.wfile.write(body[:end])
        self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    habits = type(
        "Habits", (Server,), {"breaks_after": [], "asked": [], "data": DATA, "ranges": True, "more": b""}
    )
    served = http.server.ThreadingHTTPServer(("127.0.0.1", 0), habits)
    thread = threading.Thread(target=served.serve_forever, daemon=True)
    thread.start()
    habits.url = f"http://127.0.0.1:{served.server_port}/list"
    yield habits
    served.shutdown()
    served.server_close()
    thread.join()


def test_a_line_that_breaks_five_times_costs_no_byte_twice(server, tmp_path):
    server.breaks_after = [400_000, 500_000, 1, 600_000, 700_000]
    for _ in range(5):
        with pytest.raises(Unreachable, match=r"goes on (there|where it broke)"):
            download.bring(server.url, signed(), tmp_path)
    path = download.bring(server.url, signed(), tmp_path)
    assert path.read_bytes() == DATA
    assert server.asked == [None, *(f"bytes={n}-" for n in (400_000, 900_000, 900_001, 1_500_001, 2_200_001))]
    assert not list(tmp_path.rglob("*.part"))


def test_what_is_there_is_not_fetched_again(server, tmp_path):
    download.bring(server.url, signed(), tmp_path)
    download.bring(server.url, signed(), tmp_path)
    assert len(server.asked) == 1


def test_a_server_without_ranges_begins_again(server, tmp_path):
    server.ranges, server.breaks_after = False, [1_000_000]
    with pytest.raises(Unreachable):
        download.bring(server.url, signed(), tmp_path)
    assert download.bring(server.url, signed(), tmp_path).read_bytes() == DATA


def test_a_part_that_a_power_cut_spoilt_is_fetched_anew(server, tmp_path):
    part = tmp_path / f"{signed().path}.part"
    part.parent.mkdir()
    part.write_bytes(DATA[:1_000_000] + bytes(4096))
    assert download.bring(server.url, signed(), tmp_path).read_bytes() == DATA
    assert server.asked == ["bytes=1004096-", None]


def test_a_part_that_is_whole_or_longer_than_whole_is_dealt_with(server, tmp_path):
    part = tmp_path / f"{signed().path}.part"
    part.parent.mkdir()
    part.write_bytes(DATA)
    assert download.bring(server.url, signed(), tmp_path).read_bytes() == DATA
    (tmp_path / signed().path).unlink()
    part.write_bytes(DATA + b"more")
    assert download.bring(server.url, signed(), tmp_path).read_bytes() == DATA


def test_other_bytes_than_were_signed_are_not_kept(server, tmp_path):
    server.data = DATA[:-1] + bytes([DATA[-1] ^ 1])
    with pytest.raises(UpdateFault, match="is not what was signed; copy the repository again, whole"):
        download.bring(server.url, signed(), tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_server_that_sends_for_ever_is_stopped(server, tmp_path):
    server.more = b"more"
    with pytest.raises(SourceFault, match="goes on after the 3000000 bytes that were signed"):
        download.bring(server.url, signed(), tmp_path)


def test_nobody_there_is_said(tmp_path):
    with pytest.raises(Unreachable, match="can't be reached"):
        download.bring("http://127.0.0.1:9/list", signed(), tmp_path)


def test_from_a_stick_that_was_pulled_out_half_way(tmp_path):
    stick, here = tmp_path / "stick", tmp_path / "here"
    (stick / "fw").mkdir(parents=True)
    file = stick / signed().path
    file.write_bytes(DATA[:1_234_567])
    with pytest.raises(Unreachable, match="1234567 of 3000000 bytes"):
        download.bring(f"dir:{stick}", signed(), here)
    file.write_bytes(bytes(1_234_567) + DATA[1_234_567:])  # only the rest is read
    assert download.bring(f"dir:{stick}", signed(), here).read_bytes() == DATA


@pytest.mark.parametrize("link", ["/etc/passwd", "../../secret"])
def test_a_link_out_of_the_stick_leads_nowhere(tmp_path, link):
    stick = tmp_path / "stick"
    (stick / "fw").mkdir(parents=True)
    (tmp_path / "secret").write_bytes(DATA)
    (stick / signed().path).symlink_to(link)
    with pytest.raises(SourceFault):
        download.bring(f"dir:{stick}", signed(), tmp_path / "here")


def test_a_full_disk_is_said_before_the_first_byte(server, tmp_path):
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=9m", "small", str(tmp_path)], capture_output=True, check=False
    ).returncode:
        pytest.skip("this user may not mount a small file system to fill")
    try:
        with pytest.raises(UpdateFault, match=r"found 9 MB free for the download, wanted 11; make room"):
            download.bring(server.url, signed(), tmp_path)
        assert server.asked == []
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_path_out_of_the_repository_is_not_asked_for(tmp_path):
    bad = Release("fw/../../etc/passwd", 1, "0" * 64, TERMS)
    with pytest.raises(UpdateFault, match="wanted one inside the repository"):
        download.bring(f"dir:{tmp_path}", bad, Path(tmp_path))
