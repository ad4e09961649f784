"""A repository behind a static web server. Only sync imports this module.

Nothing rests on the transport: plain HTTP from the site's own server is as
good as HTTPS, because what arrives is checked against signatures and hashes.
"""

import time
from typing import Final

import urllib3

from agent.stores.sources import SAFE_PATH, Source, SourceFault, Unreachable

_CHUNK_BYTES: Final = 64 * 1024


class HttpSource(Source):
    """Files below a URL. One connection is kept open between fetches.

    Args:
        url: such as `https://office.example/list`; no redirects are followed.
        silence_s: how long to wait for a connection or for the next bytes.
        budget_s: how long one file may take in all, however it drips.
    """

    def __init__(self, url: str, *, silence_s: float = 5.0, budget_s: float = 60.0) -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"found the source {url!r}, wanted http:// or https://")
        self._url = url.rstrip("/")
        self._budget_s = budget_s
        self._pool = urllib3.PoolManager(
            num_pools=1, retries=False, timeout=urllib3.Timeout(connect=silence_s, read=silence_s)
        )

    def fetch(self, path: str, max_bytes: int) -> bytes | None:
        """See agent.stores.sources.Source."""
        if not SAFE_PATH.fullmatch(path):
            raise SourceFault(f"found the path {path[:80]!r}, wanted one inside the repository")
        try:
            response = self._pool.request(
                "GET",
                f"{self._url}/{path}",
                headers={"Accept-Encoding": "identity"},
                preload_content=False,
                redirect=False,
            )
            try:
                data = self._read(response, path, max_bytes)
                if data is not None:
                    response.release_conn()  # read to its end, so the connection serves the next file
                return data
            finally:
                response.close()
        except (urllib3.exceptions.HTTPError, OSError) as fault:
            raise Unreachable(f"{self._url} can't be reached: {type(fault).__name__}") from fault

    def close(self) -> None:
        """Close the connection."""
        self._pool.clear()

    def _read(self, response: urllib3.BaseHTTPResponse, path: str, max_bytes: int) -> bytes | None:
        if response.status == 404:
            return None
        if response.status != 200:
            raise SourceFault(f"{self._url} answered {response.status} for {path}, wanted 200 or 404")
        ends = time.monotonic() + self._budget_s
        data = bytearray()
        while chunk := response.read1(min(_CHUNK_BYTES, max_bytes + 1 - len(data)), decode_content=False):
            data += chunk
            if len(data) > max_bytes:
                raise SourceFault(f"{path} is larger than the {max_bytes} bytes allowed")
            if time.monotonic() > ends:
                raise SourceFault(f"{path} took longer than {self._budget_s:g} s")
        return bytes(data)
