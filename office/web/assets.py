"""The pages' own files: styles, scripts, icons. All there are, read once, served from memory.

A name that is not in the table is not found, so no path can lead out of it.
Their addresses carry a piece of the hash of all of them: browsers may keep
them for ever, get new ones with a new version, and a script finds its
neighbours of the same version beside it.
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
    "mjs": "text/javascript; charset=utf-8",
    "txt": "text/plain; charset=utf-8",
    "svg": "image/svg+xml",
    "png": "image/png",
}
_FOR_EVER: Final = "public, max-age=31536000, immutable"


@cache
def contents() -> dict[str, bytes]:
    """Each file's bytes by name."""
    return {
        one.name: one.read_bytes()
        for one in (files("office.web") / "static").iterdir()
        if one.name.rpartition(".")[2] in _TYPES
    }


@cache
def version() -> str:
    """The first 12 hex digits of a SHA-256 over all of them."""
    whole = hashlib.sha256()
    for name, data in sorted(contents().items()):
        whole.update(b"%s %d\n%s" % (name.encode(), len(data), data))
    return whole.hexdigest()[:12]


def address(name: str) -> str:
    """Where a page finds a file."""
    if name not in contents():
        raise KeyError(name)
    return f"/assets/{version()}/{name}"


@for_anybody
def asset(request: HttpRequest, digest: str, name: str) -> HttpResponse:
    """A file; under an old hash the new one, kept by nobody."""
    del request
    try:
        data = contents()[name]
    except KeyError as fault:
        raise Http404 from fault
    kept = _FOR_EVER if digest == version() else "no-store"
    return HttpResponse(data, content_type=_TYPES[name.rpartition(".")[2]], headers={"Cache-Control": kept})
