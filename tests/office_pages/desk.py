"""The desk: one small office on disk, and browsers signed in to it."""

import json
import time
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from django.db.models import Max
from django.utils import timezone

from office.home import prepare, use

prepare()

from django.test import Client  # noqa: E402

from agent.core.allowlist import PassKind  # noqa: E402
from agent.core.chain import GENESIS, extend  # noqa: E402
from office import registry  # noqa: E402
from office.keyring import Keyring  # noqa: E402
from office.models import Alert, Epoch, Event, Gap, Gate, Pass, Person, Publication  # noqa: E402
from office.web import accounts, server  # noqa: E402
from office.web.models import (  # noqa: E402
    Account,
    GateNow,
    HourCount,
    Inside,
    OrderRules,
    Progress,
    RemoteOrder,
    Visit,
    VisitRules,
    WentOut,
)
from office.web.roles import Role  # noqa: E402

PASSWORD = "Correct-Horse-9-Staple"
STAFF = {
    "chen": Role.CLERK,
    "wang": Role.APPROVER,
    "liu": Role.AUDITOR,
    "zhao": Role.TECHNICIAN,
    "admin": Role.ADMINISTRATOR,
}
SITE = "willow-court"
EPOCH = "00000000000000a1"
GATE_KEY = "ed25519:" + "ab" * 32


@dataclass(slots=True)
class Desk:
    """One office; the home of the database that is in use."""

    home: Path
    seq: int = 0
    clients: dict[str, Client] = field(default_factory=dict)

    def found(self) -> None:
        place = use(self.home, create=True)
        Keyring.make(place.keys)
        registry.make_site(SITE, ["main", "garage"], 480)
        server.configure(place, server.Address("127.0.0.1", 0, ("testserver",)))
        for name, role in STAFF.items():
            accounts.add(name, role, PASSWORD, by="tests")

    def clear(self) -> None:
        self.seq = 0
        for model in (
            Visit,
            VisitRules,
            RemoteOrder,
            OrderRules,
            Event,
            Epoch,
            Alert,
            Inside,
            WentOut,
            GateNow,
            HourCount,
            Progress,
            Gap,
            Gate,
            Publication,
            Pass,
            Person,
        ):
            model._default_manager.all().delete()

    def browser(self, name: str = "") -> Client:
        """A browser, signed in as somebody of the staff."""
        client = Client(enforce_csrf_checks=False)
        if name:
            client.force_login(Account.objects.get(username=name), backend="office.web.duties.DutyBackend")
        return client

    def gate(self, name: str = "north", direction: str = "in") -> Gate:
        return Gate.objects.create(
            site=registry.the_site(),
            name=name,
            device_id=f"rpi-{name}",
            journal_key=GATE_KEY,
            direction=direction,
            zone="main",
            record={},
        )

    def holder(
        self,
        name: str = "Li Wei",
        kind: str = "resident",
        *,
        live: bool = True,
        days: int = 200,
        on_phone: bool = False,
    ) -> Pass:
        now = timezone.now()
        application = registry.Application(
            PassKind(kind),
            name,
            ("main",),
            now - timedelta(days=1),
            now + timedelta(days=days),
            on_phone=on_phone,
        )
        made = registry.draft(application, by="chen")
        if live:
            made = registry.approve(made.pass_id, by="wang")
        return made

    def epoch(self, gate: Gate) -> Epoch:
        """How far the office has the gate's events, as the ingester would say."""
        head, upto = GENESIS, 0
        for seq, body in Event.objects.filter(gate=gate).order_by("seq").values_list("seq", "body"):
            head, upto = extend(head, bytes(body)), seq
        return Epoch.objects.create(gate=gate, name=EPOCH, upto=upto, head=head)

    def event(
        self,
        gate: Gate,
        kind: str = "pass.admitted",
        pass_id: str = "",
        reason: str = "",
        at_utc: float | None = None,
        **data,
    ) -> Event:
        """What an ingester would store; at this moment by the gate's clock, unless it says another."""
        self.seq += 1
        facts = {"pass": pass_id, "direction": gate.direction, **data}
        return Event.objects.create(
            gate=gate,
            epoch=EPOCH,
            seq=self.seq,
            at_utc=time.time() if at_utc is None else at_utc,
            kind=kind,
            reason=reason,
            pass_id=pass_id,
            body=json.dumps(
                {"type": f"menshen.{kind}", "time": "2026-03-01T00:00:00Z", "data": facts}
            ).encode(),
        )

    def gap(self, gate: Gate, why: str, *, hours_ago: int = 0) -> Gap:
        """What the ingester leaves of events that somebody accepted as missing: behind the newest, an hour long."""
        behind_utc = time.time() - 3600 * hours_ago
        return Gap.objects.create(
            gate=gate,
            after_epoch=EPOCH,
            after_seq=self.seq,
            after_head=bytes(32),
            to_epoch=EPOCH,
            to_seq=self.seq + 50,
            to_head=bytes(32),
            purged=bytes(64),
            seen_at=timezone.now(),
            accepted_at=timezone.now(),
            by="wang",
            why=why,
            closed_at=timezone.now(),
            before_utc=behind_utc - 3600,
            behind_utc=behind_utc,
            place=Event.objects.aggregate(newest=Max("pk"))["newest"] or 0,
        )
