"""menshen-agent gate, and rest-pins, which follows it however it ended."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent.cli.common import config_option, fail, loaded, stopped_by_signals
from agent.config import GateConfig, board_of
from agent.last_good import load_or_last_good, remember_good
from agent.logs import configure

if TYPE_CHECKING:
    from agent.vision.nursed import Nursery


@click.command()
@config_option
def gate(config_path: Path) -> None:
    """Serve one gate: camera, journal, lock and lights; no network.

    Runs until SIGTERM. If the configuration has been spoilt since the last start, the last
    good one is used, and a gate.fault event says so.

    \b
    Example:
      menshen-agent gate --config /etc/menshen/gate.toml
    """
    # First, so that it loads the decoders while this process loads the rest.
    from agent.vision.nursed import Nursery  # noqa: PLC0415

    with contextlib.closing(Nursery()) as nursery:
        _serve(config_path, nursery)


def _serve(config_path: Path, nursery: "Nursery") -> None:
    # Imported here, so that the other commands do not wait for camera and pins.
    from agent.device_key import KeyFault  # noqa: PLC0415
    from agent.vision.confined import unreadable  # noqa: PLC0415
    from agent.wiring.gate import gate_process  # noqa: PLC0415
    from hw.cameras import CameraFault  # noqa: PLC0415
    from hw.pins import PinsFault  # noqa: PLC0415

    config, faults = load_or_last_good(config_path)
    if config is None:
        loaded(config_path, with_broker=False)
        return
    configure(gate=config.gate, process="gate")
    unreadable()
    try:
        with (
            gate_process(config, config_faults=faults, nursery=nursery) as parts,
            stopped_by_signals(parts.stop),
        ):
            if not faults:
                remember_good(config)
            parts.kiosk.serve()
        if parts.gave_up:
            click.echo("menshen-agent: no picture comes; ending, to be started afresh", err=True)
            raise SystemExit(1)
    except (KeyFault, CameraFault, PinsFault, OSError) as fault:
        fail(str(fault))


@click.command("rest-pins")
@config_option
def rest_pins(config_path: Path) -> None:
    """Bring the lock, the lamps and the buzzer to rest, and exit.

    systemd runs it after the gate process has ended in whatever way, because a Pi's pins go on
    driving their last level.

    \b
    Example:
      menshen-agent rest-pins --config /etc/menshen/gate.toml
    """
    from hw.outputs import rest_pins as rest  # noqa: PLC0415
    from hw.pins import PinsFault, pin_factory  # noqa: PLC0415
    from hw.sim.line import SimulatedLine  # noqa: PLC0415

    config: GateConfig = load_or_last_good(config_path)[0] or loaded(config_path, with_broker=False)
    try:
        factory = pin_factory(config.board.pins)
        try:
            rest(board_of(config), factory)
        finally:
            factory.close()
        if config.board.pins == "mock" and config.simulated_relay.exists():
            SimulatedLine(config.simulated_relay).close()
    except (PinsFault, OSError) as fault:
        fail(str(fault))
