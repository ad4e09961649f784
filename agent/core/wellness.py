"""Whether a gate does well after its software was exchanged: the rules alone.

What is asked is what a person would see standing at it: pictures come, the door
is answered for, the card takes events, the list is in use. What a new release
can't have broken is not asked: a door that is held open, or a list that is old.
"""

from collections.abc import Iterator

from agent.core.health import GateHealth

FRESH_S = 45.0
"""The gate says how it does every half minute."""


def ailments(health: GateHealth, age_s: float | None, version: str, stored_list: int | None) -> Iterator[str]:
    """What is wrong with a gate, a sentence each; nothing if it is well.

    Args:
        health: what the gate process said last.
        age_s: how long ago that was; None if it has not said anything.
        version: of the software that ought to run.
        stored_list: the number of a list in the store that is not over yet; None if there is none.
    """
    if age_s is None or age_s > FRESH_S:
        found = "nothing" if age_s is None else f"nothing for {age_s:.0f} s"
        yield f"gate: said {found}, wanted a word every 30 s; look at: journalctl -u menshen-gate"
        return
    if health.version != version:
        yield f"gate: {health.version or 'an older release'} still runs, wanted {version}; restart menshen-gate"
        return
    if health.mode != "normal":
        yield f"gate: it runs in {health.mode} mode, wanted the normal one"
    if health.camera_fps <= 0:
        yield "camera: no pictures in the last half minute"
    if health.door == "unknown":
        yield "door: nobody answers for it"
    if health.journal != "good":
        yield "journal: the card does not take events in time"
    if health.list is None and stored_list is not None:
        yield f"list: list {stored_list} is there, and the gate does not use it"
