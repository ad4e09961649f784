"""The one way in which the reader refuses to work: a mistake of the programmer."""

import numpy as np

from agent.frames import Grey


class DecoderFault(TypeError):
    """A frame that is no frame: wrong type, depth or dimensions.

    Odd pictures (tiny, black, noisy, strided, hostile) are never a fault;
    they simply hold no code.
    """


def checked(luma: object) -> Grey:
    """The same, if it is luma.

    Raises:
        DecoderFault: not uint8 or not two-dimensional.
    """
    if not isinstance(luma, np.ndarray) or luma.dtype != np.uint8 or luma.ndim != 2:
        found = f"{luma.dtype} of shape {luma.shape}" if isinstance(luma, np.ndarray) else type(luma).__name__
        raise DecoderFault(
            f"frame is {found}; wanted (H, W) uint8 luma; take the Y plane or cv2.cvtColor to grey"
        )
    return luma
