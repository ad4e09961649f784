"""Telling the gates from a page: what `menshen-office publish` does, to where it did it last."""

from collections.abc import Mapping
from pathlib import Path

from django.db import connection
from django.utils import timezone

from agent.core.allowlist import Head
from office import hot, publishing, registry, repository
from office.faults import OfficeFault
from office.home import Home
from office.keyring import Keyring
from office.places import Place, alone


def home() -> Home:
    """The home whose database is in use."""
    return Home(Path(connection.settings_dict["NAME"]).parent)


def publish(by: str) -> publishing.Published:
    """Sign a list of all approved passes and put it where the last one went.

    Raises:
        OfficeFault: nothing was ever published from this home, or the list can't be signed or written.
    """
    office = home()
    place = Place.last(office)
    if place is None:
        raise OfficeFault(
            "nothing was published from this office yet; the first time run `menshen-office publish --trust … --out …`"
        )
    out, trust = Path(place.out), Path(place.trust)
    with alone(office):
        now = timezone.now()
        keyring = Keyring.load(office.keys)

        def deliver(head: Head, parts: Mapping[bytes, bytes]) -> None:
            denied = hot.beyond(head, parts, out, now)
            repository.publish(out, trust, keyring, head, parts, now.timestamp(), denied)

        published = publishing.publish(
            registry.the_site(),
            now,
            repository.last_number(out),
            {keyring.issuer.key_id: keyring.issuer.public},
            (keyring.ack.public,),
            deliver,
            (keyring.order.public,),
        )
    registry.note(by, "publish", f"list {published.number}", "")
    return published


def deny_at_once() -> bool:
    """Tell the gates whom they must refuse since the last list; False if there is no list yet.

    Raises:
        OfficeFault: they could not be told.
    """
    office = home()
    place = Place.last(office)
    if place is None:
        return False
    with alone(office):
        hot.tell(Path(place.out), Path(place.trust), Keyring.load(office.keys), timezone.now())
    return True
