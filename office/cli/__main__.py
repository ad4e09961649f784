"""`python -m office.cli`."""

from office.cli import main

main(prog_name="menshen-office")
