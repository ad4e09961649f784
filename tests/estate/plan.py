"""The truth about a day: who comes to which gate when, with what, and what ought to come of it.

Everything here follows from a seed and from the rules as a resident would tell them. Nothing
here asks the product; what it decides is held against this afterwards.
"""

import hashlib
import random
from bisect import bisect, insort
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
ADMITTED: Final = "admitted"
IN, OUT = "in", "out"
SITES: Final = ("willow-court", "harbour-tower", "tea-garden")
DIRECTIONS: Final = (IN, OUT, "both", "both")
APART_S: Final = 2.5
"""Between two people at one gate."""
SLICE_S: Final = 10 * MINUTE
"""So much is played at all gates at once."""
DWELL_S: Final = 2.5 * SLICE_S
"""Between two passages of one person: the gates have told each other of a slice before the next but one."""
SAMPLED: Final = ("day", "bright", "dim", "oblique", "rolled", "small")
_SURNAMES: Final = [
    "Li",
    "Wang",
    "Zhang",
    "Liu",
    "Chen",
    "Yang",
    "Zhao",
    "Huang",
    "Zhou",
    "Wu",
    "Xu",
    "Sun",
    "Hu",
    "Zhu",
    "Gao",
    "Lin",
    "He",
    "Guo",
    "Ma",
    "Luo",
]
_GIVEN: Final = [
    "Wei",
    "Fang",
    "Min",
    "Jing",
    "Lei",
    "Qiang",
    "Yan",
    "Juan",
    "Tao",
    "Ming",
    "Chao",
    "Xia",
    "Ping",
    "Gang",
    "Jie",
    "Bo",
    "Hui",
    "Yu",
    "Ning",
    "Rui",
]


@dataclass(frozen=True, slots=True)
class GatePlan:
    """A gate and the ways through it: `in`, `out` or `both`."""

    site: str
    name: str
    direction: str

    @property
    def key(self) -> str:
        return f"{self.site}/{self.name}"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a pass, or with something that ought to be none.

    Args:
        key: `ed25519` or `p256` for a phone; empty for a printed card.
        zone: the one that the pass is for.
        begins_s, ends_s: validity, seconds from the day's midnight.
        false: what they show is no pass: it is `forged` in this person's name, `unknown`, or a `poster`.
        late: issued during the day, not before it.
    """

    site: str
    number: int
    kind: str
    key: str = ""
    zone: str = "main"
    uses: int = 0
    begins_s: float = -DAY
    ends_s: float = 30 * DAY
    false: str = ""
    late: bool = False
    suspended: bool = False

    @property
    def name(self) -> str:
        given, sur = divmod(self.number, len(_SURNAMES))
        return f"{_SURNAMES[sur]} {_GIVEN[given % len(_GIVEN)]} {self.site[:1]}{self.number:04}"

    @property
    def is_issued(self) -> bool:
        """Whether the office has a pass of theirs; what is forged imitates one."""
        return self.false in {"", "forged"}

    @property
    def pass_id(self) -> str:
        return hashlib.sha256(f"{self.site} {self.number}".encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Showing:
    """A code held to a gate's camera.

    Args:
        at_s: seconds since midnight.
        answer: what the gate ought to say: `admitted`, or the reason for refusing.
        way: which way the person then goes; empty for whoever stays outside.
        rendered: as a picture before the camera; else as the text that a camera would have read.
        condition: light, lens and hand, of the picture.
        copied_from_s: the code is a picture of the phone's screen at that second.
        after_word: the site's gates have told each other everything before this.
        worn: how worn the card is, 0 to 1.
        story: the incident that it belongs to; empty for the everyday.
        at_clone: at the stranger's kiosk that was made from a copied card.
        old_card: the card that was printed before the office had new keys.
    """

    at_s: float
    gate: str
    who: Person
    answer: str
    way: str = ""
    rendered: bool = False
    condition: str = "day"
    copied_from_s: float | None = None
    after_word: bool = False
    worn: float = 0.0
    story: str = ""
    at_clone: bool = False
    old_card: bool = False

    @property
    def medium(self) -> str:
        return "phone" if self.who.key else "card"


@dataclass(frozen=True, slots=True, order=True)
class Alarm:
    """An alert that the office ought to raise, as it names it; `about` is a pass, or empty."""

    site: str
    kind: str
    gate: str
    about: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Step:
    """Something that is done to the estate at a moment, by its name in tests.estate.day."""

    at_s: float
    what: str
    where: tuple[str, ...] = ()


@dataclass(slots=True)
class Plan:
    """A day."""

    seed: int
    gates: tuple[GatePlan, ...]
    people: list[Person] = field(default_factory=list)
    showings: list[Showing] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    alarms: set[Alarm] = field(default_factory=set)
    perhaps: set[Alarm] = field(default_factory=set)  # which come or not, as it happens
    worn: set[tuple[str, str]] = field(default_factory=set)
    forked: set[str] = field(default_factory=set)
    cut: set[str] = field(default_factory=set)
    canary: str = ""

    @property
    def sites(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(gate.site for gate in self.gates))

    def gates_of(self, site: str, *directions: str) -> list[GatePlan]:
        return [
            gate
            for gate in self.gates
            if gate.site == site and (not directions or gate.direction in directions)
        ]

    def inside(self, site: str, at_s: float = DAY) -> set[str]:
        """The passes of those who are inside, by what they really did."""
        there: dict[str, str] = {}
        for showing in sorted(self.showings, key=lambda one: one.at_s):
            if showing.who.site == site and showing.way and showing.at_s < at_s:
                there[showing.who.pass_id] = showing.way
        return {pass_id for pass_id, way in there.items() if way == IN}

    def person(self, site: str, **terms: object) -> Person:
        """One more with a pass, or without."""
        made = Person(site, len(self.people), **terms)  # type: ignore[arg-type]
        self.people.append(made)
        return made


def estate_of(gates: int) -> tuple[GatePlan, ...]:
    """So many gates over up to three sites, each with a way in, a way out and one for both."""
    sites = SITES[: max(1, min(len(SITES), gates // 3))]
    made: list[GatePlan] = []
    for number in range(gates):
        site, place = sites[number % len(sites)], number // len(sites)
        direction = DIRECTIONS[place % len(DIRECTIONS)]
        made.append(GatePlan(site, f"{direction}-{place + 1}", direction))
    return tuple(sorted(made, key=lambda gate: (sites.index(gate.site), int(gate.name.split("-")[1]))))


# --- the everyday ------------------------------------------------------------------


def everyday(plan: Plan, people: int, rng: random.Random, rendered: float) -> None:
    """Commuters, staff, visitors, couriers, and those who get nowhere."""
    for number in range(people):
        site = plan.sites[number % len(plan.sites)]
        _one(plan, site, rng)
    for site in plan.sites:
        for _ in range(max(1, people // len(plan.sites) // 150)):
            for nuisance in _NUISANCES:
                nuisance(plan, site, rng)
    plan.showings = [
        replace(one, rendered=True, condition=rng.choice(SAMPLED)) if rng.random() < rendered else one
        for one in plan.showings
    ]


def _one(plan: Plan, site: str, rng: random.Random) -> None:
    dice = rng.random()
    if dice < 0.60:
        _resident(plan, site, rng)
    elif dice < 0.82:
        _staff(plan, site, rng)
    elif dice < 0.88:
        _contractor(plan, site, rng)
    elif dice < 0.96:
        _visitor(plan, site, rng)
    else:
        _courier(plan, site, rng)


def _goes(
    plan: Plan, who: Person, rng: random.Random, at_s: float, way: str, *, unseen: bool = False
) -> None:
    """Somebody with a good pass goes through; unseen: no gate has seen them come in, so that only a way out is one."""
    choices = plan.gates_of(who.site, way) if unseen and way == OUT else plan.gates_of(who.site, way, "both")
    plan.showings.append(Showing(at_s, rng.choice(choices).key, who, ADMITTED, way))


def _resident(plan: Plan, site: str, rng: random.Random) -> None:
    who = plan.person(site, kind="resident", key="p256" if rng.random() < 0.3 else "ed25519")
    if rng.random() < 0.15:
        return  # stays at home
    leaves = rng.gauss(8 * HOUR, 40 * MINUTE)
    back = rng.gauss(18 * HOUR, 60 * MINUTE)
    _goes(plan, who, rng, leaves, OUT, unseen=True)
    if rng.random() < 0.2:  # home for lunch
        lunch = rng.gauss(12.3 * HOUR, 15 * MINUTE)
        _goes(plan, who, rng, lunch, IN)
        _goes(plan, who, rng, lunch + DWELL_S + rng.uniform(5, 40) * MINUTE, OUT)
    if rng.random() < 0.93:  # the others are away tonight
        _goes(plan, who, rng, back, IN)


def _staff(plan: Plan, site: str, rng: random.Random) -> None:
    who = plan.person(site, kind="staff", key="ed25519" if rng.random() < 0.2 else "")
    if rng.random() < 0.08:  # the night shift
        _goes(plan, who, rng, rng.gauss(21.7 * HOUR, 8 * MINUTE), IN)
        return
    _goes(plan, who, rng, rng.gauss(8.6 * HOUR, 25 * MINUTE), IN)
    _goes(plan, who, rng, rng.gauss(17.6 * HOUR, 30 * MINUTE), OUT)


def _contractor(plan: Plan, site: str, rng: random.Random) -> None:
    who = plan.person(site, kind="contractor")
    begins = rng.uniform(7.3, 10) * HOUR
    _goes(plan, who, rng, begins, IN)
    _goes(plan, who, rng, rng.uniform(begins + 2 * HOUR, 18 * HOUR), OUT)


def _visitor(plan: Plan, site: str, rng: random.Random) -> None:
    who = plan.person(site, kind="visitor", uses=rng.choice((0, 1, 2)), begins_s=0.0, ends_s=DAY - MINUTE)
    comes = rng.uniform(9.5, 20) * HOUR
    _goes(plan, who, rng, comes, IN)
    if rng.random() < 0.9:  # the others stay overnight
        _goes(plan, who, rng, min(comes + rng.uniform(0.5, 3) * HOUR, 23.7 * HOUR), OUT)


def _courier(plan: Plan, site: str, rng: random.Random) -> None:
    who = plan.person(site, kind="courier", uses=1, begins_s=0.0, ends_s=DAY - MINUTE)
    comes = rng.uniform(9, 20) * HOUR
    _goes(plan, who, rng, comes, IN)
    _goes(plan, who, rng, leaves := comes + DWELL_S + rng.uniform(0, 20) * MINUTE, OUT)
    if rng.random() < 0.3:  # one use is one use
        gate = rng.choice(plan.gates_of(site, IN, "both")).key
        plan.showings.append(Showing(leaves + DWELL_S + rng.uniform(0, 60) * MINUTE, gate, who, "used_up"))


def _refused(
    plan: Plan, who: Person, rng: random.Random, reason: str, *, day: tuple[float, float] = (9, 21)
) -> Showing:
    gate = rng.choice(plan.gates_of(who.site, IN, "both")).key
    made = Showing(rng.uniform(*day) * HOUR, gate, who, reason)
    plan.showings.append(made)
    return made


def _expired(plan: Plan, site: str, rng: random.Random) -> None:
    _refused(plan, plan.person(site, kind="visitor", begins_s=-9 * DAY, ends_s=-DAY - MINUTE), rng, "expired")


def _early(plan: Plan, site: str, rng: random.Random) -> None:
    who = plan.person(site, kind="visitor", begins_s=2 * DAY, ends_s=3 * DAY - MINUTE)
    _refused(plan, who, rng, "not_yet_valid")


def _elsewhere(plan: Plan, site: str, rng: random.Random) -> None:
    _refused(plan, plan.person(site, kind="staff", zone="archive"), rng, "wrong_zone")


def _suspended(plan: Plan, site: str, rng: random.Random) -> None:
    if not any(one.suspended and one.site == site for one in plan.people):
        # Before the office's keys are replaced at 11: after that an old card is forged, and nobody prints theirs.
        _refused(plan, plan.person(site, kind="staff", suspended=True), rng, "suspended", day=(9, 10.8))


def _forger(plan: Plan, site: str, rng: random.Random) -> None:
    _refused(plan, plan.person(site, kind="resident", key="ed25519", false="forged"), rng, "forged")


def _stranger(plan: Plan, site: str, rng: random.Random) -> None:
    _refused(plan, plan.person(site, kind="resident", key="ed25519", false="unknown"), rng, "unknown_pass")


def _poster(plan: Plan, site: str, rng: random.Random) -> None:
    _refused(plan, plan.person(site, kind="visitor", false="poster"), rng, "malformed")


def _by_night(plan: Plan, site: str, rng: random.Random) -> None:
    """A contractor before hours: refused, and the office is told of the hour. Twice a night is enough for a table."""
    if sum(alarm.kind == "odd_hour" and alarm.site == site for alarm in plan.alarms) >= 2:
        return
    who = plan.person(site, kind="contractor")
    tried = _refused(plan, who, rng, "outside_schedule", day=(1, 5))
    plan.alarms.add(Alarm(site, "odd_hour", tried.gate.split("/")[1], who.pass_id))


def _handed_back(plan: Plan, site: str, rng: random.Random) -> None:
    """A card that its holder hands out again over the fence, for a friend."""
    who = plan.person(site, kind="staff")
    comes = rng.uniform(9, 11) * HOUR
    _goes(plan, who, rng, comes, IN)
    gate = rng.choice(plan.gates_of(site, IN)).key
    plan.showings.append(Showing(comes + DWELL_S + rng.uniform(0, 20) * MINUTE, gate, who, "passed_back"))
    _goes(plan, who, rng, rng.uniform(16, 18) * HOUR, OUT)


_NUISANCES: Final = (
    _expired,
    _early,
    _elsewhere,
    _suspended,
    _forger,
    _stranger,
    _poster,
    _by_night,
    _handed_back,
)
_WORTHLESS: Final = frozenset({"forged", "unknown_pass", "malformed"})
WORTHLESS_APART_S: Final = 90.0
"""Everyday nonsense comes one at a time: five tries within a minute would be a guesser."""


# --- order -------------------------------------------------------------------------


def keep_away(plan: Plan, gates: Iterable[str], begin_s: float, end_s: float) -> None:
    """Nobody of the everyday comes to these gates meanwhile: they wait, and all that they do later is later."""
    shut, later_s = set(gates), dict[Person, float]()
    moved: list[Showing] = []
    for one in sorted(plan.showings, key=lambda one: one.at_s):
        if not one.story:
            if one.gate in shut and begin_s <= one.at_s < end_s:
                later_s[one.who] = end_s + 30 + (one.at_s - begin_s) / 10 - one.at_s
            moved.append(replace(one, at_s=one.at_s + later_s.get(one.who, 0.0)))
        else:
            moved.append(one)
    plan.showings = moved


def queue(plan: Plan) -> None:
    """People at one gate come one after another; incidents keep their moment, the everyday makes room.

    Raises:
        ValueError: somebody would overtake themselves, which is no day at all.
    """
    taken: dict[str, list[float]] = defaultdict(list)
    worthless: dict[str, list[float]] = defaultdict(list)
    placed: list[Showing] = []
    for one in sorted(plan.showings, key=lambda one: (not one.story, one.at_s)):
        at_s = one.at_s
        if not one.story:
            at_s = min(max(at_s, 60.0), DAY - 600)
            while _near(taken[one.gate], at_s, APART_S) or (
                one.answer in _WORTHLESS and _near(worthless[one.gate], at_s, WORTHLESS_APART_S)
            ):
                at_s += APART_S
        insort(taken[one.gate], at_s)
        if one.answer in _WORTHLESS:
            insort(worthless[one.gate], at_s)
        placed.append(replace(one, at_s=at_s))
    plan.showings = sorted(placed, key=lambda one: one.at_s)
    plan.steps.sort()
    for who, times in _by_person(plan.showings):
        if not who.false and any(after - before < 2 * SLICE_S for before, after in pairwise(times)):
            raise ValueError(f"{who.name} comes twice within {2 * SLICE_S / 60:.0f} minutes: {times}")


def _near(times: list[float], at_s: float, within_s: float) -> bool:
    place = bisect(times, at_s - within_s)
    return place < len(times) and times[place] < at_s + within_s


def truth(plan: Plan) -> Counter[tuple[str, str]]:
    """How many entries and exits of each kind, and how many refusals for each reason, there ought to be."""
    return Counter(
        (one.who.kind, one.way) if one.answer == ADMITTED else ("refused", one.answer)
        for one in plan.showings
    )


def _by_person(showings: Iterable[Showing]) -> Iterator[tuple[Person, list[float]]]:
    found: dict[Person, list[float]] = defaultdict(list)
    for one in showings:
        if not one.story:
            found[one.who].append(one.at_s)
    yield from found.items()
