"""What the pages keep beside the registry: accounts, personal files, and running totals.

The totals (`Inside`, `GateNow`, `HourCount`) are worked out from the events by
`office.web.follower` and could be thrown away and made again; `Progress` says
how far they have come.
"""

from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.db import models

from office.faults import OfficeFault
from office.identity.sealed import PersonKey, Sealed, SealedText
from office.models import Alert, Gate, Pass, Person
from office.web.roles import Role


class Account(AbstractUser):
    """One real person's account (C26); the username is the name that the history keeps."""

    is_superuser = None  # nobody is above the table of roles
    must_change_password = models.BooleanField(default=False)

    class Meta(AbstractUser.Meta):
        default_permissions = ()


class Duty(models.Model):
    """What an account is at a site; without a row, and with an empty role, it is nothing there."""

    account = models.ForeignKey(Account, models.CASCADE, related_name="duties")
    site = models.CharField(max_length=32)
    role = models.CharField(max_length=16, choices=Role.choices, blank=True, help_text="empty: not any more")

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "site"], name="one_duty_at_a_site")
        ]

    def __str__(self) -> str:
        return f"{self.account_id}: {self.role or 'nothing'} at {self.site}"


class PersonFile(Sealed):
    """What a clerk knows of a person besides the name, under the person's key; it never leaves the office."""

    person = models.OneToOneField(Person, models.CASCADE, related_name="file")
    unit = SealedText()  # flat, room or company
    phone = SealedText()
    note = SealedText()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"file of person {self.person_id}"

    def key_to_seal_with(self) -> PersonKey:
        """The person's."""
        if self.person.key is None:
            raise OfficeFault("this person's data were deleted; make a new file for who comes back")
        return self.person.key


class Progress(models.Model):
    """How far the totals have followed the events; the one row's lock lets one follower work at a time."""

    event = models.PositiveBigIntegerField(default=0, help_text="the last event counted")

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"counted up to event {self.event}"


class Inside(models.Model):
    """A pass whose last admission was on the way in."""

    pass_id = models.CharField(max_length=16, unique=True)
    gate = models.ForeignKey(Gate, models.CASCADE)
    since_utc = models.FloatField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.pass_id


class WentOut(models.Model):
    """A pass whose last admission was on the way out, so that a way in which is heard of late counts no more."""

    pass_id = models.CharField(max_length=16, unique=True)
    at_utc = models.FloatField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.pass_id


class GateNow(models.Model):
    """The last that was heard from a gate, and what is wrong there."""

    gate = models.OneToOneField(Gate, models.CASCADE, related_name="now")
    at_utc = models.FloatField(default=0, help_text="of its last event")
    heard = models.DateTimeField(null=True, help_text="when that was taken in, by the office's clock")
    kind = models.CharField(max_length=32, blank=True)
    reason = models.CharField(max_length=32, blank=True)
    troubles = models.JSONField(default=list, help_text="kinds of events that have not been undone")
    list_number = models.PositiveBigIntegerField(default=0)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.gate_id}: {self.kind}"


class HourCount(models.Model):
    """How many events of a kind a gate had in an hour of the site's day."""

    gate = models.ForeignKey(Gate, models.CASCADE)
    hour = models.PositiveIntegerField(help_text="hours since 1970 on the site's clock")
    kind = models.CharField(max_length=32)
    count = models.PositiveIntegerField(default=0)

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["hour", "gate", "kind"], name="one_count_of_an_hour")
        ]

    def __str__(self) -> str:
        return f"{self.gate_id} {self.hour} {self.kind}: {self.count}"


class Handling(models.Model):
    """Who took an alert on, and how it came out (C34)."""

    alert = models.OneToOneField(Alert, models.CASCADE, related_name="handling")
    owner = models.CharField(max_length=150)
    acknowledged_at = models.DateTimeField()
    outcome = models.CharField(max_length=500, blank=True)
    closed_by = models.CharField(max_length=150, blank=True)
    closed_at = models.DateTimeField(null=True)
    closed_count = models.PositiveBigIntegerField(
        default=0, help_text="the alert's count then; one more opens it again"
    )

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.owner}: {self.outcome or 'open'}"


class OrderRules(models.Model):
    """For which orders the site wants two people."""

    second_person = models.JSONField(default=list, help_text="of open, lockdown, release")

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"two people for {', '.join(self.second_person)}"


class OrderState(models.TextChoices):
    """An order's way."""

    WAITING = "waiting"  # for the second person
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"  # nobody confirmed it in time
    FAILED = "failed"  # it could not be sent
    SENT = "sent"
    SILENT = "silent"  # sent, and the gate says nothing
    OBEYED = "obeyed"
    REFUSED = "refused"


class RemoteOrder(models.Model):
    """An order that somebody gave a gate from the pages."""

    gate = models.ForeignKey(Gate, models.CASCADE)
    what = models.CharField(max_length=16)
    why = models.CharField(max_length=64)
    asked_by = models.CharField(max_length=150)
    asked_at = models.DateTimeField()
    ends = models.DateTimeField(help_text="a second person confirms before this")
    confirmed_by = models.CharField(max_length=150, blank=True)
    sent_at = models.DateTimeField(null=True)
    nonce = models.CharField(
        max_length=32, blank=True, db_index=True, help_text="by which its outcome is found"
    )
    state = models.CharField(max_length=16, choices=OrderState.choices, default=OrderState.WAITING)
    outcome = models.CharField(max_length=200, blank=True, help_text="why not")
    done_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        indexes: ClassVar = [models.Index(fields=["state"], name="orders_by_state")]

    def __str__(self) -> str:
        return f"{self.what} ({self.state})"


class VisitRules(models.Model):
    """What the form asks of one kind of people, and what pass they get; as the site wants it (C33)."""

    kind = models.CharField(max_length=16, unique=True, default="visitor")
    open = models.BooleanField(default=True, help_text="this kind may ask at the gates")
    hosts = models.BooleanField(default=True, help_text="whom they visit may approve, from a phone")
    asks = models.JSONField(default=list, help_text="of phone, host, company, plate")
    purposes = models.JSONField(default=list)
    notice = models.CharField(
        max_length=1000, help_text="what for, how long it is kept; shown above the form"
    )
    hours = models.PositiveSmallIntegerField(default=4)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.kind}: asks {', '.join(self.asks)}"


class VisitState(models.TextChoices):
    """A visit's way."""

    WAITING = "waiting"
    APPROVED = "approved"
    REFUSED = "refused"
    ENTERED = "entered"
    LEFT = "left"
    ENDED = "ended"


class Visit(Sealed):
    """One visit, from the form at the gate to the way out (C07)."""

    token = SealedText()  # of the visitor's page: whoever has it sees name and pass
    token_hash = models.CharField(max_length=43, unique=True, help_text="finds the page; see Visit.hashed")
    kind = models.CharField(max_length=16, default="visitor")
    once = models.CharField(max_length=32, blank=True, help_text="of the form that was sent, perhaps twice")
    gate = models.ForeignKey(Gate, models.CASCADE)
    at = models.DateTimeField()
    consent_at = models.DateTimeField()
    name = SealedText()
    purpose = models.CharField(max_length=100)
    phone = SealedText()
    host = SealedText()
    company = SealedText()
    plate = SealedText()
    state = models.CharField(max_length=16, choices=VisitState.choices, default=VisitState.WAITING)
    held = models.ForeignKey(Pass, models.PROTECT, null=True)
    decided_by = models.CharField(max_length=150, blank=True)
    why = models.CharField(max_length=200, blank=True)
    entered_utc = models.FloatField(null=True)
    left_utc = models.FloatField(null=True)
    overstay = models.BooleanField(default=False, help_text="the alert was raised")

    class Meta:
        default_permissions = ()
        indexes: ClassVar = [models.Index(fields=["state"], name="visits_by_state")]

    def __str__(self) -> str:
        return f"visit {self.pk} ({self.state})"

    @staticmethod
    def hashed(token: str) -> str:
        """By what a visit is found: whoever reads the table opens nobody's page."""
        return urlsafe_b64encode(sha256(token.encode("utf-8", "replace")).digest()).rstrip(b"=").decode()
