"""A camera's part of a gate's configuration; every field has bounds, so that `check` can name faults."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator


class CameraConfig(BaseModel):
    """Which camera, and what it should deliver.

    Args:
        kind: a driver; see hw.cameras.DRIVERS.
        width_px, height_px: of the full picture; a source that has its own size keeps it.
        fps: pictures a second.
        device: for usb, an index or a path such as /dev/v4l/by-id/...; for picamera2, an index.
        focus_dioptres: for picamera2 modules with a motor, 1 / metres; None focuses by itself, near.
        alternate: give every other frame a quarter of the light while screens burn out at night;
            for picamera2 and sim.
        path: for folder and video, what to play.
        script: for sim, the film's script; None is an empty forecourt.
        paced: folder, video and sim: play at fps in real time, or as fast as frames are taken.
        seed: for sim, of the background and the noise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["picamera2", "usb", "folder", "video", "sim"] = "picamera2"
    width_px: int = Field(default=1280, ge=64, le=4608)
    height_px: int = Field(default=720, ge=64, le=3496)
    fps: float = Field(default=30.0, ge=0.1, le=120)
    device: str = Field(default="0", pattern=r"^(\d{1,3}|/dev/[A-Za-z0-9._:/+-]{1,200})$")
    focus_dioptres: float | None = Field(default=None, ge=0, le=15)
    alternate: bool = True
    path: Path | None = Field(default=None, validate_default=True)
    script: Path | None = None
    paced: bool = True
    seed: int = Field(default=0, ge=0, le=2**31)

    @field_validator("path")
    @classmethod
    def _needed_to_play(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        if path is None and info.data.get("kind") in ("folder", "video"):
            raise ValueError(f"a {info.data['kind']} camera needs the path of what it plays")
        return path
