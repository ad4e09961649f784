"""python -m agent.cli, where the command is not on the PATH."""

from agent.cli import main

main(prog_name="menshen-agent")
