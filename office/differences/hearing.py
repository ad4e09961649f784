"""What the gates' journals tell a restored office of the time that it has lost.

A gate that refuses a pass as revoked, though it is live here and nobody has touched it since the
restore, has been told so by the office that was. Where no list was at hand this is all there is.
"""

import json
from collections.abc import Iterator
from typing import Final

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from agent.core.events import Kind
from agent.core.moments import iso
from office import registry
from office.alerts import Matter, raise_alert
from office.differences import BY_ITSELF, OF_ACCOUNTS, What
from office.differences.comparing import Found, put_on_record
from office.faults import OfficeFault
from office.models import Act, Difference, Event, Pass, PassState, Restoration
from office.web import alerting

_DENIALS: Final = ("revoked", "suspended")
_TELLING: Final = (Kind.REFUSED, Kind.ADMITTED, Kind.LIST_SWITCHED)
_CHUNK: Final = 2000
_FARTHEST: Final = 1 << 53


def newest() -> Restoration | None:
    """The last restore of this office; None if it has not been restored."""
    return Restoration.objects.order_by("-pk").first()


def floor() -> int:
    """The greatest number of a list that gates may have without this office knowing; 0 if it was never restored."""
    last = newest()
    return last.floor if last else 0


def must_not_be_behind(number: int) -> None:
    """Look whether a list may be signed again as the newest.

    Raises:
        OfficeFault: gates may have a newer one, since this office was restored without it.
    """
    if number < (least := floor()):
        raise OfficeFault(
            f"found list {number} in the repository, and the gates may have list {least}: they would refuse the "
            "older one; publish a new list first, which gets a greater number"
        )


def hear() -> int:
    """Go through what came in since the last time, and shut what gates were told to refuse.

    Returns:
        How many new differences there are.
    """
    last = newest()
    if last is None:
        return 0
    with transaction.atomic():
        last = Restoration.objects.select_for_update().get(pk=last.pk)
        upto = Event.objects.aggregate(newest=Max("pk"))["newest"] or 0
        if upto <= last.event:
            return 0
        found = put_on_record(last, list(_told(last, upto)))
        last.event = upto
        last.save(update_fields=["event", "floor"])
        if found:
            tell(last)
    return found


def tell(restoration: Restoration) -> None:
    """Raise the alerts about unsettled differences: one for the desk, one for the administrator."""
    staff, rest = _waiting(restoration)
    if rest:
        detail = f"{rest} passes or rules differ from what the gates know; settle them"
        raise_alert(Matter.DIFFERENCES, "", detail, timezone.now(), f"restore {restoration.pk}")
    if staff:
        detail = f"{staff} accounts may have been closed or changed after the backup; the administrator looks"
        raise_alert(Matter.DIFFERENCES, "", detail, timezone.now(), f"accounts {restoration.pk}")


def quiet(restoration: Restoration) -> None:
    """Close the alert whose differences are all settled."""
    for waiting, about in zip(_waiting(restoration), ("accounts", "restore"), strict=True):
        if not waiting:
            alerting.close_by_itself(
                Matter.DIFFERENCES, "", f"{about} {restoration.pk}", "all settled", timezone.now()
            )


def _waiting(restoration: Restoration) -> tuple[int, int]:
    """How many accounts nobody has settled, and how much else."""
    found = Difference.objects.filter(restoration=restoration, settled_at=None)
    staff = found.filter(what__in=OF_ACCOUNTS).count()
    return staff, found.count() - staff


def _told(last: Restoration, upto: int) -> Iterator[Found]:
    rows = Event.objects.filter(
        pk__gt=last.event, pk__lte=upto, kind__in=_TELLING, at_utc__gt=last.made_at.timestamp()
    ).order_by("pk")
    columns = ("gate__name", "at_utc", "kind", "reason", "pass_id", "body")
    for gate, at_utc, kind, reason, pass_id, body in rows.values_list(*columns).iterator(_CHUNK):
        if kind == Kind.LIST_SWITCHED:
            last.floor = max(last.floor, _number(bytes(body)))
        elif kind == Kind.REFUSED and reason in _DENIALS and pass_id and _is_news(last, pass_id):
            one = Pass.objects.get(pass_id=pass_id)
            one.state = PassState.SUSPENDED
            one.save(update_fields=["state"])
            why = f"gate {gate} refused it as {reason} at {iso(at_utc)}"
            registry.note(BY_ITSELF, "suspend", pass_id, why)
            yield Found(What.DENIED, pass_id, f"{gate} {iso(at_utc)}: {reason}")
        elif kind == Kind.ADMITTED and pass_id and not Pass.objects.filter(pass_id=pass_id).exists():
            yield Found(What.STRANGER, pass_id, f"{gate} {iso(at_utc)}")


def _is_news(last: Restoration, pass_id: str) -> bool:
    """Whether a pass is live here, and only because nobody has touched it since the restore."""
    touched = Act.objects.filter(subject=pass_id, n__gt=last.act).exclude(who=BY_ITSELF)
    return Pass.objects.filter(pass_id=pass_id, state=PassState.LIVE).exists() and not touched.exists()


def _number(body: bytes) -> int:
    number = json.loads(body).get("data", {}).get("list")
    return number if isinstance(number, int) and 0 <= number < _FARTHEST else 0
