"""`cable`: a simulated one, to try both ends on one machine."""

import contextlib
from pathlib import Path

import click

from provisioning.cable import Cable, noise
from provisioning.cli.common import stopped_by_signal, told


@click.command()
@click.argument("near", type=click.Path(path_type=Path))
@click.argument("far", type=click.Path(path_type=Path))
@click.option(
    "--noise",
    "rate",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="Share of bytes that are changed, lost or added.",
)
@click.option(
    "--baud", type=click.IntRange(0, 4_000_000), default=0, help="As slow as a line of this rate; 0 is not."
)
def cable(near: Path, far: Path, rate: float, baud: int) -> None:
    """Simulate a cable between two ptys, to try both ends on one machine.

    NEAR and FAR become links to its ends; it lasts until it is stopped.

    \b
    Example:
      menshen-provision cable /tmp/near /tmp/far --noise 0.01
    """
    stop = stopped_by_signal()
    with told(), contextlib.closing(Cable(near, far, noise(rate), bytes_per_s=baud / 10)):
        click.echo(f"a cable from {near} to {far}; Ctrl-C takes it away")
        stop.wait()
