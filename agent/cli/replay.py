"""menshen-agent replay."""

import contextlib
import json
import shutil
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import click

from agent.cli.common import config_option, fail, loaded
from agent.config import BoardConfig, GateConfig
from agent.core.moments import Moment
from agent.logs import configure


@dataclass(frozen=True, slots=True)
class _ThenClock:
    """A clock that shows the recording's time and runs on from it."""

    then_utc: float
    began_mono: float

    def now(self) -> Moment:
        mono = time.monotonic()
        return Moment(self.then_utc + mono - self.began_mono, mono)


@click.command()
@config_option
@click.option(
    "--at",
    "recorded_at",
    type=click.DateTime(["%Y-%m-%dT%H:%M:%S%z"]),
    help="When the recording began, as 2026-03-01T08:00:00+08:00; default: now. Rotating codes need it.",
)
@click.option(
    "--fps", type=click.FloatRange(0.1, 120), default=30.0, show_default=True, help="Frames a second."
)
@click.argument("recording", type=click.Path(path_type=Path, exists=True))
def replay(config_path: Path, recorded_at: datetime | None, fps: float, recording: Path) -> None:
    """Run the whole gate over a folder of frames, or a video, and print its events.

    The list is the configured gate's; pins are simulated, and the journal is a copy that is thrown
    away, so a replay never opens a door and leaves no trace. Events come as CloudEvents JSON, one a
    line.

    \b
    Example:
      menshen-agent replay --config gate.toml --at 2026-03-01T08:00:00+08:00 monday.mp4
    """
    from agent.device_key import KeyFault  # noqa: PLC0415
    from agent.stores.journal_reader import JournalReader  # noqa: PLC0415
    from agent.wiring.gate import gate_process  # noqa: PLC0415
    from hw.cameras import CameraConfig, CameraFault  # noqa: PLC0415

    config = loaded(config_path)
    configure(gate=config.gate, process="replay")
    with tempfile.TemporaryDirectory(prefix="menshen-replay-") as scratch:
        played = _on_scratch(config, Path(scratch)).model_copy(
            update={
                "camera": CameraConfig(
                    kind="folder" if recording.is_dir() else "video", path=recording, fps=fps
                ),
                "board": BoardConfig(name="simulator", pins="mock"),
            }
        )
        clock = _ThenClock(recorded_at.timestamp(), time.monotonic()) if recorded_at else None
        try:
            with gate_process(played, clock=clock) as parts:
                parts.kiosk.serve()
        except (KeyFault, CameraFault, OSError) as fault:
            fail(str(fault))
        with contextlib.closing(JournalReader(played.journal_file)) as journal:
            for _, body in journal.bodies():
                click.echo(json.dumps(json.loads(body), ensure_ascii=False))


def _on_scratch(config: GateConfig, scratch: Path) -> GateConfig:
    """The same gate with a copy of its list and its key, and a journal of its own."""
    copy = config.model_copy(update={"state": scratch})
    for name in ("keys", "sync"):
        if (config.state / name).is_dir():
            shutil.copytree(config.state / name, scratch / name)
    return copy
