"""rv/hot: the passes that open nothing from this second on.

A list takes its time: it is laid out, perhaps signed by two people, and a
gate checks all of it. A lost phone can't wait. This small target says which
passes are denied although the list still grants them; once a list says so
itself, they leave it again. It can only deny: nothing in it admits anybody,
so the key that signs it may lie in a machine that is switched on.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from agent.core.allowlist import NAME, ListFault, Status
from agent.core.passes import PASS_ID_BYTES

HOT_TARGET: Final = "rv/hot"
HOT_FORMAT: Final = 1
MAX_DENIED: Final = 2000
"""About 40 kB; whoever must deny more publishes a list."""


@dataclass(frozen=True, slots=True)
class Denials:
    """What rv/hot says.

    Args:
        site: for which site; signed with the rest.
        denied: pass id to `SUSPENDED` or `REVOKED`.
    """

    site: str
    denied: Mapping[bytes, Status] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """The target file, one JSON object; the same for the same denials.

        Raises:
            ValueError: more passes than the file may hold.
        """
        if len(self.denied) > MAX_DENIED:
            raise ValueError(f"found {len(self.denied)} passes to deny at once, wanted at most {MAX_DENIED}")
        fields: dict[str, Any] = {"format": HOT_FORMAT, "site": self.site}
        for status in (Status.REVOKED, Status.SUSPENDED):
            fields[status.name.lower()] = sorted(
                pass_id.hex() for pass_id, said in self.denied.items() if said is status
            )
        return json.dumps(fields, separators=(",", ":"), sort_keys=True).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Denials":
        """Read a file whose signatures have been checked.

        Raises:
            ListFault: not an rv/hot of this version.
        """
        try:
            return _read(json.loads(data))
        except (KeyError, RecursionError, TypeError, ValueError) as fault:
            raise ListFault(
                f"the signed {HOT_TARGET} is not of format {HOT_FORMAT}: {type(fault).__name__} {fault}; "
                "ask the office to publish again"
            ) from fault


def _read(fields: dict[str, Any]) -> Denials:
    if fields["format"] != HOT_FORMAT:
        raise ValueError(f"found format {fields['format']!r}")
    if not isinstance(site := fields["site"], str) or not NAME.fullmatch(site):
        raise ValueError(f"found site {str(site)[:40]!r}")
    if not isinstance(fields["revoked"], list) or not isinstance(fields["suspended"], list):
        raise TypeError("found no lists of passes")
    denied: dict[bytes, Status] = {}
    for status in (Status.SUSPENDED, Status.REVOKED):  # the stricter word is the last
        denied |= {_pass_id(text): status for text in fields[status.name.lower()]}
    if len(denied) > MAX_DENIED:
        raise ValueError(f"found {len(denied)} passes, wanted at most {MAX_DENIED}")
    return Denials(site, denied)


def _pass_id(text: str) -> bytes:
    pass_id = bytes.fromhex(text)
    if len(pass_id) != PASS_ID_BYTES:
        raise ValueError(f"found a pass id of {len(pass_id)} bytes")
    return pass_id
