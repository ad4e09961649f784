"""Takes secrets and people out of what leaves a gate for support.

The same pass gets the same mask within one veil and another in the next, so
that whoever reads can follow one pass through a log and not find out whose it
is. What is no known harmless word is masked: a new fact stays hidden until
somebody has decided that it may be shown.
"""

import hashlib
import re
from typing import Any, Final

_SHOWN: Final = frozenset(
    [
        *("clock", "direction", "door", "kind", "list", "lock", "mode", "name", "purpose", "reason"),
        *("stage", "state", "throttled", "version", "what", "why", "zone"),
    ]
)
"""Facts of events whose words tell nothing of a person."""
_ENVELOPE: Final = ("time", "type", "source", "id")
REMOVED: Final = "[removed]"

_KEY_BLOCK: Final = re.compile(r"-----BEGIN ([A-Z ]*)-----.*?(?:-----END \1-----|\Z)", re.DOTALL)
_CODE: Final = re.compile(r"\bM1[0-9A-Z $%*+./:-]{60,}")
_SIGN_IN: Final = re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)")
_SECRET: Final = re.compile(
    r"(?i)\b((?:pass(?:word|phrase|wd)|psk|secret|token|api_?key|pin|authorization)[\"']?\s*[:=]\s*)"
    r"(\"[^\"]*\"|'[^']*'|[^\s,;]+)"
)
_LONG: Final = re.compile(r"\b(?:[0-9A-Fa-f]{16,}|[A-Za-z0-9+/_-]{40,}={0,2})(?![A-Za-z0-9+/_-])")
_MAIL: Final = re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b")
_NUMBER: Final = re.compile(r"(?<!\d)(?:\d{17}[\dXx]|1[3-9]\d{9})(?!\d)")
"""Identity card and mobile telephone numbers of the People's Republic of China (GB 11643; MIIT numbering plan)."""


class Veil:
    """Masks for one archive.

    Args:
        key: 32 random bytes, forgotten when the archive is written.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def mask(self, text: str) -> str:
        """The same stand-in for the same text, such as `~5f1c02aa`."""
        return "~" + hashlib.blake2s(text.encode(), key=self._key, digest_size=4).hexdigest()

    def text(self, text: str) -> str:
        """A log or a configuration, without keys, codes, sign-ins, pass ids and people's numbers."""
        text = _KEY_BLOCK.sub(lambda found: f"[{found[1].lower() or 'block'} removed]", text)
        text = _CODE.sub("[code removed]", text)
        text = _SIGN_IN.sub(REMOVED, text)
        text = _SECRET.sub(lambda found: found[1] + REMOVED, text)
        for pattern in (_MAIL, _NUMBER, _LONG):
            text = pattern.sub(lambda found: self.mask(found[0]), text)
        return text

    def event(self, event: dict[str, Any]) -> dict[str, Any]:
        """An event of the journal: figures and known words stay, the rest is masked."""
        data = event.get("data")
        facts = data if isinstance(data, dict) else {}
        shown = {name: event[name] for name in _ENVELOPE if isinstance(event.get(name), str)}
        return {**shown, "data": {name: self._fact(name, fact) for name, fact in facts.items()}}

    def _fact(self, name: str, fact: Any) -> Any:
        if fact is None or isinstance(fact, bool | int | float):
            return fact
        return self.text(str(fact)) if name in _SHOWN else self.mask(str(fact))
