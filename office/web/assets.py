"""The pages' own files: styles, scripts, icons. All there are, read once, served from memory.

A name that is not in the table is not found, so no path can lead out of it.
Their addresses carry a piece of their hash: browsers may keep them for ever,
and get new ones with a new version.
"""

import hashlib
from functools import cache
from importlib.resources import files
from typing import Final

from django.http import Http404, HttpRequest, HttpResponse

from office.web.rights import for_anybody

_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "png": "image/png",
}
_FOR_EVER: Final = "public, max-age=31536000, immutable"


@cache
def contents() -> dict[str, tuple[bytes, str]]:
    """Each file's bytes and the first 12 hex digits of its SHA-256, by name."""
    read = {
        one.name: one.read_bytes()
        for one in (files("office.web") / "static").iterdir()
        if one.name.rpartition(".")[2] in _TYPES
    }
    return {name: (data, hashlib.sha256(data).hexdigest()[:12]) for name, data in read.items()}


def address(name: str) -> str:
    """Where a page finds a file."""
    return f"/assets/{contents()[name][1]}/{name}"


@for_anybody
def asset(request: HttpRequest, digest: str, name: str) -> HttpResponse:
    """A file; under an old hash the new one, kept by nobody."""
    del request
    try:
        data, current = contents()[name]
    except KeyError as fault:
        raise Http404 from fault
    kept = _FOR_EVER if digest == current else "no-store"
    return HttpResponse(data, content_type=_TYPES[name.rpartition(".")[2]], headers={"Cache-Control": kept})
