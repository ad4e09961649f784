"""menshen-agent safe: the way out, while the gate itself keeps failing."""

from pathlib import Path

import click

from agent.cli.common import config_option, fail, stopped_by_signals
from agent.config import ConfigFault
from agent.logs import configure


@click.command()
@config_option
@click.option("--why", default="the gate kept failing", show_default=True, help="For the journal.")
def safe(config_path: Path, why: str) -> None:
    """Serve the exit button and the fire input, and nothing else: no camera, no list, no network.

    Runs until SIGTERM, in place of `menshen-agent gate`: stop that first, since two cannot hold one pin.

    \b
    Example:
      menshen-agent safe --config /etc/menshen/gate.toml
    """
    from agent.wiring.safe import safe_config, safe_process  # noqa: PLC0415
    from hw.pins import PinsFault  # noqa: PLC0415

    try:
        config = safe_config(config_path)
    except ConfigFault as fault:
        for sentence in fault.faults:
            click.echo(f"{config_path}: {sentence}", err=True)
        fail("no configuration, old or new, names a board that can be used, so no pin can be driven")
    configure(gate=config.gate, process="safe")
    try:
        with safe_process(config, why) as (kiosk, camera), stopped_by_signals(camera.close):
            kiosk.serve()
    except (PinsFault, OSError) as fault:
        fail(str(fault))
