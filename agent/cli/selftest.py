"""menshen-agent selftest: one step of a gate's inspection, and what was found, as one line of JSON.

The gate's own parts are tried, through the gate's own drivers. What only a person can see
or hear is shown or played, and the person is asked by whoever called. The gate process must
not run meanwhile: it holds the pins and the camera.
"""

import contextlib
import json
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from agent import logs
from agent.cli.common import config_option
from agent.config import ConfigFault, GateConfig, board_of, load
from agent.core.inspected import CARD_TEXT
from agent.core.notices import Wire

_LIGHT_S: Final = 2.0
_RELEASE_S: Final = 1.0
_POLL_S: Final = 0.05
_SETTLES_S: Final = 0.3  # longer than any wire's debouncing
_FRAMES: Final = 20
_STATES: Final = {
    Wire.EXIT: ("pressed", "let go"),
    Wire.DOOR: ("open", "shut"),
    Wire.TAMPER: ("broken", "whole"),
    Wire.FIRE: ("alarm", "quiet"),
}
"""What a wire says, active and at rest."""


@dataclass(frozen=True, slots=True)
class Found:
    """Args: ok: None where a person must say."""

    ok: bool | None
    words: str


def _now() -> None:
    """Tell whoever called that from now on the part is lit, heard or watched; a person is slow enough to be told."""
    click.echo(json.dumps({"now": True}))


def _light(name: str) -> Callable[[GateConfig, float], Found]:
    def step(config: GateConfig, _for_s: float) -> Found:
        from agent.core.answers import Beat, Light, Pattern  # noqa: PLC0415
        from agent.wiring.hands import hands_of  # noqa: PLC0415

        if getattr(board_of(config).lamps, name) is None:
            return Found(True, "this board has none")
        with hands_of(config) as (outputs, _):
            _now()
            outputs.show(Pattern(f"selftest.{name}", (Beat(_LIGHT_S, Light(name)),)))
            time.sleep(_LIGHT_S)
        return Found(None, f"{name} was lit for {_LIGHT_S:.0f} s")

    return step


def _tone(config: GateConfig, _for_s: float) -> Found:
    from agent.core.answers import Beat, Pattern  # noqa: PLC0415
    from agent.wiring.hands import hands_of  # noqa: PLC0415

    beats = tuple(Beat(0.5, None, hz) for hz in (330, 660, 990))
    with hands_of(config) as (outputs, _):
        _now()
        outputs.show(Pattern("selftest.tone", beats))
        time.sleep(sum(beat.for_s for beat in beats) + 0.2)
    return Found(None, "three rising tones were played")


def _lock(config: GateConfig, _for_s: float) -> Found:
    """Release the lock for a second, and read it back where the board has a monitor contact."""
    from agent.wiring.hands import hands_of  # noqa: PLC0415

    with hands_of(config) as (outputs, inputs):
        outputs.ready()
        time.sleep(_SETTLES_S)
        at_rest = [notice.active for notice in inputs.notices() if notice.wire is Wire.LOCK]
        _now()
        outputs.unlock(_RELEASE_S)
        time.sleep(_RELEASE_S / 2)
        released, states = outputs.released, [*inputs.notices()]
        time.sleep(_RELEASE_S / 2 + _SETTLES_S)
        states += inputs.notices()
        rested = not outputs.released
    if not (released and rested):
        return Found(
            False, f"the relay {'did not rest again' if released else 'did not move'}; look at its pin"
        )
    if board_of(config).inputs.lock is None:
        return Found(None, f"the relay was released for {_RELEASE_S:.0f} s; no contact reads it back")
    if at_rest[-1:] == [True]:
        return Found(False, "the contact says released at rest; see inputs.lock's active in the board's file")
    match [notice.active for notice in states if notice.wire is Wire.LOCK]:
        case [True, False]:
            return Found(True, "the relay moved, and its contact followed")
        case []:
            return Found(
                False, "the relay moved and its contact did not; look at the lock and at inputs.lock"
            )
        case [True]:
            return Found(False, "the contact followed the relay out and not back; does the bolt stick?")
        case _:
            return Found(False, "the contact chatters; look at its screws, and at inputs.lock's debounce_ms")


def _wire(wire: Wire) -> Callable[[GateConfig, float], Found]:
    """A wire that a person moves there and back."""
    key, (active, quiet) = f"inputs.{wire}", _STATES[wire]

    def step(config: GateConfig, for_s: float) -> Found:
        from agent.wiring.hands import hands_of  # noqa: PLC0415

        if getattr(board_of(config).inputs, wire) is None:
            return Found(True, "this board has none")
        with hands_of(config) as (_, inputs):
            time.sleep(_SETTLES_S)
            states = [notice.active for notice in inputs.notices() if notice.wire is wire]
            if states[-1:] == [True]:
                return Found(
                    False, f"it says {active} before anybody moved it; see {key}'s active, and the wire"
                )
            states.clear()
            _now()
            until = time.monotonic() + for_s
            while states[-1:] != [False] and time.monotonic() < until:
                time.sleep(_POLL_S)
                states += [notice.active for notice in inputs.notices() if notice.wire is wire]
        if states[-2:] == [True, False]:
            return Found(True, f"it said {active}, then {quiet}")
        if states == [True]:
            return Found(False, f"it said {active}, and not {quiet} again within {for_s:.0f} s")
        if states:  # an exit button is not told of while it is held at the start
            return Found(
                False, f"it said {active} before anybody moved it; see {key}'s active in the board's file"
            )
        return Found(
            False, f"nothing changed within {for_s:.0f} s; look at the wire, and at {key} in the board's file"
        )

    return step


def _camera(config: GateConfig, for_s: float) -> Found:
    """Sharpness (variance of the Laplacian) and exposure (mean, and the share at either end)."""
    import cv2  # noqa: PLC0415
    import numpy as np  # noqa: PLC0415

    from hw.cameras import open_camera  # noqa: PLC0415

    focus, mean, clipped, began = [], [], [], time.monotonic()
    with contextlib.closing(open_camera(config.camera)) as camera:
        for frame in camera.frames():
            if frame is not None:
                focus.append(float(cv2.Laplacian(frame.luma, cv2.CV_64F).var()))
                mean.append(float(frame.luma.mean()))
                clipped.append(float(np.mean((frame.luma < 4) | (frame.luma > 251))))
            if len(focus) == _FRAMES or time.monotonic() - began > for_s:
                break
    if not focus:
        return Found(False, f"no picture within {for_s:.0f} s; look at the camera's cable")
    words = (
        f"focus {sorted(focus)[len(focus) // 2]:.0f}, mean {mean[-1]:.0f} of 255, "
        f"{clipped[-1]:.0%} clipped, {len(focus) / (time.monotonic() - began):.0f} pictures/s"
    )
    return Found(10 < mean[-1] < 245 and clipped[-1] < 0.5, words)


def _card(config: GateConfig, for_s: float) -> Found:
    from agent.vision import Reader  # noqa: PLC0415
    from hw.cameras import open_camera  # noqa: PLC0415

    reader, began, seen, others = Reader(config.reader), time.monotonic(), False, set()
    with contextlib.closing(open_camera(config.camera)) as camera:
        for frame in camera.frames():
            if frame is not None and not seen:
                seen, began = True, time.monotonic()
                _now()
            for sighting in reader.read(frame) if frame is not None else ():
                if sighting.text == CARD_TEXT:
                    return Found(True, f"read after {time.monotonic() - began:.1f} s")
                others.add(sighting.text)
            if time.monotonic() - began > for_s:
                break
    if not seen:
        return Found(False, f"no picture within {for_s:.0f} s; look at the camera's cable")
    if others:
        return Found(False, "a code was read that is not the test card's; see `menshen-provision test-card`")
    return Found(
        False, f"not read within {for_s:.0f} s; mind light, distance and focus (menshen-agent focus)"
    )


def _clock(config: GateConfig, _for_s: float) -> Found:
    from hw.clocks import SystemClock  # noqa: PLC0415

    now = SystemClock(config.clock.trust).now()
    return Found(str(now.trust) != "unknown", f"{now.trust}, {time.strftime('%FT%TZ', time.gmtime(now.utc))}")


def _disk(config: GateConfig, _for_s: float) -> Found:
    from agent.core.machine_watch import FULL_MB, SLOW_MS  # noqa: PLC0415
    from hw.card import probe  # noqa: PLC0415
    from hw.machine import disk_free_mb  # noqa: PLC0415

    card = probe(config.journal_file.parent)
    if card.fault:
        return Found(False, f"the card: {card.fault}; replace it")
    free_mb = disk_free_mb(config.journal_file.parent) or 0
    words = f"{free_mb} MB free, {card.took_ms:.0f} ms to write 64 kB durably"
    return Found(free_mb > FULL_MB and card.took_ms < SLOW_MS, words)


def _network(config: GateConfig, for_s: float) -> Found:
    if config.broker is None:
        return Found(False, "the configuration has no [broker]")
    there, began = (config.broker.host, config.broker.port), time.monotonic()
    try:
        socket.create_connection(there, timeout=for_s).close()
    except OSError as fault:
        why = fault.strerror or "no answer"
        return Found(
            False, f"{there[0]}:{there[1]}: {why}; look at the network's cable or Wi-Fi, and at the broker"
        )
    return Found(True, f"{there[0]}:{there[1]} answers in {(time.monotonic() - began) * 1000:.0f} ms")


def _broker(config: GateConfig, for_s: float) -> Found:
    """Sign in as this gate does, certificate and all, on a status topic that says offline again."""
    from agent.brokers import open_broker  # noqa: PLC0415
    from agent.core.feed import client_name, status_topic  # noqa: PLC0415

    if config.broker is None:
        return Found(False, "the configuration has no [broker]")
    topic, name = status_topic(config.site, config.gate), client_name(config.site, config.gate)
    with contextlib.closing(open_broker(config.broker, client_id=name, status_topic=topic)) as broker:
        until = time.monotonic() + for_s
        while time.monotonic() < until:
            broker.received(_POLL_S)
            if broker.online:
                how = "by certificate" if config.broker.tls_cert else "by password"
                return Found(True, f"signed in {how}")
        return Found(False, f"not signed in within {for_s:.0f} s: {broker.trouble or 'no answer'}")


def _list(config: GateConfig, _for_s: float) -> Found:
    """Bring the list, which verifies it from the root of trust before it counts."""
    from agent.core.notices import ListRefused  # noqa: PLC0415
    from agent.wiring.sync import refresh_once  # noqa: PLC0415

    outcome = refresh_once(config)
    if isinstance(outcome, ListRefused):
        return Found(False, outcome.why)
    return Found(True, f"list {outcome.number} is here, and verified")


STEPS: Final[dict[str, Callable[[GateConfig, float], Found]]] = {
    **{f"light-{name}": _light(name) for name in ("red", "green", "white")},
    "tone": _tone,
    "lock": _lock,
    **{str(wire): _wire(wire) for wire in _STATES},
    "camera": _camera,
    "card": _card,
    "clock": _clock,
    "disk": _disk,
    "network": _network,
    "broker": _broker,
    "list": _list,
}


_SYNCS: Final = ("network", "broker", "list")


@click.command()
@click.argument("step", type=click.Choice(list(STEPS)))
@config_option
@click.option(
    "--for",
    "for_s",
    type=click.FloatRange(0.1, 60),
    default=20.0,
    show_default=True,
    metavar="SECONDS",
    help="How long a person has to act.",
)
def selftest(step: str, config_path: Path, for_s: float) -> None:
    """Try one part of this gate and print what was found as one line of JSON.

    `ok` is null where a person must say whether it was right. A line {"now": true} before it says that from
    now on the part is lit, heard or watched. The gate process must not run meanwhile.
    `menshen-provision test` walks a technician through all of them.

    \b
    Example:
      menshen-agent selftest light-red

    Exits with 1 if the part is not as it should be.
    """
    try:
        config = load(config_path, with_broker=step in _SYNCS)
        logs.configure(gate=config.gate, process="selftest")
        found = STEPS[step](config, for_s)
    except ConfigFault as fault:
        found = Found(False, f"{config_path.name}: {fault.faults[0]}")
    except Exception as fault:  # noqa: BLE001  a part that breaks has failed its inspection, whatever it raised
        found = Found(False, _why(fault))
    words = "".join(c if c.isprintable() else " " for c in found.words)[:120]
    click.echo(json.dumps({"ok": found.ok, "found": words}))
    raise SystemExit(int(found.ok is False))


def _why(fault: Exception) -> str:
    if isinstance(fault, OSError) and fault.strerror:
        return f"{fault.filename}: {fault.strerror}" if fault.filename else fault.strerror
    return str(fault) or type(fault).__name__
