"""Who may read and write what on a site's broker, as Mosquitto's `acl_file` has it (C31, C35).

Each party signs in under a name of its own and has its own topics alone; whatever is not named is
denied. A gate's name is its user name, so one rule is for all of them (`%u`); a pattern holds for
every user, so nobody may bear a gate's name who is not that gate.

    gates        write their events, alarms, health and status; read their orders, acknowledgements, the
                 list, and what their fellows tell
    office       reads events and status; writes acknowledgements and orders
    publisher    writes the list
    readers      read what happens as it happens, and how gates do; they write nothing
"""

from collections.abc import Iterable, Iterator


def mosquitto(
    site: str, office: str = "office", publisher: str = "publisher", readers: Iterable[str] = ()
) -> str:
    """The rules of one site; those of several are put into one file after each other.

    Args:
        readers: user names for dashboards and the like.
    """
    return "\n".join(_lines(site, office, publisher, readers)) + "\n"


def _lines(site: str, office: str, publisher: str, readers: Iterable[str]) -> Iterator[str]:
    gate = f"site/{site}/gate"
    yield f"user {office}"
    yield from (f"topic read {gate}/+/{what}" for what in ("log", "status"))
    yield from (f"topic write {gate}/+/{what}" for what in ("ack", "order"))
    yield from ("", f"user {publisher}", f"topic readwrite site/{site}/list/#")
    for reader in readers:
        yield from ("", f"user {reader}")
        yield from (f"topic read {gate}/+/{what}" for what in ("event", "health", "status"))
    yield from ("", f"pattern read site/{site}/list/#")
    yield from (f"pattern write {gate}/%u/{what}" for what in ("log", "event", "told", "health", "status"))
    yield from (f"pattern read {gate}/%u/{what}" for what in ("order", "ack"))
    yield f"pattern read {gate}/+/told"
