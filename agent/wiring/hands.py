"""A gate's hands, its ears on the wires, and the pen of its journal: the same in safe mode as in any other."""

import contextlib
from collections.abc import Callable, Iterator

import structlog

from agent.config import GateConfig, board_of, relay_line
from agent.ports import Clock
from agent.stores.writer import JournalWriter, open_journal
from hw.inputs import GpioInputs
from hw.outputs import GpioOutputs
from hw.pins import pin_factory
from hw.sim.wires import strung
from hw.supervised import SupervisedRelay
from hw.voice import Voice

_log = structlog.get_logger("agent.wiring.hands")


@contextlib.contextmanager
def hands_of(config: GateConfig, voice: Voice | None = None) -> Iterator[tuple[GpioOutputs, GpioInputs]]:
    """The board's outputs and inputs, everything at rest before and after.

    Raises:
        PinsFault: they can't be had here; says why.
        OSError: a simulated board's wires can't be had.
    """
    board, line = board_of(config), relay_line(config)
    with contextlib.ExitStack() as stack:
        factory = pin_factory(config.board.pins)
        stack.callback(factory.close)
        if config.board.pins == "mock":  # lines and wires are files, and the relay's process is quick
            config.simulated_relay.parent.mkdir(parents=True, exist_ok=True)
        outputs = GpioOutputs(
            board, factory, _tell, lambda part, teller: SupervisedRelay(part, line, teller), voice
        )
        stack.callback(outputs.close)
        if config.board.pins == "mock":
            stack.enter_context(strung(board, factory, config.simulated_wires))
        inputs = GpioInputs(board, factory)
        stack.callback(inputs.close)
        yield outputs, inputs


def journal_of(config: GateConfig, sign: Callable[[bytes], bytes], clock: Clock) -> JournalWriter:
    """The gate's journal, at work; the caller closes it.

    Raises:
        OSError: its directory can't be made.
    """
    config.journal_file.parent.mkdir(parents=True, exist_ok=True)
    return JournalWriter(
        lambda: open_journal(config.journal_file, config.site, config.gate, sign),
        clock,
        config.journal.patience_s,
    )


def _tell(name: str, value: bool | int) -> None:
    _log.info("output.changed", output=name, value=value)
