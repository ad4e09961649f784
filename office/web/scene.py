"""What the live page shows at this moment; the same for the page itself and for what it is sent later."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from django.utils import timezone

from office import daily
from office.identity.register import holders
from office.ingest import beat
from office.models import Gate, Pass, PassState, Site
from office.web import alerting, charts, ordering
from office.web.lookup import Row
from office.web.models import GateNow, Inside, Visit, VisitState

_QUIET_S: Final = 15 * 60
_SHOWN_INSIDE: Final = 12
_ORDERS_SHOWN: Final = timedelta(hours=1)


def standing(*, names: bool) -> dict[str, Any]:
    """Gates, who is inside, alerts and the day's figures; for the template `_standing.html`."""
    site = Site.objects.get()
    now = timezone.now()
    inside = list(Inside.objects.select_related("gate").order_by("-since_utc")[:_SHOWN_INSIDE])
    names_of = holders(one.pass_id for one in inside) if names else {}
    return {
        "offset_min": site.utc_offset_min,
        "gates": [
            _gate(gate, now.timestamp()) for gate in Gate.objects.select_related("now").order_by("name")
        ],
        "inside_count": Inside.objects.count(),
        "inside": [(one, names_of.get(one.pass_id, ("", 0))[0]) for one in inside],
        "inside_kinds": charts.inside_by_kind(),
        "alerts": list(alerting.open_alerts()[:5]),
        "alerts_open": alerting.open_alerts().count(),
        "orders": ordering.latest(5, _ORDERS_SHOWN),
        "intake": str(beat.standing(now)),
        "yesterday": daily.yesterday(site, now),
        "day": charts.day(now, site.utc_offset_min),
    }


def summary(may: Callable[[str], bool]) -> dict[str, Any]:
    """A site in a few figures; for the template `_card.html`.

    Args:
        may: whether whoever looks has a right, such as `web.see_people`.
    """
    now = timezone.now().timestamp()
    gates = [_gate(gate, now) for gate in Gate.objects.select_related("now").order_by("name")]
    troubled = [one for one in gates if one["troubles"]]
    quiet = [one for one in gates if not one["troubles"] and (one["quiet_min"] is not None or not one["now"])]
    return {
        "offset_min": Site.objects.get().utc_offset_min,
        "inside_count": Inside.objects.count(),
        "alerts_open": alerting.open_alerts().count(),
        "gates_count": len(gates),
        "gates_well": len(gates) - len(troubled) - len(quiet),
        "gates_troubled": len(troubled),
        "troubled": [(one["gate"].name, trouble) for one in troubled for trouble in one["troubles"]],
        "quiet": [one["gate"].name for one in quiet],
        "heard": max((one["now"].heard for one in gates if one["now"] and one["now"].heard), default=None),
        "drafts": may("web.see_people") and Pass.objects.filter(state=PassState.DRAFT).count(),
        "visits": may("web.decide_visits") and Visit.objects.filter(state=VisitState.WAITING).count(),
        "orders": may("web.give_orders") and ordering.waiting().count(),
    }


def _gate(gate: Gate, now_utc: float) -> dict[str, Any]:
    last: GateNow | None = getattr(gate, "now", None)
    quiet_min = int(now_utc - last.heard.timestamp()) // 60 if last and last.heard else None
    return {
        "gate": gate,
        "now": last,
        "troubles": last.troubles if last else [],
        "quiet_min": quiet_min if quiet_min is not None and quiet_min * 60 >= _QUIET_S else None,
    }


def rows(found: list[Row], *, names: bool) -> dict[str, Any]:
    """Lines of the table of events; for the template `_rows.html`."""
    return {"rows": found, "sees_names": names, "offset_min": Site.objects.get().utc_offset_min}
