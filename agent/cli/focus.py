"""menshen-agent focus."""

import time
from pathlib import Path

import click

from agent.cli.common import config_option, fail, loaded

EVERY_S = 0.25
BAR = 30


@click.command()
@config_option
@click.option("--seconds", type=click.FloatRange(0.1, 86400), help="Stop after so long; default: at Ctrl-C.")
def focus(config_path: Path, seconds: float | None) -> None:
    """Help to focus the camera: print how sharp its picture is, four times a second.

    Hold a code where people will hold theirs, 10 to 40 cm away, and turn the lens until the score
    is highest and the edges are at most 2.5 pixels wide. Stop the gate first: it has the camera.

    \b
    Example:
      sudo systemctl stop menshen-gate
      menshen-agent focus --config /etc/menshen/gate.toml
    """
    from agent.vision import Reader, ReaderConfig  # noqa: PLC0415
    from agent.vision.focus import SHARP_EDGE_PX, sharpness  # noqa: PLC0415
    from hw.cameras import CameraFault, open_camera  # noqa: PLC0415

    try:
        camera = open_camera(loaded(config_path).camera)
    except CameraFault as fault:
        fail(str(fault))
    # Every frame stands for itself: a technician's hand is to be read again and again.
    reader = Reader(ReaderConfig(rest_every=1))
    best, seen, shown_mono = 0.0, 0, float("-inf")
    until = float("inf") if seconds is None else time.monotonic() + seconds
    try:
        for frame in camera.frames():
            now = time.monotonic()
            if now > until:
                break
            if frame is None or now - shown_mono < EVERY_S:
                continue
            shown_mono, seen = now, seen + 1
            sightings = reader.read(frame)
            sharp = sharpness(frame.luma, sightings[0].corners if sightings else ())
            best = max(best, sharp.score)
            bar = "#" * round(BAR * sharp.score / best) if best else ""
            line = f"score {sharp.score:8.0f}  of best {best:8.0f}  {bar:<{BAR}}"
            if sharp.edge_px is not None:
                verdict = "sharp" if sharp.edge_px <= SHARP_EDGE_PX else "turn on"
                line += f"  code read, edges {sharp.edge_px:.1f} px: {verdict}"
            click.echo(line.rstrip())
    except KeyboardInterrupt:
        pass
    finally:
        camera.close()
    if not seen:
        fail("no picture came; is the gate still running, or the camera's cable loose?")
