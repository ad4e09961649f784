"""menshen-agent selftest: one step of a gate's inspection, and what was found, as one line of JSON.

The gate's own parts are tried, through the gate's own drivers. What only a person can see
or hear is shown or played, and the person is asked by whoever called. The gate process must
not run meanwhile: it holds the pins and the camera.
"""

import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from agent.cli.common import config_option, loaded
from agent.config import GateConfig, board_of

CARD_TEXT: Final = "MENSHEN TEST CARD"
"""What the printed test card says in its code."""
_LIGHT_S: Final = 2.0
_RELEASE_S: Final = 1.0
_POLL_S: Final = 0.05
_FRAMES: Final = 20


@dataclass(frozen=True, slots=True)
class Found:
    """Args: ok: None where a person must say."""

    ok: bool | None
    words: str


def _light(name: str) -> Callable[[GateConfig, float], Found]:
    def step(config: GateConfig, _for_s: float) -> Found:
        from agent.core.answers import Beat, Light, Pattern  # noqa: PLC0415
        from hw.outputs import GpioOutputs  # noqa: PLC0415

        board = board_of(config)
        if getattr(board.lamps, name) is None:
            return Found(True, "this board has none")
        with _pins(config) as factory, contextlib.closing(GpioOutputs(board, factory)) as outputs:
            outputs.show(Pattern(f"selftest.{name}", (Beat(_LIGHT_S, Light(name)),)))
            time.sleep(_LIGHT_S)
        return Found(None, f"{name} was lit for {_LIGHT_S:.0f} s")

    return step


def _tone(config: GateConfig, _for_s: float) -> Found:
    from agent.core.answers import Beat, Pattern  # noqa: PLC0415
    from hw.outputs import GpioOutputs  # noqa: PLC0415

    beats = tuple(Beat(0.5, None, hz) for hz in (330, 660, 990))
    with _pins(config) as factory, contextlib.closing(GpioOutputs(board_of(config), factory)) as outputs:
        outputs.show(Pattern("selftest.tone", beats))
        time.sleep(sum(beat.for_s for beat in beats) + 0.2)
    return Found(None, "three rising tones were played")


def _lock(config: GateConfig, _for_s: float) -> Found:
    """Release the lock for a second, and read it back where the board has a monitor contact."""
    from agent.core.notices import Wire  # noqa: PLC0415
    from hw.inputs import GpioInputs  # noqa: PLC0415
    from hw.outputs import GpioOutputs  # noqa: PLC0415

    board = board_of(config)
    with _pins(config) as factory, contextlib.ExitStack() as stack:
        outputs = stack.enter_context(contextlib.closing(GpioOutputs(board, factory)))
        inputs = stack.enter_context(contextlib.closing(GpioInputs(board, factory)))
        outputs.unlock(_RELEASE_S)
        time.sleep(_RELEASE_S / 2)
        released, seen = outputs.released, [*inputs.notices()]
        time.sleep(_RELEASE_S)
        seen += inputs.notices()
        rested = not outputs.released
    if not (released and rested):
        return Found(False, f"relay: released {released}, at rest again {rested}")
    if board.inputs.lock is None:
        return Found(None, f"the relay was released for {_RELEASE_S:.0f} s; no contact reads it back")
    states = [notice.active for notice in seen if notice.wire is Wire.LOCK]
    if states[-2:] != [True, False]:
        return Found(False, f"the relay moved, and its contact said {states or 'nothing'}")
    return Found(None, "the relay moved, and its contact followed")


def _wire(name: str) -> Callable[[GateConfig, float], Found]:
    def step(config: GateConfig, for_s: float) -> Found:
        from hw.inputs import GpioInputs  # noqa: PLC0415

        board = board_of(config)
        if getattr(board.inputs, name) is None:
            return Found(True, "this board has none")
        with _pins(config) as factory, contextlib.closing(GpioInputs(board, factory)) as inputs:
            time.sleep(_POLL_S)
            inputs.notices()  # what it was before
            until = time.monotonic() + for_s
            while time.monotonic() < until:
                for notice in inputs.notices():
                    if notice.wire == name:
                        return Found(True, f"it became {'active' if notice.active else 'quiet'}")
                time.sleep(_POLL_S)
        return Found(False, f"nothing changed within {for_s:.0f} s; look at the wire and its polarity")

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

    reader, began, others = Reader(config.reader), time.monotonic(), 0
    with contextlib.closing(open_camera(config.camera)) as camera:
        for frame in camera.frames():
            for sighting in reader.read(frame) if frame is not None else ():
                if sighting.text == CARD_TEXT:
                    return Found(True, f"read after {time.monotonic() - began:.1f} s")
                others += 1
            if time.monotonic() - began > for_s:
                break
    return Found(False, f"not read within {for_s:.0f} s; {others} other codes were")


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
    there = (config.broker.host, config.broker.port)
    began = time.monotonic()
    socket.create_connection(there, timeout=for_s).close()
    return Found(True, f"{there[0]}:{there[1]} answers in {(time.monotonic() - began) * 1000:.0f} ms")


def _broker(config: GateConfig, for_s: float) -> Found:
    """Sign in as this gate does, certificate and all, on a status topic that says offline again."""
    from agent.brokers import open_broker  # noqa: PLC0415
    from agent.core.feed import status_topic  # noqa: PLC0415

    if config.broker is None:
        return Found(False, "the configuration has no [broker]")
    topic = status_topic(config.site, config.gate)
    with contextlib.closing(open_broker(config.broker, client_id=config.gate, status_topic=topic)) as broker:
        until = time.monotonic() + for_s
        while time.monotonic() < until:
            broker.received(_POLL_S)
            if broker.online:
                how = "by certificate" if config.broker.tls_cert else "by password"
                return Found(True, f"signed in {how}")
    return Found(False, f"not signed in within {for_s:.0f} s; see its log for the reason")


def _list(config: GateConfig, _for_s: float) -> Found:
    """Bring the list, which verifies it from the root of trust before it counts."""
    from agent.core.notices import ListRefused  # noqa: PLC0415
    from agent.wiring.sync import refresh_once  # noqa: PLC0415

    outcome = refresh_once(config)
    return Found(not isinstance(outcome, ListRefused), " ".join(str(outcome).split())[:80])


STEPS: Final[dict[str, Callable[[GateConfig, float], Found]]] = {
    **{f"light-{name}": _light(name) for name in ("red", "green", "white")},
    "tone": _tone,
    "lock": _lock,
    **{name: _wire(name) for name in ("exit", "door", "tamper", "fire")},
    "camera": _camera,
    "card": _card,
    "clock": _clock,
    "disk": _disk,
    "network": _network,
    "broker": _broker,
    "list": _list,
}


@click.command()
@click.argument("step", type=click.Choice(list(STEPS)))
@config_option
@click.option(
    "--for", "for_s", type=click.FloatRange(0.1, 60), default=20.0, show_default=True, metavar="SECONDS"
)
def selftest(step: str, config_path: Path, for_s: float) -> None:
    """Try one part of this gate and print what was found as one line of JSON.

    `ok` is null where a person must say whether it was right. The gate process must not run
    meanwhile. `menshen-provision test` walks a technician through all of them.

    \b
    Example:
      menshen-agent selftest light-red
    """
    config = loaded(config_path)
    try:
        found = STEPS[step](config, for_s)
    except Exception as fault:  # noqa: BLE001  a part that breaks has failed its inspection, whatever it raised
        found = Found(False, f"{type(fault).__name__}: {fault}")
    words = "".join(c if c.isprintable() else " " for c in found.words)[:120]
    click.echo(json.dumps({"ok": found.ok, "found": words}))


@contextlib.contextmanager
def _pins(config: GateConfig) -> Iterator[object]:
    from hw.pins import pin_factory  # noqa: PLC0415

    factory = pin_factory(config.board.pins)
    try:
        yield factory
    finally:
        factory.close()
