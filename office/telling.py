"""Telling the gates: a list, or at once whom they must refuse; for commands and pages alike."""

import secrets
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path

from django.utils import timezone

from agent.core.allowlist import Head
from office import hot, publishing, registry, repository
from office.differences import hearing
from office.drafts import Draft
from office.faults import OfficeFault
from office.home import Home
from office.ingest.subscriber import Address
from office.keyring import Keyring
from office.mirror import Mirror
from office.mirror_link import Link, LinkFault
from office.places import Place, alone


def publish_list(
    place: Place, keyring: Keyring, now: datetime, draft: Path | None = None
) -> publishing.Published:
    """Sign a list of all approved passes and put it into the place's repository.

    Args:
        draft: put it here instead, for another person to sign.
    Raises:
        OfficeFault: it can't be signed or written; nothing has changed.
    """
    out, trust = Path(place.out), Path(place.trust)
    hearing.hear()

    def deliver(head: Head, parts: Mapping[bytes, bytes]) -> None:
        if draft is not None:
            Draft.make(draft, out, keyring.signers["allowlist"], head, parts, now.timestamp())
            return
        denied = hot.beyond(head, parts, out, now)
        repository.publish(out, trust, keyring, head, parts, now.timestamp(), denied)

    return publishing.publish(
        registry.the_site(),
        now,
        max(repository.last_number(out), hearing.floor()),
        {keyring.issuer.key_id: keyring.issuer.public},
        (keyring.ack.public,),
        deliver,
        (keyring.order.public,),
    )


def tell_at_once(office: Home) -> bool:
    """Publish what is denied since the last list, where that went; False if there was none yet.

    Raises:
        OfficeFault: the gates could not be told.
    """
    place = Place.last(office)
    if place is None:
        return False
    with alone(office):
        hot.tell(Path(place.out), Path(place.trust), Keyring.load(office.keys), timezone.now())
        mirror_to(place, office)
    return True


def mirror_to(place: Place, office: Home) -> None:
    """Bring the broker's copy, if the place has one, to what the repository is.

    Raises:
        OfficeFault: the broker could not be told; the repository stands.
    """
    if not place.broker:
        return
    try:
        with closing(link_to(place)) as link:
            mirror_of(place, office).bring(link)
    except LinkFault as fault:
        raise OfficeFault(
            f"it is in {place.out}, but not on the broker: {fault}; repeat with `menshen-office publish --hot`, "
            "or let `menshen-office mirror` run"
        ) from fault


def link_to(place: Place) -> Link:
    """A connection to the place's broker."""
    address = Address.parse(
        place.broker, place.username or None, Path(place.password_file) if place.password_file else None
    )
    return Link(address, f"menshen-list-{registry.the_site()}-{secrets.token_hex(3)}")


def mirror_of(place: Place, office: Home) -> Mirror:
    """The copy on the place's broker, with the note of what it was told last."""
    note = office.path / f"mirrored-{place.broker.replace('/', '-').replace(':', '-')}.json"
    return Mirror(Path(place.out), registry.the_site().name, note)
