"""What a gate and the technician who inspects it must both know."""

from typing import Final

CARD_TEXT: Final = "MENSHEN TEST CARD"
"""What the printed test card says in its code: alphanumeric, so that it is a version 1 code."""
CARD_MM: Final = 40.0
"""How wide the card's code is printed, without its quiet zone."""
