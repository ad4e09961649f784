"""menshen-agent healthy."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import click

from agent.cli.common import config_option, loaded
from agent.config import GateConfig

_TEXT = "MENSHEN TEST CARD"


@click.command()
@config_option
@click.option("--online", "must_be_online", is_flag=True, help="The broker must be reached, too.")
def healthy(config_path: Path, must_be_online: bool) -> None:
    """Say whether the running gate does well with this software; for the trial of an update.

    This software must read a picture of a code; the gate's process must be of this version, get pictures,
    answer for the door, write its journal and use its list. Changes nothing.

    \b
    Example:
      menshen-agent healthy --online
    """
    found = list(_ailments(loaded(config_path, with_broker=False), must_be_online=must_be_online))
    for sentence in found:
        click.echo(sentence)
    if found:
        raise SystemExit(1)
    click.echo("well")


def _ailments(config: GateConfig, *, must_be_online: bool) -> Iterator[str]:
    from agent.core.wellness import ailments  # noqa: PLC0415
    from agent.stores import link, vitals  # noqa: PLC0415
    from agent.stores.lists import stored  # noqa: PLC0415
    from agent.wiring.version import installed_version  # noqa: PLC0415

    version = installed_version()
    if not _reads(config):
        yield "decoder: a clean picture of a code was not read"
    if must_be_online and not link.online(config.link_file, version):
        yield "broker: not reached since the update, and it was before"
    age_s = None
    with contextlib.suppress(PermissionError):
        age_s = vitals.age_s(config.health_file)
    current, _ = stored(config.list_file)
    number = current.number if current is not None and time.time() < current.expires_utc else None
    yield from ailments(vitals.read(config.health_file), age_s, version, number)


def _reads(config: GateConfig) -> bool:
    """Whether the reader that the gate uses reads a picture that is made here."""
    import cv2  # noqa: PLC0415
    import numpy as np  # noqa: PLC0415

    from agent.vision import Reader  # noqa: PLC0415

    code = np.asarray(cv2.QRCodeEncoder.create().encode(_TEXT), dtype=np.uint8)
    picture = np.pad(code, 4, constant_values=255).repeat(6, axis=0).repeat(6, axis=1)
    return any(sighting.text == _TEXT for sighting in Reader(config.reader).read(picture))
