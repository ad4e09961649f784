"""A message's compressed lines, opened without believing what they claim."""

from typing import Final

import zstandard

from agent.core.feed import MAX_LINES_BYTES, FeedFault

_LARGEST_WINDOW: Final = MAX_LINES_BYTES


def unfold(packed: bytes) -> tuple[bytes, ...]:
    """The bodies in one zstd frame, as they were hashed.

    The frame must say how long it unfolds, and not to more than MAX_LINES_BYTES, before a byte
    of it is unfolded.

    Raises:
        FeedFault: not one such frame.
    Source: RFC 8878, section 3.1.1 (frame header).
    """
    try:
        frame = zstandard.get_frame_parameters(packed)
        if frame.content_size > MAX_LINES_BYTES:  # unknown counts as the largest there is
            raise FeedFault(f"lines of unknown size or of more than {MAX_LINES_BYTES} bytes")
        if frame.window_size > _LARGEST_WINDOW:
            raise FeedFault(f"lines with a window of {frame.window_size} bytes")
        lines = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW).decompress(
            packed, max_output_size=MAX_LINES_BYTES, read_across_frames=False, allow_extra_data=False
        )
    except zstandard.ZstdError as fault:
        raise FeedFault(f"lines that do not unfold: {fault}") from fault
    return tuple(lines.removesuffix(b"\n").split(b"\n"))
