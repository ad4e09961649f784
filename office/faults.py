"""What can go wrong in the office, as sentences for the person at the desk."""


class OfficeFault(Exception):
    """Something asked of the office that it can't or may not do.

    The text says what was found, what was wanted and what to do next; commands
    print it alone, without a traceback, and end with exit code 1.
    """


class FieldFault(OfficeFault):
    """A field of a form or a row that can't be taken; the sentence begins with its name."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(f"{field}: {sentence}")
        self.field = field
