"""Orders to gates: ask, confirm, withdraw; and which of them want two people."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from agent.core.orders import What
from office import registry
from office.faults import OfficeFault
from office.models import Gate
from office.web import ordering
from office.web.forms import OrderForm, OrderRulesForm
from office.web.models import OrderRules
from office.web.refusing import refuse
from office.web.rights import name_of, needs
from office.web.roles import Right
from office.web.views.tell import back, telling


@needs(Right.GIVE_ORDERS)
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """What may be ordered, what waits for a second person, and what came of the last ones."""
    ordering.look_after()
    shown = {
        "order_form": OrderForm(gates=_gates(), auto_id="order_%s"),
        "waiting": ordering.waiting(),
        "orders": ordering.latest(100),
    }
    answer = render(request, "web/orders/page.html", shown)
    if request.GET.get("watch"):
        answer["Refresh"] = "3"
    return answer


@needs(Right.GIVE_ORDERS)
@require_POST
def ask(request: HttpRequest) -> HttpResponse:
    """Give an order."""
    form = OrderForm(request.POST, gates=_gates())
    if not form.is_valid():
        messages.error(request, _("Choose a gate and an order, and write a reason of at most 64 characters."))
        return back(request, "orders")
    gate = Gate.objects.get(name=form.cleaned_data["gate"])
    try:
        one = ordering.ask(
            gate, What(form.cleaned_data["what"]), by=name_of(request), why=form.cleaned_data["why"]
        )
    except OfficeFault as fault:
        refuse(request, fault)
    else:
        said = (
            _("The order is on its way; what the gate does with it appears here.")
            if one.sent_at
            else _("The order waits for a second person, ten minutes at most.")
        )
        messages.success(request, said)
    return back(request, "orders")


@needs(Right.GIVE_ORDERS)
@require_POST
def confirm(request: HttpRequest, pk: int) -> HttpResponse:
    """Be the second person."""
    with telling(request, _("The order is on its way; what the gate does with it appears here.")):
        ordering.confirm(pk, by=name_of(request))
    return redirect("orders")


@needs(Right.GIVE_ORDERS)
@require_POST
def withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    """Take an order back that has not gone yet."""
    with telling(request, _("The order is withdrawn.")):
        ordering.withdraw(pk, by=name_of(request))
    return redirect("orders")


@needs(Right.MANAGE_ACCOUNTS)
def rules(request: HttpRequest) -> HttpResponse:
    """Which orders want a second person."""
    now = OrderRules.objects.first()
    form = OrderRulesForm(request.POST or None, initial={"second_person": now.second_person if now else []})
    if request.method == "POST":
        form = OrderRulesForm(request.POST)
        if form.is_valid():
            chosen = form.cleaned_data["second_person"]
            OrderRules.objects.update_or_create(pk=1, defaults={"second_person": chosen})
            registry.note(
                name_of(request), "orders.rules", "", f"two people for {', '.join(chosen) or 'none'}"
            )
            messages.success(request, _("Kept; it holds from now on."))
            return redirect("order-rules")
    return render(request, "web/orders/rules.html", {"form": form})


def _gates() -> list[str]:
    return list(Gate.objects.order_by("name").values_list("name", flat=True))
