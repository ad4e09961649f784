"""What the gate needs of the world, each need as small as it can be.

Drivers in `hw`, `agent.vision`, `agent.stores` and `agent.brokers` satisfy
these by shape; the simulators are drivers too, and pass the same contract
suites as the real ones.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from agent.core.answers import Pattern
from agent.core.events import Event
from agent.core.moments import Moment
from agent.core.notices import Notice
from agent.core.sighting import Sighting

if TYPE_CHECKING:  # sync has ports, too, and no use for numpy's 20 MB
    from agent.frames import Frame, Grey


class Camera(Protocol):
    """A source of frames: the newest only, never a queue."""

    def frames(self) -> Iterator["Frame | None"]:
        """Yield the newest frame as soon as there is one not yet yielded.

        Yields None whenever about 100 ms pass without a new frame, so that the
        caller's clock keeps ticking: a camera that is unplugged, stuck or not yet
        found yields None and keeps trying to come back by itself; it never raises
        for that. Ends only when the source is by nature finite (a folder, a video)
        or after close().
        """
        ...

    def close(self) -> None:
        """Let go of the device; safe to call twice and from another thread."""
        ...


class DecoderLost(Exception):
    """A reader has lost a frame and goes on; the message is a sentence that holds nothing of a picture."""


class Decoder(Protocol):
    """A reader of codes: see agent.vision.Reader."""

    def read(self, frame: "Frame | Grey") -> tuple[Sighting, ...]:
        """As agent.vision.Reader.read; what took long may come with a later frame.

        Raises:
            DecoderLost: a frame was lost.
        """
        ...


class Outputs(Protocol):
    """The lock, the lights and the buzzer. Making one never moves the lock."""

    def unlock(self, for_s: float) -> None:
        """Energise the lock's release for for_s seconds, then rest it.

        The end does not depend on the caller: a ceiling from the board file bounds it
        in a thread of its own, and a second call while open only moves the end.
        """
        ...

    def hold_unlocked(self, *, fire: bool = False) -> None:
        """Release until lock(): fire and free passage only."""
        ...

    def lock(self) -> None:
        """Rest the lock at once."""
        ...

    def show(self, pattern: Pattern) -> None:
        """Begin a pattern of light and tone within 200 ms, in place of any running one."""
        ...

    def close(self) -> None:
        """Rest every pin and let go; safe to call twice."""
        ...


class Inputs(Protocol):
    """Exit button, door contact, tamper loop, fire input, whichever the board has."""

    def notices(self) -> Sequence[Notice]:
        """Take what happened since the last call, oldest first, debounced; never blocks."""
        ...

    def close(self) -> None: ...


class Clock(Protocol):
    def now(self) -> Moment: ...


class Watchdog(Protocol):
    def pat(self) -> None:
        """Say that the loop is alive; cheap enough for every frame."""
        ...


class Journal(Protocol):
    """The gate's durable record."""

    def append(self, event: Event) -> bool:
        """Record an event, in order.

        Returns:
            True once it is durable; False when the disk did not take it within the
            configured bound. The event is then kept in memory, marked late, and written
            as soon as the disk allows.
        """
        ...


@dataclass(frozen=True, slots=True)
class Letter:
    """A message from another gate, nothing in it believed yet.

    Args:
        sender: whereto an answer goes that the others need not hear; only its carrier knows its meaning.
    """

    message: bytes
    sender: object = None


class Carrier(Protocol):
    """A way between the gates of a site; it may lose, repeat and reorder."""

    def know(self, gates: Sequence[str]) -> None:
        """Hear these gates from now on; cheap to say again."""
        ...

    def send(self, message: bytes, to: object = None) -> None:
        """Send to all gates, or only to the sender of a letter; never blocks, never raises."""
        ...

    def received(self, wait_s: float) -> Sequence[Letter]:
        """Take the letters that came in since the last call, waiting up to wait_s for the first."""
        ...

    def close(self) -> None: ...


class Broker(Protocol):
    """A connection to an MQTT broker that comes and goes."""

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> bool:
        """Hand over one message, QoS 1; False (nothing kept) when offline."""
        ...

    def tell(self, topic: str, lines: Sequence[bytes]) -> bool:
        """Hand over some messages at most once, QoS 0; False, and none, when offline or still busy."""
        ...

    def received(self, wait_s: float) -> Sequence[tuple[str, bytes]]:
        """Take the messages that came in since the last call, waiting up to wait_s for the first."""
        ...

    @property
    def online(self) -> bool: ...

    @property
    def connection(self) -> int:
        """Counts connections made, so that a caller notices a new one."""
        ...

    @property
    def trouble(self) -> str:
        """What last kept a connection from standing, for people; empty while one stands."""
        ...

    def mailbox(self, prefix: str) -> "Mailbox":
        """Topics that begin so come to their own mailbox from now on."""
        ...

    def close(self) -> None: ...


class Mailbox(Protocol):
    """Some topics of a broker's connection, apart from the rest, asked for as they are needed."""

    def subscribe(self, topics: Sequence[str]) -> bool:
        """Ask for topics by their full names; forgotten when the connection ends. False when offline."""
        ...

    def unsubscribe(self, topics: Sequence[str]) -> bool: ...

    def received(self, wait_s: float) -> Sequence[tuple[str, bytes]]:
        """As for Broker."""
        ...

    @property
    def online(self) -> bool: ...

    @property
    def connection(self) -> int: ...
