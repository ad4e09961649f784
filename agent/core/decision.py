"""Decisions: what a gate answers to a pass.

A refusal is a value with a reason, never an exception. The reasons are the
vocabulary of the lights, the feed and the office's tables; each is counted
by itself.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from agent.core.memory import Way


class Reason(StrEnum):
    """Why a pass was refused."""

    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    OUTSIDE_SCHEDULE = "outside_schedule"
    CLOCK_UNSURE = "clock_unsure"  # the site does not admit this kind while the clock is unknown
    UNKNOWN_PASS = "unknown_pass"  # noqa: S105  well-formed, on no list
    REVOKED = "revoked"
    SUSPENDED = "suspended"
    USED_UP = "used_up"
    PASSED_BACK = "passed_back"  # came in, was not seen going out, and comes in again
    MALFORMED = "malformed"  # not a pass of ours at all
    FORGED = "forged"  # a pass whose signature does not hold
    REPLAYED = "replayed"  # this step of this pass was used already, or lies too far from now
    WRONG_SITE = "wrong_site"
    TOO_LONG = "too_long"  # valid for more than 366 days, whoever signed it
    WRONG_ZONE = "wrong_zone"
    LIST_DEAD = "list_dead"  # the list's hard limit has passed
    NO_LIST = "no_list"  # this gate has never had a list that it may believe
    LOCKED_DOWN = "locked_down"
    INTERLOCKED = "interlocked"  # the other door of the interlock stands open
    FULL = "full"  # as many are inside as the site allows


@dataclass(frozen=True, slots=True)
class Admit:
    """Open: the pass holds, here, now."""

    pass_id: bytes
    kind: str
    step: int | None = None  # which 15 s step of a rotating pass was used
    note: str = ""  # what was unsure or wrong, in words with spaces between, e.g. `list_stale`
    way: Way = Way.IN  # how the passage is counted
    duress: bool = False  # its holder opens under a threat: let through as ever, and told to the office
    counted: bool = False  # the pass may come in only so often


@dataclass(frozen=True, slots=True)
class Refuse:
    """Stay shut, and say why."""

    reason: Reason
    pass_id: bytes | None = None
    detail: str = ""  # for the journal, never for the person at the gate
    elsewhere: str = ""  # the other gate of the site that this very code has opened


Decision: TypeAlias = Admit | Refuse
