"""C32: a hole that is known in a requirement ends `make audit` with its name; out of reach is said, not passed over."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

HOLE = {
    "id": "OSV-0000-1",
    "modified": "2026-01-01T00:00:00Z",
    "published": "2026-01-01T00:00:00Z",
    "details": "A hole for a test.",
    "affected": [
        {
            "package": {"name": "click", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "999"}]}],
        }
    ],
}


class _Database(BaseHTTPRequestHandler):
    """Answers as OSV does; the only part of the audit that is not the real one."""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = [HOLE] if asked["package"]["name"] == "click" and self.server.knows else []
        said = json.dumps({"vulns": known} if known else {}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_):
        pass


@pytest.fixture
def database():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Database)
    server.knows = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def audit(url: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "MENSHEN_OSV_URL": url}
    words = [sys.executable, "-m", "tests.audit"]
    root = Path(__file__).parents[1]
    return subprocess.run(
        words, env=environ, cwd=root, capture_output=True, text=True, check=False, timeout=120
    )


def test_c32_a_known_hole_is_named_and_none_is_good(database):
    url = f"http://127.0.0.1:{database.server_address[1]}/v1/query"
    found = audit(url)
    assert found.returncode == 1
    assert "OSV-0000-1" in found.stdout
    database.knows = False
    assert audit(url).returncode == 0


def test_c32_out_of_reach_is_said():
    said = audit("http://127.0.0.1:9/v1/query")
    assert said.returncode == 0
    assert "not done" in said.stdout
