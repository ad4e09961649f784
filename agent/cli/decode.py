"""menshen-agent decode."""

import json
from pathlib import Path

import click


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
def decode(files: tuple[Path, ...]) -> None:
    """Read the QR codes in pictures: PNG, JPEG, WebP, BMP, TIFF.

    Prints a JSON object a line for each file: {"file", "texts", "ms"}, or {"file", "error"} for one
    that cannot be read; the others are still read, and the exit code is then 1.

    \b
    Example:
      menshen-agent decode badge.png photos/*.jpg
    """
    from agent.vision.pictures import decode_files  # noqa: PLC0415

    failed = False
    for answer in decode_files(files):
        failed |= "error" in answer
        click.echo(json.dumps(answer, ensure_ascii=False))
    raise SystemExit(int(failed))
