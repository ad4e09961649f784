"""Telling the gates from a page: what `menshen-office publish` does, to where it did it last."""

from django.utils import timezone

from office import registry, telling
from office.faults import OfficeFault
from office.home import current
from office.keyring import Keyring
from office.places import Place, alone
from office.publishing import Published


def publish(by: str) -> Published:
    """Sign a list of all approved passes and put it where the last one went.

    Raises:
        OfficeFault: nothing was ever published from this home, or the list can't be signed or written.
    """
    office = current()
    place = Place.last(office)
    if place is None:
        raise OfficeFault(
            "nothing was published from this office yet; the first time run `menshen-office publish --trust … --out …`"
        )
    with alone(office):
        published = telling.publish_list(place, Keyring.load(office.keys), timezone.now())
        registry.note(by, "publish", f"list {published.number}", "")
        telling.mirror_to(place, office)
    return published


def publish_if_begun(by: str) -> None:
    """The same for what can't wait for somebody to press the button; nothing before a site's first list.

    Raises:
        OfficeFault: as publish.
    """
    if Place.last(current()) is not None:
        publish(by)


def deny_at_once() -> bool:
    """Tell the gates whom they must refuse since the last list; False if there is no list yet.

    Raises:
        OfficeFault: they could not be told.
    """
    return telling.tell_at_once(current())
