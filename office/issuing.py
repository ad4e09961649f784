"""Codes for paper and screens: the text of a static pass, and its picture.

The text is stored nowhere: whoever reads the database, or a copy of it, could print everybody's card. The
issuer's signature over a pass is the same each time (Ed25519, RFC 8032, 5.1.6), and so is the text.
"""

import io
from pathlib import Path
from typing import Self, TypedDict

import segno

from agent.core.allowlist import PassKind
from agent.core.keys import Alg, PublicKey
from agent.core.passes import certificate_body, compose, static_body, to_be_signed
from office import home as homes
from office.faults import OfficeFault
from office.keyring import OnlineKey, issuer_key
from office.models import Pass, PassState, Site

QUIET_ZONE = 4  # modules, ISO/IEC 18004:2015, 9.1
_SCALE_PX = 8


class _Terms(TypedDict):
    pass_id: bytes
    key_id: int
    zones: int
    not_before_utc: int
    not_after_utc: int


def code_text(one: Pass, site: Site, issuer: OnlineKey) -> str:
    """The text that the issuer signs for a pass: a printed code, or the certificate for a phone.

    A phone's pass without its key has none yet. One with a limit of uses, a schedule of its own or for duress
    gets none: a certificate has no place for them, so such a pass waits for the list.
    """
    if one.on_phone and (not one.holder_key or one.uses or one.schedule or one.duress):
        return ""
    terms = _Terms(
        pass_id=bytes.fromhex(one.pass_id),
        key_id=issuer.key_id,
        zones=one.zones,
        not_before_utc=int(one.not_before.timestamp()),
        not_after_utc=int(one.not_after.timestamp()),
    )
    if one.holder_key:
        holder = PublicKey.parse(one.holder_key)
        body = certificate_body(kind=PassKind(one.kind), holder=holder, **terms)
    else:
        body = static_body(uses=one.uses, **terms)
    return compose(body, issuer.sign(to_be_signed(Alg.ED25519, site.name, body)))


class Codes:
    """The codes of passes that stand.

    Args:
        issuer: signs them.
    """

    def __init__(self, issuer: OnlineKey) -> None:
        self._issuer = issuer

    @classmethod
    def here(cls) -> Self:
        """As the issuer of the office in use signs them now.

        Raises:
            OfficeFault: its key is missing, damaged or open to other users.
        """
        return cls(issuer_key(homes.current().keys))

    def of(self, one: Pass) -> str:
        """What code_text says; empty for a pass that is not live, and where the holder's data were deleted."""
        if one.state != PassState.LIVE or one.person.key_id is None:
            return ""
        return code_text(one, one.person.site, self._issuer)


def draw(text: str, file: Path) -> None:
    """Write a code as PNG or SVG, by the file's suffix.

    Raises:
        OfficeFault: the file can't be written.
    """
    try:
        _code(text).save(str(file), scale=_SCALE_PX, border=QUIET_ZONE, light="white")
    except (OSError, ValueError) as fault:
        raise OfficeFault(
            f"the code can't be written to {file}: {fault}; give a .png or .svg in a folder that exists"
        ) from fault


def picture(text: str, kind: str) -> bytes:
    """A code as the bytes of a `png` or `svg` file."""
    out = io.BytesIO()
    _code(text).save(out, kind=kind, scale=_SCALE_PX, border=QUIET_ZONE, light="white")
    return out.getvalue()


def svg(text: str) -> str:
    """A code as an SVG element within a page, as large as its box."""
    drawn: str = _code(text).svg_inline(border=QUIET_ZONE, light="white", omitsize=True)
    return drawn


def _code(text: str) -> segno.QRCode:
    """Level M, alphanumeric, black on white: what the gates' cameras read best."""
    return segno.make_qr(text, error="m", mode="alphanumeric", boost_error=False)
