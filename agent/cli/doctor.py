"""menshen-agent doctor."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from agent.cli.common import config_option, not_allowed
from agent.config import GateConfig
from agent.core.findings import Finding, State

_INDENT = " " * 18


@click.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for programs.")
def doctor(config_path: Path, as_json: bool) -> None:
    """Say in ten lines how this gate is, and what to do about what is wrong.

    Looks beside the running gate and changes nothing; works while it is down, too. `look` works, and wants a
    look when there is time; `wrong` does not work, and makes the exit code 1. From a technician's laptop, over
    the cable: `menshen-provision doctor`.

    \b
    Example:
      sudo menshen-agent doctor
    """
    findings, config = examination(config_path, "doctor")
    if as_json:
        for finding in findings:
            click.echo(json.dumps(asdict(finding), ensure_ascii=False))
    else:
        click.echo(told(config_path, config, findings), nl=False)
    if any(finding.state is State.WRONG for finding in findings):
        raise SystemExit(1)


def examination(config_path: Path, command: str) -> tuple[Sequence[Finding], GateConfig | None]:
    """What is found of a gate, and the configuration by which it was.

    Args:
        command: for the sentence to a user who may not look, who leaves with exit code 3.
    """
    from agent.core.findings import examined  # noqa: PLC0415
    from agent.wiring.seeing import see  # noqa: PLC0415

    try:
        seen, config = see(config_path)
    except PermissionError as fault:
        not_allowed(fault, command)
    return examined(seen), config


def told(config_path: Path, config: GateConfig | None, findings: Sequence[Finding]) -> str:
    """The findings as a person reads them, a line each, and what to do below."""
    lines = [f"gate {config.gate} of site {config.site}" if config else str(config_path)]
    for finding in findings:
        lines.append(f"  {finding.state:<6}{finding.part:<10}{finding.found}")
        if finding.advice:
            lines.append(f"{_INDENT}-> {finding.advice}")
    wrong = sum(finding.state is State.WRONG for finding in findings)
    lines.append("all is well" if not wrong else f"{wrong} of {len(findings)} wrong")
    return "\n".join(lines) + "\n"
