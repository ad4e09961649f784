"""menshen-agent hand: moves the wires of a simulated board."""

import time
from pathlib import Path

import click

from agent.cli.common import config_option, fail, loaded
from agent.core.notices import Wire

PRESSED_S = 0.5


@click.command()
@click.argument("wire", type=click.Choice([str(wire) for wire in Wire]))
@click.argument("what", type=click.Choice(["press", "on", "off"]), default="press")
@config_option
def hand(wire: str, what: str, config_path: Path) -> None:
    """Press a button, open a door or start a fire at a simulated board, from outside its process.

    on is pressed, open, broken, burning or released; off is the opposite; press is both, half a second
    apart. Only for configurations with board.pins = "mock"; what a hand did lasts until another undoes it.

    \b
    Examples:
      menshen-agent hand exit --config bench.toml
      menshen-agent hand door on --config bench.toml
    """
    from hw.sim.wires import SimulatedWires  # noqa: PLC0415

    config = loaded(config_path)
    if config.board.pins != "mock":
        fail(f"board.pins is {config.board.pins}: real wires want a real hand")
    try:
        config.simulated_wires.parent.mkdir(parents=True, exist_ok=True)
        wires = SimulatedWires(config.simulated_wires)
    except OSError as fault:
        fail(f"{config.simulated_wires}: {fault.strerror}; is this the gate's user?")
    wires.put(Wire(wire), active=what != "off")
    if what == "press":
        time.sleep(PRESSED_S)
        wires.put(Wire(wire), active=False)
