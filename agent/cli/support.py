"""menshen-agent support."""

import os
import sys
from pathlib import Path

import click

from agent.cli.common import config_option, fail


@click.command()
@config_option
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
def support(config_path: Path, file: Path) -> None:
    """Pack log, settings, health and newest events into FILE (.tar.gz), for somebody who is to help.

    Without keys, passwords and codes; passes and people are masked. Look through it before you send it on:
    README.txt in it says what is there. FILE is - for standard output. Changes nothing.

    \b
    Example:
      sudo menshen-agent support north.tar.gz
    """
    from agent.cli.doctor import examination, told  # noqa: PLC0415
    from agent.wiring.support import packed  # noqa: PLC0415

    findings, config = examination(config_path, "support")
    archive = packed(told(config_path, config, findings), config)
    if str(file) == "-":
        sys.stdout.buffer.write(archive)
        return
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
            opened.write(archive)
    except FileExistsError:
        fail(f"{file} is there already; name another, or remove it")
    except OSError as fault:
        fail(f"{file}: {fault.strerror}")
    click.echo(f"{file}: {len(archive)} bytes; look through it before you send it on: tar -tzf {file}")
