"""The doorkeeper: the leaf, the lock and the wires, and what is done about each.

It is told of wires, of orders and of people who were admitted; the pass that
they showed is the gatekeeper's business, and unknown here. It answers with
actions, in the order in which they are to be performed. Rules that no other
rule breaks: fire releases before all else, the way out is never refused, and
nothing else releases the lock before it is recorded.
"""

from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias, assert_never

from agent.core.actions import Actions, HoldUnlocked, Lock, Record, Remember, Show, Unlock
from agent.core.answers import ALARM, DOOR_HELD, FREE, IDENTIFY, NOTED, WELCOME, Pattern
from agent.core.decision import Admit, Reason
from agent.core.door import Door, LockOrder, Signal, State, Timing
from agent.core.events import Event, Fact, Kind
from agent.core.lock_truth import LockTruth
from agent.core.memory import Way
from agent.core.moments import Moment
from agent.core.notices import (
    IdentifyOrder,
    MaintenanceOrder,
    OpenOrder,
    Order,
    RelayBack,
    RelayLost,
    Wire,
    WireChanged,
)
from agent.core.occupancy import Occupancy
from agent.core.rules import Purpose, Rules, Vows

Heard: TypeAlias = WireChanged | Order | OpenOrder | MaintenanceOrder | IdentifyOrder | RelayLost | RelayBack
"""The notices that are the doorkeeper's."""

_ALARMS: Final = {Kind.DOOR_FORCED: ALARM, Kind.DOOR_HELD: DOOR_HELD}


@dataclass(slots=True)
class Doorkeeper:
    """One gate's door.

    Args:
        door: the leaf and its lock.
        rules: what the gate does beyond opening for a pass.
        vows: what was ordered until further notice, kept through restarts.
    """

    door: Door = field(default_factory=Door)
    rules: Rules = field(default_factory=Rules)
    vows: Vows = field(default_factory=Vows)
    _truth: LockTruth = field(default_factory=LockTruth)
    _occupancy: Occupancy = field(init=False)
    _second_open: bool = False
    _first_is_in: bool = False

    def __post_init__(self) -> None:
        self._occupancy = Occupancy(self.rules.most_inside)

    @classmethod
    def at_start(cls, timing: Timing, rules: Rules, vows: Vows, mono: float) -> "Doorkeeper":
        """A doorkeeper that has just woken: the lock at rest, and a leaf that may stand open."""
        return cls(Door(timing, grace_until=mono + timing.boot_grace_s), rules, vows)

    # --- people ----------------------------------------------------------------

    def forbids(self, admit: Admit, direction: str) -> Reason | None:
        """Why somebody whose pass holds does not come in all the same; the way out is never forbidden.

        Args:
            direction: the gate's. At one for both ways a lockdown takes nobody's word for going out.
        """
        if self.rules.purpose is not Purpose.ACCESS or direction == "out":
            return None
        if self.vows.lockdown:
            return Reason.LOCKED_DOWN
        if admit.way is Way.OUT:
            return None
        if self.rules.interlock and self._second_open:
            return Reason.INTERLOCKED
        if not self._occupancy.lets_in():
            return Reason.FULL
        return None

    def let_through(self, admit: Admit, now: Moment) -> Actions:
        """What is done for somebody admitted, once that is recorded."""
        self._first_is_in = True
        # Nothing at the gate may show a duress, so its record comes after all that does.
        facts: dict[str, Fact] = {"pass": admit.pass_id.hex()}
        duress = (Record(Event(Kind.DURESS, now, facts)),) if admit.duress else ()
        if self.rules.purpose is not Purpose.ACCESS:
            return (Show(NOTED), *duress)
        self._occupancy.passed(admit.way)
        return (*self._tell(Signal.GRANTED, now), Show(WELCOME), *duress)

    # --- wires and orders ------------------------------------------------------

    def hear(self, notice: Heard, now: Moment) -> Actions:
        """Answer a wire, an order, or what became of the relay's supervisor."""
        match notice:
            case WireChanged(wire, active):
                return self._wire(wire, active=active, now=now)
            case Order(lockdown, by):
                kind = Kind.LOCKDOWN_ON if lockdown else Kind.LOCKDOWN_OFF
                return self._vow(replace(self.vows, lockdown=lockdown), Event(kind, now, {"by": by}))
            case MaintenanceOrder(on, by):
                kind = Kind.MAINTENANCE_ON if on else Kind.MAINTENANCE_OFF
                return self._vow(replace(self.vows, maintenance=on), Event(kind, now, {"by": by}))
            case OpenOrder(by):
                opened = Record(Event(Kind.ORDER_OPENED, now, {"by": by}))
                return (opened, *self._tell(Signal.GRANTED, now), Show(WELCOME))
            case IdentifyOrder(by):
                return (Record(Event(Kind.IDENTIFIED, now, {"by": by})), Show(IDENTIFY))
            case RelayLost(why):
                return self._alarm(Event(Kind.RELAY_LOST, now, {"why": why[:200]}), ALARM)
            case RelayBack():
                return (Record(Event(Kind.RELAY_BACK, now)),)
            case _:
                assert_never(notice)

    def _vow(self, vows: Vows, event: Event) -> Actions:
        self.vows = vows
        return (Record(event), Remember(vows))

    def _wire(self, wire: Wire, *, active: bool, now: Moment) -> Actions:
        match wire:
            case Wire.EXIT:
                return self._exit(now) if active else ()
            case Wire.DOOR:
                self._truth.leaf(active, now.mono)
                return self._tell(Signal.LEAF_OPENED if active else Signal.LEAF_CLOSED, now)
            case Wire.FIRE:
                return self._tell(Signal.FIRE if active else Signal.FIRE_OVER, now)
            case Wire.TAMPER:
                event = Event(Kind.TAMPER_ON if active else Kind.TAMPER_OFF, now)
                return self._alarm(event, ALARM) if active else (Record(event),)
            case Wire.SECOND:
                self._second_open = active
                kind = Kind.SECOND_OPENED if active else Kind.SECOND_CLOSED
                return (Record(Event(kind, now)),) if self.rules.interlock else ()
            case Wire.LOCK:
                self._truth.monitor(active, now.mono)
                return ()
            case _:
                assert_never(wire)

    def _exit(self, now: Moment) -> Actions:
        self._occupancy.passed(Way.OUT)
        facts: dict[str, Fact] = {"second_open": True} if self.rules.interlock and self._second_open else {}
        return (Record(Event(Kind.EXIT, now, facts)), *self._tell(Signal.GRANTED, now), Show(WELCOME))

    # --- time ------------------------------------------------------------------

    def tick(self, now: Moment, *, free_time: bool = False) -> Actions:
        """Answer the passing of time.

        Args:
            free_time: whether now lies in the schedule of free passage, beyond doubt.
        """
        actions: list[Actions] = []
        while (signal := self.door.due(now.mono)) is not None:
            actions.append(self._tell(signal, now))
        self._first_is_in &= free_time
        free = (
            free_time
            and not self.vows.lockdown
            and self.rules.purpose is Purpose.ACCESS
            and (self._first_is_in or not self.rules.free_after_first)
        )
        if free and self.door.state not in {State.FREE, State.RELEASED}:
            actions.append(self._tell(Signal.FREE, now))
        elif not free and self.door.state is State.FREE:
            actions.append(self._tell(Signal.FREE_OVER, now))
        if self.rules.lock_monitored and (kind := self._truth.due(now.mono)) is not None:
            event = Event(kind, now)
            actions.append((Record(event),) if kind is Kind.LOCK_TRUE else self._alarm(event, ALARM))
        return tuple(action for each in actions for action in each)

    # --- the door --------------------------------------------------------------

    def _tell(self, signal: Signal, now: Moment) -> Actions:
        self.door, order, kind = self.door.hear(signal, now.mono)
        if order is not None:
            self._truth.relay(order is not LockOrder.REST, now.mono)
        event = Event(kind, now) if kind else None
        recorded: Actions = (Record(event),) if event else ()
        match order:
            case LockOrder.HOLD_FOR_FIRE:
                # Fire comes before paper.
                return (HoldUnlocked(fire=True), *recorded, Show(FREE))
            case LockOrder.HOLD:
                return (*recorded, HoldUnlocked(fire=False), Show(FREE))
            case LockOrder.PULSE:
                return (*recorded, Unlock(self.door.timing.open_s))
            case LockOrder.REST:
                return (Lock(), *recorded)
            case None:
                alarm = _ALARMS.get(event.kind) if event else None
                return self._alarm(event, alarm) if event and alarm else recorded
            case _:
                assert_never(order)

    def _alarm(self, event: Event, pattern: Pattern) -> Actions:
        """Record an alarm, and sound it unless somebody is at work on the gate."""
        if self.vows.maintenance:
            return (Record(replace(event, facts={**event.facts, "maintenance": True})),)
        return (Record(event), Show(pattern))
