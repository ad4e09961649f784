"""Alerts: acknowledge, own, close with an outcome (C34)."""

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from office.models import Alert
from office.web import alerting
from office.web.rights import name_of, needs
from office.web.roles import Right
from office.web.views.tell import back, telling


@needs(Right.SEE_LIVE)
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """Open ones first, then how the others came out."""
    opened = alerting.open_alerts()
    closed = Alert.objects.exclude(pk__in=opened.values("pk")).select_related("handling").order_by("-last_at")
    shown = Paginator(closed, 50).get_page(request.GET.get("page"))
    return render(request, "web/alerts.html", {"open": opened, "closed": shown})


@needs(Right.HANDLE_ALERTS)
@require_POST
def acknowledge(request: HttpRequest, pk: int) -> HttpResponse:
    with telling(request, _("You have this alert now.")):
        alerting.acknowledge(get_object_or_404(Alert, pk=pk), name_of(request))
    return back(request, "alerts")


@needs(Right.HANDLE_ALERTS)
@require_POST
def close(request: HttpRequest, pk: int) -> HttpResponse:
    with telling(request, _("The alert is closed.")):
        alerting.close(get_object_or_404(Alert, pk=pk), name_of(request), request.POST.get("outcome", ""))
    return back(request, "alerts")
