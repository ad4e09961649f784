"""menshen-agent sync."""

import threading
from pathlib import Path

import click

from agent.cli.common import config_option, fail, loaded, stopped_by_signals
from agent.logs import configure


@click.command()
@config_option
@click.option("--once", is_flag=True, help="Bring the list once and exit; as after enrolment.")
def sync(config_path: Path, once: bool) -> None:
    """Send the journal to the office and bring the list; no camera, no lock.

    Runs until SIGTERM. A broker or a list that cannot be reached is waited for, for ever.

    \b
    Example:
      menshen-agent sync --config /etc/menshen/gate.toml --once
    """
    from agent.brokers.lan import LanFault  # noqa: PLC0415
    from agent.core.notices import ListRefused  # noqa: PLC0415
    from agent.wiring.sync import SyncFault, refresh_once, sync_process  # noqa: PLC0415

    config = loaded(config_path)
    configure(gate=config.gate, process="sync")
    try:
        if once:
            outcome = refresh_once(config)
            if isinstance(outcome, ListRefused):
                click.echo(f"list refused: {outcome.why}")
                raise SystemExit(1)
            click.echo(f"list {outcome.number} is in place")
            return
        stop = threading.Event()
        with stopped_by_signals(stop.set):
            sync_process(config, stop)
    except (SyncFault, LanFault, OSError) as fault:
        fail(str(fault))
