"""What the frame around every page shows: the site, its clock, and what waits for somebody."""

from typing import Any

from django.http import HttpRequest

from office.models import Pass, PassState, Site
from office.web import alerting, ordering
from office.web.models import Visit, VisitState
from office.web.rights import sees_names


def frame(request: HttpRequest) -> dict[str, Any]:
    """Context for all templates; for people without an account only the site's name."""
    site = Site.objects.first()
    shown: dict[str, Any] = {"site": site, "offset_min": site.utc_offset_min if site else 0}
    if getattr(request, "user", None) is not None and request.user.is_authenticated:
        shown |= {
            "drafts_waiting": Pass.objects.filter(state=PassState.DRAFT).count(),
            "visits_waiting": Visit.objects.filter(state=VisitState.WAITING).count(),
            "orders_waiting": ordering.waiting().count(),
            "alerts_open": alerting.open_alerts().count(),
            "sees_names": sees_names(request),
        }
    return shown
