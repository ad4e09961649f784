"""Whoever looks at a guarded page is in the audit log: who, which page, about whom (C21, C35).

A page that loads itself again, or is looked at twice within five minutes by
the same person, is one reading. What was searched for is not kept, since the
log is for good: the people who were found are, by number.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, Final

from django.http import HttpRequest, HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

from office import registry
from office.web.rights import name_of
from office.web.roles import Right

AGAIN_S: Final = 300.0
_MOST_REMEMBERED: Final = 4096
_GUARDED: Final = frozenset(one.value for one in Right)


class Lately:
    """What happened within the last minutes, bounded."""

    def __init__(self, within_s: float = AGAIN_S) -> None:
        self._within_s = within_s
        self._seen: OrderedDict[object, float] = OrderedDict()
        self._lock = threading.Lock()

    def is_new(self, what: object) -> bool:
        """Whether it did not happen lately; from now on it did."""
        now = time.monotonic()
        with self._lock:
            last = self._seen.pop(what, None)
            self._seen[what] = now if last is None or now - last > self._within_s else last
            if len(self._seen) > _MOST_REMEMBERED:
                self._seen.popitem(last=False)
            return self._seen[what] == now

    def clear(self) -> None:
        with self._lock:
            self._seen.clear()


LATELY: Final = Lately()


def shows(request: HttpRequest, *, people: Iterable[int | None] = (), detail: str = "") -> None:
    """Say for the log what this page shows: whose data, by the numbers of their files."""
    numbers = sorted({one for one in people if one is not None})
    words = [detail] if detail else []
    if numbers:
        words.append(f"{len(numbers)} people: {', '.join(map(str, numbers))}")
    request.shows = "; ".join(words)  # type: ignore[attr-defined]


class ReadingMiddleware(MiddlewareMixin):
    """Notes each guarded page that was given out; without the note it is not given out."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        match = request.resolver_match
        if match is None or response.status_code != 200 or request.method != "GET":
            return response
        if getattr(match.func, "asks_for", "") not in _GUARDED or not request.user.is_authenticated:
            return response
        who, where = name_of(request), _where(match)
        told = getattr(request, "shows", "")
        if LATELY.is_new((request.session.session_key, request.get_full_path(), told)):
            registry.note(who, "read", where, told)
        return response


def _where(match: Any) -> str:
    """`person 5`: the page's name and what its address names."""
    return " ".join([match.url_name or "page", *map(str, match.kwargs.values())])
