"""Finding people by part of what is sealed: in memory, in the office's process.

What was opened is kept by the bytes it was opened from, so nothing old is
ever found: a row that changed is opened anew, one whose key is deleted is
gone with the next search. Names are in memory only, never in a log.
"""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from office.identity.sealed import PersonKey, Sealed
from office.models import Pass

_CHUNK: Final = 500


@dataclass(frozen=True, slots=True)
class _Opened:
    sealed: bytes
    fields: Mapping[str, str]
    folded: str


class Register:
    """All rows of one sealed model, opened."""

    def __init__(self, model: type[Sealed], owner: str = "pk") -> None:
        """Be ready to find.

        Args:
            owner: the column by which a row is called in answers.
        """
        self._model, self._owner = model, owner
        self._opened: dict[int, _Opened] = {}
        self._lock = threading.Lock()

    def read(self) -> Mapping[int, Mapping[str, str]]:
        """The sealed fields of every row, by its owner."""
        return {owner: one.fields for owner, one in self._fresh().items()}

    def find(self, words: str) -> set[int]:
        """Owners of rows with these words in one of their fields, whatever the case."""
        wanted = words.casefold()
        return {owner for owner, one in self._fresh().items() if wanted in one.folded}

    def _fresh(self) -> dict[int, _Opened]:
        manager: Any = self._model._default_manager  # noqa: SLF001  Django's public name for it
        stored = {
            owner: (bytes(sealed), key)
            for owner, sealed, key in manager.filter(key__isnull=False).values_list(
                self._owner, "sealed", "key_id"
            )
        }
        with self._lock:
            opened = self._opened
            new = [owner for owner, (sealed, _) in stored.items() if _differs(opened.get(owner), sealed)]
            keys = _keys({stored[owner][1] for owner in new})
            fresh = {owner: one for owner, one in opened.items() if owner in stored}
            for owner in new:
                sealed, key = stored[owner]
                if key in keys:
                    fields = keys[key].open(sealed)
                    fresh[owner] = _Opened(sealed, fields, "\n".join(fields.values()).casefold())
            self._opened = fresh
            return fresh


def _differs(known: _Opened | None, sealed: bytes) -> bool:
    return known is None or known.sealed != sealed


def _keys(ids: Iterable[str]) -> dict[str, PersonKey]:
    wanted = list(ids)
    found: dict[str, PersonKey] = {}
    for first in range(0, len(wanted), _CHUNK):
        found |= PersonKey.objects.in_bulk(wanted[first : first + _CHUNK])
    return found


def holders(pass_ids: Iterable[str]) -> dict[str, tuple[str, int]]:
    """Whose passes these are: name and number of the person; the name is empty when it was deleted."""
    found: dict[str, tuple[str, int]] = {}
    wanted = sorted({one for one in pass_ids if one})
    for first in range(0, len(wanted), _CHUNK):
        passes = Pass.objects.filter(pass_id__in=wanted[first : first + _CHUNK])
        for one in passes.select_related("person__key"):
            found[one.pass_id] = one.person.name, one.person_id
    return found
