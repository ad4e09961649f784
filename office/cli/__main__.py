"""`python -m office.cli`."""

from office.cli import main

if __name__ == "__main__":  # a site's process loads this module, too
    main(prog_name="menshen-office")
