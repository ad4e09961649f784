"""The one way in which the reader refuses to work: a mistake of the programmer."""


class DecoderFault(TypeError):
    """A frame that is no frame: wrong type, depth or dimensions.

    Odd pictures (tiny, black, noisy, strided, hostile) are never a fault;
    they simply hold no code.
    """
