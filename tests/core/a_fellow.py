"""Another gate of the site: it journals, and tells."""

from agent.core.chain import GENESIS, Checkpoint, extend_all
from agent.core.events import Event, Fact, Kind, Place, body
from agent.core.feed import Header
from agent.core.hearsay import believe
from agent.core.moments import Moment, Trust
from agent.core.notices import Told
from tests.core.builders import NOON, SITE, ed25519, id_of, public

SOUTH_KEY = ed25519("the kiosk at the south gate")


class Journal:
    """A gate's journal, as the others hear it."""

    def __init__(self, gate="south", key=SOUTH_KEY, epoch="00000000000000b2"):
        self.gate, self.key, self.epoch, self.bodies = gate, key, epoch, []

    def wrote(self, what: Kind, at_utc: float = NOON, trust: Trust = Trust.SYNCED, **facts: Fact):
        place = Place(SITE, self.gate, self.epoch, len(self.bodies) + 1)
        self.bodies.append(body(Event(what, Moment(at_utc, 0.0, trust), facts), place))
        return self

    def admitted(self, name="alice", direction="in", zone="main", at_utc=NOON, trust=Trust.SYNCED, **facts):
        passage = {"pass": id_of(name).hex(), "direction": direction, "zone": zone}
        return self.wrote(Kind.ADMITTED, at_utc, trust, **passage, **facts)

    def run(self, first=1):
        place = Place(SITE, self.gate, self.epoch, first)
        head = extend_all(GENESIS, self.bodies)
        last = Checkpoint(Place(SITE, self.gate, self.epoch, len(self.bodies)), head)
        before = extend_all(GENESIS, self.bodies[: first - 1])
        return Header(
            place, len(self.bodies), before, head, self.key.sign(last.signed_by_gate())
        ), self.bodies[first - 1 :]

    def heard(self, first=1) -> Told:
        header, bodies = self.run(first)
        word = believe(header, bodies, {self.gate: public(self.key)}, SITE)
        assert isinstance(word, Told)
        return word
