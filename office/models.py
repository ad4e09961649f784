"""What the office keeps: who holds which pass, which gates there are, and what they reported.

Names live here and nowhere else; gates know pass ids. Events are kept as the
bytes the gate hashed, so that its chain can be checked again at any time; the
columns beside them only make them findable.
"""

from typing import ClassVar

from django.db import models

from agent.core.allowlist import PassKind
from agent.core.chain import GENESIS
from office.identity.sealed import Sealed, SealedText, office_secrets, steady


class Site(models.Model):
    """The one site this office serves, and what its lists say to all gates."""

    name = models.CharField(max_length=32, unique=True)
    zones = models.JSONField(help_text="names in order; a zone's place is its bit in a pass")
    utc_offset_min = models.SmallIntegerField(default=0)
    soft_ttl_s = models.PositiveIntegerField(default=86_400)
    shard_bits = models.PositiveSmallIntegerField(default=0)
    unlisted_static = models.BooleanField(default=False)
    admit_when_dead = models.JSONField(default=list)
    admit_when_clock_unknown = models.JSONField(default=list)
    unlisted_holders = models.BooleanField(default=True)
    kind_schedules = models.JSONField(default=dict, help_text="kind to the number of a schedule")
    holidays = models.JSONField(default=list, help_text="dates, 2026-10-01")
    passback = models.JSONField(default=dict, help_text="kind to mode and minutes")

    def __str__(self) -> str:
        return self.name


class Schedule(models.Model):
    """Hours of the week with a name; lists know them by number."""

    site = models.ForeignKey(Site, models.PROTECT)
    number = models.PositiveSmallIntegerField(help_text="1 to 254")
    name = models.CharField(max_length=32)
    windows = models.JSONField(help_text="each: days 1 to 8, from and to in minutes")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["site", "number"], name="one_schedule_of_a_number"),
            models.UniqueConstraint(fields=["site", "name"], name="one_schedule_of_a_name"),
        ]

    def __str__(self) -> str:
        return self.name


class Gate(models.Model):
    """A gate as enrolled: the key that signs its journal, and where it stands."""

    site = models.ForeignKey(Site, models.PROTECT)
    name = models.CharField(max_length=32)
    device_id = models.CharField(max_length=128)
    journal_key = models.CharField(max_length=80)
    direction = models.CharField(max_length=16, blank=True)
    zone = models.CharField(max_length=32, blank=True)
    record = models.JSONField(help_text="the whole enrolment record")

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["site", "name"], name="one_gate_of_a_name")]

    def __str__(self) -> str:
        return self.name


class Person(Sealed):
    """One person, one file. The name is sealed; without its key it is empty, for good (C10)."""

    site = models.ForeignKey(Site, models.PROTECT)
    mark = models.CharField(max_length=64, null=True, help_text="finds this exact name again")  # noqa: DJ001  many without
    name = SealedText()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["site", "mark"], name="one_file_of_a_name")]

    def __str__(self) -> str:
        return f"person {self.pk}"

    @classmethod
    def of_name(cls, site: Site, name: str) -> "Person":
        """The file of this name; a new one if there is none. Belongs into a transaction."""
        steady()
        mark = office_secrets().current.mark(name)
        return cls.objects.select_related("key").get_or_create(site=site, mark=mark, defaults={"name": name})[
            0
        ]


class PassState(models.TextChoices):
    """A pass's way: drafted, then approved by another; ended in one of three ways."""

    DRAFT = "draft"
    LIVE = "live"
    SUSPENDED = "suspended"
    REVOKED = "revoked"
    ENDED = "ended"


class Pass(models.Model):
    """What a person holds: a printed code, which is composed when it is wanted, or a key on their phone."""

    pass_id = models.CharField(max_length=16, unique=True, help_text="16 hex digits")
    person = models.ForeignKey(Person, models.PROTECT, related_name="passes")
    kind = models.CharField(max_length=16, choices=[(str(kind), str(kind)) for kind in PassKind])
    zones = models.PositiveSmallIntegerField(help_text="bit n set: the site's n-th zone")
    not_before = models.DateTimeField()
    not_after = models.DateTimeField()
    uses = models.PositiveSmallIntegerField(default=0, help_text="0 is without limit")
    duress = models.BooleanField(
        default=False, help_text="shown under a threat: opens, and alarms the office"
    )
    schedule = models.PositiveSmallIntegerField(default=0, help_text="its own; 0 is that of its kind")
    on_phone = models.BooleanField(
        default=False, help_text="its codes are made by a key on the holder's phone"
    )
    holder_key = models.CharField(max_length=80, blank=True, help_text="that key; empty until there is one")
    state = models.CharField(max_length=16, choices=PassState.choices, default=PassState.DRAFT)
    drafted_by = models.CharField(max_length=100)
    approved_by = models.CharField(max_length=100, blank=True)
    published = models.BinaryField(null=True, help_text="its grant as last published")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["person", "kind", "duress"],
                condition=models.Q(state__in=[PassState.DRAFT, PassState.LIVE, PassState.SUSPENDED]),
                name="one_live_pass_of_a_kind",
            )
        ]

    def __str__(self) -> str:
        return self.pass_id


class HolderKey(models.Model):
    """A key that signs for a pass, or did: one phone after the other."""

    held = models.ForeignKey(Pass, models.CASCADE, related_name="keys")
    key = models.CharField(max_length=80, db_index=True)
    since = models.DateTimeField()
    until = models.DateTimeField(null=True, help_text="when it was taken out")
    listed_in = models.PositiveBigIntegerField(null=True, help_text="a list that has it")

    def __str__(self) -> str:
        return f"a key of pass {self.held_id}"


class Invitation(models.Model):
    """Lets one phone put its key into a pass, once; only the link's hash is kept."""

    held = models.ForeignKey(Pass, models.CASCADE, related_name="invitations")
    token_hash = models.CharField(max_length=64, unique=True, help_text="SHA-256 of what the link carries")
    by = models.CharField(max_length=100)
    at = models.DateTimeField()
    ends = models.DateTimeField()
    challenge = models.CharField(max_length=32, blank=True, help_text="what the phone signs to prove its key")
    challenged_at = models.DateTimeField(null=True)
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"an invitation to pass {self.held_id}"


class Act(models.Model):
    """Who did what to which pass, person or gate, when and why. Rows are added, never changed.

    The database itself refuses to change or delete one (see the migrations); each follows from
    the one before by its hash (see office.audit).
    """

    n = models.PositiveBigIntegerField(unique=True, help_text="1, 2, 3 … without a hole")
    at = models.DateTimeField()
    who = models.CharField(max_length=100)
    what = models.CharField(max_length=32)
    subject = models.CharField(max_length=64, help_text="a pass id, a gate or a list number")
    why = models.CharField(max_length=500, blank=True)
    head = models.BinaryField(max_length=32, help_text="SHA-256 over the head before and this act's line")

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["subject"], name="acts_by_subject"),
            models.Index(fields=["what"], name="acts_by_what"),
        ]

    def __str__(self) -> str:
        return f"{self.who} {self.what} {self.subject}"


class ActSeal(models.Model):
    """The office's signature over the acts up to one of them; never changed either."""

    n = models.PositiveBigIntegerField(unique=True)
    before = models.PositiveBigIntegerField(help_text="the n of the seal before; 0 is none")
    at_ms = models.PositiveBigIntegerField()
    head = models.BinaryField(max_length=32)
    signature = models.BinaryField(max_length=64)

    def __str__(self) -> str:
        return f"seal over act {self.n}"


class Publication(models.Model):
    """A list as published; its number only grows."""

    number = models.PositiveBigIntegerField(unique=True)
    at = models.DateTimeField()
    passes = models.PositiveIntegerField()

    def __str__(self) -> str:
        return f"list {self.number}"


class Epoch(models.Model):
    """A run of one gate's process, and how far the office has all of it.

    `upto` and `head` are the contiguous position: everything to there is kept
    hashes to head. `prev_epoch` is what its first event said came before it.
    """

    gate = models.ForeignKey(Gate, models.PROTECT, related_name="epochs")
    name = models.CharField(max_length=16)
    upto = models.PositiveBigIntegerField()
    head = models.BinaryField(max_length=32)
    prev_epoch = models.CharField(max_length=16, blank=True)
    let_go = models.PositiveBigIntegerField(default=0, help_text="events up to here were deleted on schedule")
    let_go_head = models.BinaryField(max_length=32, default=GENESIS, help_text="the head there")

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["gate", "name"], name="one_epoch_of_a_name")]

    def __str__(self) -> str:
        return f"{self.gate_id}/{self.name}"


class Event(models.Model):
    """One journaled fact. Ids grow in the order of ingestion: the feed's order."""

    # Its epoch's row has the constraint: PostgreSQL would look the gate up once more for each event.
    gate = models.ForeignKey(Gate, models.PROTECT, db_index=False, db_constraint=False)
    epoch = models.CharField(max_length=16)
    seq = models.PositiveBigIntegerField()
    at_utc = models.FloatField(help_text="seconds since 1970 by the gate's clock")
    kind = models.CharField(max_length=32)
    reason = models.CharField(max_length=32, blank=True)
    pass_id = models.CharField(max_length=16, blank=True)
    body = models.BinaryField(help_text="the line as it was hashed")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["gate", "epoch", "seq"], name="each_event_once")
        ]
        # Both grow at their ends, which costs little while events come in. One over passes would grow everywhere.
        indexes: ClassVar = [
            models.Index(fields=["kind"], name="events_by_kind"),
            models.Index(fields=["at_utc"], name="events_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.gate_id}/{self.epoch}/{self.seq}"


class Gap(models.Model):
    """Events that a gate let go of before this office had them; see office.gaps. Rows stay."""

    gate = models.ForeignKey(Gate, models.PROTECT)
    after_epoch = models.CharField(
        max_length=16, blank=True, help_text="of the last event before it; empty: there was none"
    )
    after_seq = models.PositiveBigIntegerField()
    after_head = models.BinaryField(max_length=32)
    to_epoch = models.CharField(max_length=16, help_text="of the last event in it")
    to_seq = models.PositiveBigIntegerField()
    to_head = models.BinaryField(max_length=32)
    purged = models.BinaryField(max_length=64, help_text="the gate's signature over having let go of it")
    seen_at = models.DateTimeField(help_text="when the gate last spoke of it")
    accepted_at = models.DateTimeField(null=True)
    by = models.CharField(max_length=100, blank=True)
    why = models.CharField(max_length=500, blank=True)
    signature = models.BinaryField(
        max_length=64, default=b"", help_text="the office's, over all of the above"
    )
    closed_at = models.DateTimeField(null=True, help_text="when the feed went on behind it")
    # Events go by their own clock, so what the feed and a day's account want to know of them is kept here.
    before_utc = models.FloatField(null=True, help_text="when the last event before it was; null: none")
    behind_utc = models.FloatField(null=True, help_text="when the first event behind it was")
    place = models.PositiveBigIntegerField(null=True, help_text="the newest event's id as it was closed")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["gate", "after_epoch", "after_seq", "to_epoch", "to_seq"], name="each_gap_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.gate_id}: {self.after} to {self.to}"

    @property
    def after(self) -> str:
        """The last event before it, for people."""
        return f"{self.after_epoch}/{self.after_seq}" if self.after_epoch else "the beginning"

    @property
    def to(self) -> str:
        """The last event in it, for people."""
        return f"{self.to_epoch}/{self.to_seq}"


class Alert(models.Model):
    """Something wrong that a person must look at; repeats of it are counted, not added."""

    kind = models.CharField(max_length=32)
    gate = models.CharField(max_length=32, blank=True, help_text="empty: a gate that is not on record")
    about = models.CharField(max_length=64, blank=True, help_text="which epoch or place")
    detail = models.CharField(max_length=500, help_text="of the latest")
    count = models.PositiveBigIntegerField(default=1)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["kind", "gate", "about"], name="one_alert_of_a_matter")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.gate} {self.about}"


class IngesterBeat(models.Model):
    """The last sign of life of an ingester; see office.ingest.beat."""

    name = models.CharField(max_length=64, unique=True, help_text="its client id")
    at = models.DateTimeField()
    listening = models.BooleanField(default=False, help_text="the broker serves it")
    listened_at = models.DateTimeField(null=True, help_text="when it last did")
    stopped = models.BooleanField(default=False, help_text="it ended as it was told to")

    def __str__(self) -> str:
        return self.name


class DayAccount(models.Model):
    """How a gate's day stood when it was last held against its closing statement; see office.daily."""

    gate = models.ForeignKey(Gate, models.CASCADE)
    day = models.CharField(max_length=10, help_text="the local date")
    verdict = models.CharField(max_length=16, help_text="as office.reconcile has it, or `off`")
    events = models.PositiveBigIntegerField(default=0)
    missing = models.PositiveBigIntegerField(default=0)
    detail = models.CharField(max_length=500, blank=True)
    at = models.DateTimeField(null=True)
    upto = models.PositiveBigIntegerField(default=0, help_text="the gate's newest event then")

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["gate", "day"], name="one_account_of_a_day")]

    def __str__(self) -> str:
        return f"{self.gate_id} {self.day}: {self.verdict}"


class Restoration(models.Model):
    """The office was made anew from a backup, and has to find out what happened since; see office.differences."""

    at = models.DateTimeField()
    made_at = models.DateTimeField(help_text="when the backup was made")
    act = models.PositiveBigIntegerField(help_text="the act that says so; what people do comes after it")
    floor = models.PositiveBigIntegerField(
        help_text="gates may have this list: the next has a greater number"
    )
    event = models.PositiveBigIntegerField(default=0, help_text="the last of the gates' events looked at")

    def __str__(self) -> str:
        return f"restored from the backup of {self.made_at}"


class Difference(models.Model):
    """A pass or a rule that stands otherwise in a restored office than with its gates; rows stay."""

    restoration = models.ForeignKey(Restoration, models.PROTECT)
    what = models.CharField(max_length=16, help_text="see office.differences.What")
    subject = models.CharField(max_length=64, help_text="a pass id, a gate, or a rule's name")
    detail = models.CharField(max_length=500)
    at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)
    by = models.CharField(max_length=150, blank=True)
    outcome = models.CharField(max_length=16, blank=True)
    why = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["restoration", "subject"], name="one_difference_of_a_subject")
        ]

    def __str__(self) -> str:
        return f"{self.what} {self.subject}"


class RetentionRule(models.Model):
    """How long a class of data is kept, where the office chose otherwise than usual."""

    kept = models.CharField(max_length=16, unique=True)
    days = models.PositiveSmallIntegerField()

    def __str__(self) -> str:
        return f"{self.kept}: {self.days} days"
