"""The day's incidents, each with who shows what, what is done to the estate, and what ought to come of it.

Where an estate has several sites they are spread over them; where it has one, all befall that one.
"""

import random
from collections.abc import Callable
from typing import Final

from tests.estate.plan import (
    ADMITTED,
    DAY,
    HOUR,
    IN,
    MINUTE,
    OUT,
    Alarm,
    GatePlan,
    Plan,
    Showing,
    Step,
    estate_of,
    everyday,
    keep_away,
    queue,
)


def day_of(seed: int, people: int, gates: int, rendered: float) -> Plan:
    """The whole plan of a day.

    Args:
        rendered: which share of the everyday is shown as pictures.
    """
    plan = Plan(seed, estate_of(gates))
    rng = random.Random(seed)
    everyday(plan, people, rng, rendered)
    for number, story in enumerate(STORIES):
        story(plan, plan.sites[number % len(plan.sites)])
    queue(plan)
    return plan


def _first(plan: Plan, site: str, *directions: str) -> GatePlan:
    return plan.gates_of(site, *directions)[0]


def _at(hour: int, minute: int = 0, second: float = 0.0) -> float:
    return hour * HOUR + minute * MINUTE + second


def stolen_card(plan: Plan, site: str) -> None:
    """A card is reported stolen, and tried three times by whoever has it now."""
    who = plan.person(site, kind="staff")
    way_in, way_out = _first(plan, site, IN), _first(plan, site, OUT)
    shown = {"rendered": True, "story": "stolen card"}
    plan.showings += [
        Showing(_at(8, 15), way_in.key, who, ADMITTED, IN, **shown),
        Showing(_at(9, 40), way_out.key, who, ADMITTED, OUT, **shown),
        *(Showing(_at(10, 20, 40 * n), way_in.key, who, "revoked", **shown) for n in range(3)),
    ]
    plan.steps.append(Step(_at(10), "revoke", (site, who.pass_id)))
    plan.alarms.add(Alarm(site, "refused_again", way_in.name, who.pass_id))


def guesser(plan: Plan, site: str) -> None:
    """Somebody tries codes of their own making, one after another."""
    gate = _first(plan, site, IN)
    for n in range(5):
        who = plan.person(site, kind="resident", key="ed25519", false="unknown" if n % 2 else "forged")
        answer = "unknown_pass" if n % 2 else "forged"
        plan.showings.append(
            Showing(_at(11, 45, 6 * n), gate.key, who, answer, rendered=True, story="guesser")
        )
    plan.alarms.add(Alarm(site, "guessing", gate.name))
    keep_away(plan, [gate.key], _at(11, 40), _at(11, 50))


def outage(plan: Plan, site: str) -> None:
    """The broker is killed over noon, and comes back with an empty memory."""
    plan.steps += [Step(_at(12, 20), "broker_off"), Step(_at(13, 5), "broker_on")]


def copied_screenshot(plan: Plan, site: str) -> None:
    """A picture of a resident's screen, shown at the next gate a few seconds later: once online, once in the outage."""
    way_in, both, way_out = _first(plan, site, IN), _first(plan, site, "both"), _first(plan, site, OUT)
    for hour, minute in ((12, 40), (17, 35)):
        who = plan.person(site, kind="resident", key="ed25519")
        opens = _at(hour, minute, 5)
        shown = {"rendered": True, "story": "copied screenshot"}
        plan.showings += [
            Showing(_at(7, 50, minute), way_out.key, who, ADMITTED, OUT, **shown),
            Showing(opens, way_in.key, who, ADMITTED, IN, after_word=True, **shown),
            Showing(opens + 8, both.key, who, "replayed", copied_from_s=opens, after_word=True, **shown),
        ]
        plan.alarms.add(Alarm(site, "two_gates", both.name, who.pass_id))


def worn_badge(plan: Plan, site: str) -> None:
    """The caretaker's badge is through the washing machine: it still opens, and the office is to print a new one."""
    who, gate = plan.person(site, kind="staff"), _first(plan, site, "both")
    for n in range(24):
        plan.showings.append(
            Showing(
                _at(9) + n * 14 * MINUTE,
                gate.key,
                who,
                ADMITTED,
                OUT if n % 2 else IN,
                rendered=True,
                worn=0.0 if n < 12 else 0.9,
                story="worn badge",
            )
        )
    plan.worn.add((site, who.pass_id))


def fire(plan: Plan, site: str) -> None:
    """The fire panel's relay: every door of the site is released, and the office has the list of those inside."""
    gates = plan.gates_of(site)
    plan.steps += [Step(_at(14, 30), "fire_on", (site,)), Step(_at(14, 50), "fire_off", (site,))]
    plan.alarms |= {Alarm(site, "fire.on", gate.name) for gate in gates}
    keep_away(plan, [gate.key for gate in gates], _at(14, 25), _at(14, 52))


def new_keys(plan: Plan, site: str) -> None:
    """The office's keys were stolen and are replaced: cards are printed anew, and an old one opens no more."""
    late, staff = plan.person(site, kind="visitor", late=True), plan.person(site, kind="staff")
    way_in, way_out = _first(plan, site, IN), _first(plan, site, OUT)
    shown = {"rendered": True, "story": "new keys"}
    plan.steps.append(Step(_at(11), "new_keys", (site, late.pass_id)))
    plan.showings += [
        Showing(_at(8, 45), way_in.key, staff, ADMITTED, IN, **shown),
        Showing(_at(10, 45), way_out.key, staff, ADMITTED, OUT, **shown),
        Showing(_at(11, 30), way_in.key, late, ADMITTED, IN, **shown),
        Showing(_at(11, 35), way_in.key, staff, "forged", old_card=True, **shown),
        Showing(_at(11, 37), way_in.key, staff, ADMITTED, IN, **shown),
        Showing(_at(15, 30), way_out.key, late, ADMITTED, OUT, **shown),
    ]


def bad_release(plan: Plan, site: str) -> None:
    """A release that does not do well is tried at one gate, left again, and followed by one that does."""
    gate = plan.gates_of(site, OUT)[0]
    plan.canary = gate.key
    plan.steps += [Step(_at(3), "bad_release", (gate.key,)), Step(_at(3, 40), "good_release", (gate.key,))]


def cut_cable(plan: Plan, site: str) -> None:
    """A gate's cable is cut: who came in by it and has left by another gate is told of only after they left."""
    way_in, way_out = _first(plan, site, IN), _first(plan, site, OUT)
    who = plan.person(site, kind="visitor", begins_s=0.0, ends_s=DAY - MINUTE)
    shown = {"rendered": True, "story": "cut cable"}
    plan.showings += [
        Showing(_at(15, 50), way_in.key, who, ADMITTED, IN, **shown),
        Showing(_at(16, 20), way_out.key, who, ADMITTED, OUT, **shown),
    ]
    plan.steps += [
        Step(_at(15, 45), "cable_off", (way_in.key,)),
        Step(_at(16, 50), "cable_on", (way_in.key,)),
    ]
    keep_away(plan, [way_in.key], _at(15, 40), _at(16, 52))


def power_cut(plan: Plan, site: str) -> None:
    """Two gates lose their power, one of them while its lock is released for somebody."""
    sites = (site, plan.sites[(plan.sites.index(site) + 1) % len(plan.sites)])
    gates = [_first(plan, sites[0], IN).key, _first(plan, sites[1], "both").key]
    who = plan.person(site, kind="staff")
    opens = _at(18, 4, 50)
    plan.showings += [
        Showing(_at(9, 5), gates[0], who, ADMITTED, IN, rendered=True, story="power cut"),
        Showing(_at(17), _first(plan, site, OUT).key, who, ADMITTED, OUT, rendered=True, story="power cut"),
        Showing(opens, gates[0], who, ADMITTED, IN, rendered=True, after_word=True, story="power cut"),
    ]
    plan.steps += [Step(opens + 1, "power_off", tuple(gates)), Step(_at(18, 25), "power_on", tuple(gates))]
    plan.cut |= set(gates)
    keep_away(plan, gates, _at(18, 4, 40), _at(18, 26))


def cloned_card(plan: Plan, site: str) -> None:
    """The card of a gate is copied, and a kiosk elsewhere runs from the copy, with the gate's own name and key."""
    gate = plan.gates_of(site, "both")[-1]
    who = plan.person(site, kind="visitor", begins_s=-9 * DAY, ends_s=-DAY - MINUTE)
    late = plan.person(site, kind="staff")
    plan.steps += [Step(_at(22, 30), "clone_on", (gate.key,)), Step(_at(22, 40), "clone_off", (gate.key,))]
    plan.showings += [
        Showing(_at(22, 32), gate.key, who, "expired", at_clone=True, rendered=True, story="cloned card"),
        Showing(_at(22, 36), gate.key, late, ADMITTED, IN, rendered=True, story="cloned card"),
    ]
    plan.alarms.add(Alarm(site, "fork", gate.name))
    # So it looks as well if the gate itself was quicker to tell of something than its copy.
    plan.perhaps.add(Alarm(site, "rolled_back", gate.name))
    plan.forked.add(gate.key)
    keep_away(plan, [gate.key], _at(22, 25), _at(22, 41))


STORIES: Final[tuple[Callable[[Plan, str], None], ...]] = (
    stolen_card,
    guesser,
    outage,
    copied_screenshot,
    worn_badge,
    fire,
    new_keys,
    bad_release,
    cut_cable,
    power_cut,
    cloned_card,
)
