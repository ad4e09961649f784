"""What is wrong with a camera's configuration, as against a camera that is merely away."""


class CameraFault(ValueError):
    """A camera that can't work as configured; says found, wanted and what to do next."""
