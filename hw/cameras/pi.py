"""Camera modules of a Raspberry Pi, through picamera2.

The Y plane is lent, not copied: a frame lives in the camera's own buffer
until the caller asks for the next one. The half-size picture comes from the
hardware scaler (the lores stream). picamera2 is imported here only.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from threading import Event
from typing import Any, Final

import numpy as np

from agent.frames import Frame, Grey
from hw.cameras.config import CameraConfig
from hw.cameras.exposure import Exposures
from hw.cameras.faults import CameraFault
from hw.cameras.pace import TICK_S

FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 4.0
SILENT_S: Final = 3.0
"""A camera that delivers nothing for so long is closed and opened again."""
BUFFERS: Final = 4


class PiCamera:
    """One camera module; endless.

    Raises:
        CameraFault: picamera2 is not installed.
    """

    def __init__(self, config: CameraConfig) -> None:
        try:
            import picamera2  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415  only on a Pi
        except ImportError as missing:
            raise CameraFault(
                f"picamera2 can't be imported ({missing}); on Raspberry Pi OS: apt install python3-picamera2,"
                " then make the environment with --system-site-packages"
            ) from missing
        self._picamera2 = picamera2
        self._config = config
        self._closed = Event()
        self._exposures = Exposures()

    def frames(self) -> Iterator[Frame | None]:
        pause_s = FIRST_PAUSE_S
        # Opening takes a second or two; the caller's clock must go on ticking meanwhile.
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="camera") as opener:
            while not self._closed.is_set():
                opening = opener.submit(self._opened)
                while not opening.done():
                    yield None
                    self._closed.wait(TICK_S)
                if opening.exception() is None:
                    camera = opening.result()
                    try:
                        for frame in self._frames_of(camera):
                            pause_s = FIRST_PAUSE_S
                            yield frame
                            del frame
                        yield None  # the caller, too, lets go of the last frame before its memory goes
                    finally:
                        self._let_go(camera)
                waited_until = time.monotonic() + pause_s
                while time.monotonic() < waited_until and not self._closed.is_set():
                    yield None
                    self._closed.wait(TICK_S)
                pause_s = min(LONGEST_PAUSE_S, pause_s * 2)

    def close(self) -> None:
        self._closed.set()

    def _opened(self) -> Any:
        config = self._config
        camera = self._picamera2.Picamera2(int(config.device) if config.device.isdigit() else 0)
        try:
            camera.configure(
                camera.create_video_configuration(
                    main={"format": "YUV420", "size": (config.width_px, config.height_px)},
                    # On a Pi 4 and earlier the second stream can only be YUV.
                    lores={"format": "YUV420", "size": (config.width_px // 2, config.height_px // 2)},
                    buffer_count=BUFFERS,
                    queue=False,
                    controls={"FrameRate": config.fps},
                )
            )
            camera.start()
            camera.set_controls({**self._focus(camera), **self._haste(camera)})
        except BaseException:
            self._let_go(camera)
            raise
        return camera

    def _focus(self, camera: Any) -> dict[str, Any]:
        """Codes are held at 10 to 40 cm, 10 to 2.5 dioptres; a module with a motor stands still until told.

        Its macro range lies about there; the quick speed is for hands that don't wait.
        """
        if "AfMode" not in camera.camera_controls:
            return {}
        from libcamera import controls  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415  only on a Pi

        if self._config.focus_dioptres is not None:
            return {"AfMode": controls.AfModeEnum.Manual, "LensPosition": self._config.focus_dioptres}
        return {
            "AfMode": controls.AfModeEnum.Continuous,
            "AfRange": controls.AfRangeEnum.Macro,
            "AfSpeed": controls.AfSpeedEnum.Fast,
        }

    @staticmethod
    def _haste(camera: Any) -> dict[str, Any]:
        """Rather more gain than a longer exposure: noise is read through, a moving hand's smear is not."""
        if "AeExposureMode" not in camera.camera_controls:
            return {}
        from libcamera import controls  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415  only on a Pi

        return {"AeExposureMode": controls.AeExposureModeEnum.Short}

    def _frames_of(self, camera: Any) -> Iterator[Frame | None]:
        """Frames until the camera fails or falls silent; never raises for that."""
        while not self._closed.is_set():
            heard_mono = time.monotonic()
            request = None
            try:
                job = camera.capture_request(wait=False)
                while request is None:
                    try:
                        request = camera.wait(job, timeout=TICK_S)
                    except NotYet:
                        if self._closed.is_set() or time.monotonic() - heard_mono > SILENT_S:
                            return
                        yield None
                yield from self._lent(camera, request)
            except Exception:  # noqa: BLE001  libcamera raises what it likes when a cable is pulled
                return

    def _lent(self, camera: Any, request: Any) -> Iterator[Frame]:
        """One frame, in the camera's own memory; given back when the caller asks for the next."""
        streams = camera.camera_configuration()
        try:
            with (
                self._picamera2.MappedArray(request, "main", reshape=False) as main,
                self._picamera2.MappedArray(request, "lores", reshape=False) as lores,
            ):
                luma, half = _y_plane(main.array, streams["main"]), _y_plane(lores.array, streams["lores"])
                yield Frame(
                    luma=luma,
                    # A pipeline without a scaler may deliver another size than was asked for.
                    half=half if half.shape == (luma.shape[0] // 2, luma.shape[1] // 2) else None,
                    taken_mono=time.monotonic(),
                    gain=self._exposed(camera, luma, request.get_metadata()),
                )
                del luma, half
        finally:
            request.release()

    def _exposed(self, camera: Any, luma: Grey, facts: dict[str, Any]) -> float:
        """This frame's light against the usual, and the next frame's light set."""
        if not self._config.alternate or "ExposureTime" not in camera.camera_controls:
            return 1.0
        analogue = float(facts.get("AnalogueGain", 0)) or 1.0
        alternated = self._exposures.alternating
        gain = self._exposures.saw(luma, float(facts.get("ExposureTime", 0)) * analogue, time.monotonic())
        light = self._exposures.next()
        if light is not None:
            camera.set_controls({"ExposureTime": max(1, round(light / analogue)), "AnalogueGain": analogue})
        elif alternated:
            camera.set_controls({"ExposureTime": 0, "AnalogueGain": 0.0})  # both automatic again
        return gain

    @staticmethod
    def _let_go(camera: Any) -> None:
        try:
            camera.stop()
            camera.close()
        except Exception:  # noqa: BLE001, S110  a camera that is gone can't be closed properly
            pass


def _y_plane(buffer: Any, stream: dict[str, Any]) -> Grey:
    """The luma of a planar YUV buffer, lent: it comes first, in rows of `stride` bytes.

    The stream's own word is taken, not what was asked for: pipelines round sizes, and some
    deliver NV12 whatever they are told.
    """
    width, height = stream["size"]
    stride = stream["stride"]
    flat = np.asarray(buffer, np.uint8).reshape(-1)
    return flat[: stride * height].reshape(height, stride)[:, :width]
