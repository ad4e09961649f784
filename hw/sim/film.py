"""A film of approaches before a gate, frame by frame, as a camera would see it.

Pure in its arguments: the same film at the same second is the same picture,
to the last grain of noise; no two seconds are the same picture.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.frames import Grey
from hw.sim.approach import Approach, presence, projection
from hw.sim.codes import MEDIA, MODULE_PX, QUIET_MODULES, SHINING, Content, matrix
from hw.sim.conditions import CONDITIONS, Condition

NOISE_SLACK_PX: Final = 128
BEAT_PX: Final = 128
DAY: Final = CONDITIONS["day"]


class Film:
    """A gate's view.

    Args:
        approaches: in any order; later ones in the sequence are drawn over earlier ones.
        height_px, width_px: of every frame.
        seed: of the background and the noise.
    """

    def __init__(self, approaches: Sequence[Approach], height_px: int, width_px: int, seed: int = 0) -> None:
        self.approaches = tuple(approaches)
        self.size_px = (height_px, width_px)
        self._seed = seed
        self._scene = _background(height_px, width_px, seed)

    def frame_at(self, at_s: float, utc: float = 0.0, gain: float = 1.0) -> Grey:
        """The picture at a second of the film.

        Args:
            at_s: seconds since the film began.
            utc: what the clocks of the phones in it say.
            gain: of the sensor against its usual exposure; below 1 a bright screen burns out less,
                and the noise, which is the sensor's own, stays.

        Returns:
            (height_px, width_px) uint8, new.
        """
        shown = [approach for approach in self.approaches if approach.shows(at_s)]
        how = shown[-1].circumstances if shown else DAY
        picture = _lit(self._scene, how.ambient * gain)
        for approach in shown:
            _draw(picture, approach, at_s, approach.content(utc), gain)
        grain = np.random.default_rng((self._seed, int(at_s * 10_000)))
        row, column = grain.integers(0, NOISE_SLACK_PX, 2)
        noise = _noise(*self.size_px, how.noise)[
            row : row + self.size_px[0], column : column + self.size_px[1]
        ]
        return np.asarray(cv2.add(picture, noise, dtype=cv2.CV_8U), np.uint8)


def still(
    content: Content,
    medium: str = "phone",
    condition: str = "day",
    *,
    seed: int = 0,
    size_px: tuple[int, int] = (540, 960),
) -> Grey:
    """One frame of somebody holding a code still; size_px is (height, width)."""
    approach = Approach(content, medium, condition, seed=seed)
    return Film([approach], *size_px, seed=seed).frame_at(approach.held_s)


def _lit(picture: Grey, gain: float) -> Grey:
    """A copy under more or less light; what exceeds white is white."""
    if gain == 1:
        return picture.copy()
    return np.asarray(cv2.convertScaleAbs(picture, alpha=gain), np.uint8)


@lru_cache(maxsize=4)
def _background(height_px: int, width_px: int, seed: int) -> Grey:
    """A forecourt: sky to ground, some blurred bulks, a fence."""
    rng = np.random.default_rng((seed, 1))
    scene = np.repeat(np.linspace(165, 75, height_px)[:, None], width_px, axis=1)
    for _ in range(14):
        top, left = rng.integers(0, height_px), rng.integers(0, width_px)
        tall, wide = (
            rng.integers(height_px // 12, height_px // 2),
            rng.integers(width_px // 20, width_px // 4),
        )
        scene[top : top + tall, left : left + wide] = rng.uniform(40, 190)
    scene = np.asarray(cv2.GaussianBlur(scene, (0, 0), height_px / 90), np.float64)
    for post in range(0, width_px, max(8, width_px // 30)):
        scene[height_px // 2 :, post : post + max(1, width_px // 240)] *= 0.7
    scene += cv2.GaussianBlur(rng.normal(0, 12, (height_px, width_px)), (0, 0), 2.0)
    picture = np.clip(scene, 0, 255).astype(np.uint8)
    picture.flags.writeable = False
    return picture


@lru_cache(maxsize=16)
def _noise(height_px: int, width_px: int, sigma: float) -> NDArray[np.int16]:
    """A sheet of grain, somewhat larger than a frame, to cut a different piece of for each."""
    rng = np.random.default_rng(11)
    sheet = rng.normal(0, sigma, (height_px + NOISE_SLACK_PX, width_px + NOISE_SLACK_PX))
    return np.clip(np.rint(sheet), -127, 127).astype(np.int16)


@lru_cache(maxsize=64)
def _object(content: Content, medium: str, condition: str, gain: float) -> tuple[Grey, float]:
    """The flat object in its light, and the side of its code with quiet zone in its pixels."""
    how = CONDITIONS[condition]
    flat = MEDIA[medium](content)
    light = gain * how.contrast * (how.glow if medium in SHINING else how.ambient)
    lift = gain * (1 - how.contrast) * 60 * how.ambient
    code_px = float((matrix(content).shape[0] + 2 * QUIET_MODULES) * MODULE_PX)
    return np.asarray(cv2.convertScaleAbs(flat, alpha=light, beta=lift), np.uint8), code_px


def _draw(picture: Grey, approach: Approach, at_s: float, content: Content, gain: float) -> None:
    """Put the approach's object into the picture, in place."""
    if presence(approach, at_s) <= 0:
        return
    how = approach.circumstances
    flat, code_px = _object(content, approach.medium, approach.condition, gain)
    height, width = picture.shape
    to_frame = projection(approach, at_s, code_px, (flat.shape[0], flat.shape[1]), (height, width))
    edges = np.array(
        [[[0, 0], [flat.shape[1], 0], [flat.shape[1], flat.shape[0]], [0, flat.shape[0]]]], np.float64
    )
    outline = cv2.perspectiveTransform(edges, to_frame)[0]
    margin = 2 + round(height * (how.focus * 3 + how.motion) / 1000)
    left, top = np.maximum(np.floor(outline.min(axis=0)).astype(int) - margin, 0)
    right, bottom = np.minimum(np.ceil(outline.max(axis=0)).astype(int) + margin, (width, height))
    if right - left < 2 or bottom - top < 2:
        return
    region = picture[top:bottom, left:right]
    shift = np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1.0]])
    size = (int(right - left), int(bottom - top))
    shown = np.asarray(cv2.warpPerspective(flat, shift @ to_frame, size, flags=cv2.INTER_LINEAR), np.uint8)
    mask = np.zeros((size[1], size[0]), np.uint8)
    cv2.fillConvexPoly(mask, np.rint(outline - (left, top)).astype(np.int32), 255)
    _spoil(shown, how, approach.seed, at_s, gain)
    cv2.copyTo(shown, mask, region)
    picture[top:bottom, left:right] = _through_lens(
        region, how, height, burn=gain * how.glow if approach.medium in SHINING else 0.0
    )


def _spoil(shown: NDArray[np.uint8], how: Condition, seed: int, at_s: float, gain: float) -> None:
    """Moire and glare, in place: they lie on the object, before the lens."""
    height, width = shown.shape
    if how.moire:
        beat = _beat(seed, how.moire * gain)
        across, down = -(-width // BEAT_PX), -(-height // BEAT_PX) + 1
        drift = int(at_s * 37) % BEAT_PX
        waves = np.tile(beat, (down, across))[drift : drift + height, :width]
        cv2.add(shown, waves, dst=shown, dtype=cv2.CV_8U)
    if how.glare:
        lamp = _lamp(round(min(height, width) * 0.3), how.glare * gain)
        side = lamp.shape[0]
        rng = np.random.default_rng((seed, 3))
        top = int((height - side) * (0.3 + 0.4 * rng.random() + 0.1 * np.sin(at_s * 2.1)))
        left = int((width - side) * (0.3 + 0.4 * rng.random() + 0.1 * np.cos(at_s * 1.7)))
        spot = shown[max(0, top) : top + side, max(0, left) : left + side]
        cv2.add(spot, lamp[: spot.shape[0], : spot.shape[1]], dst=spot)


@lru_cache(maxsize=8)
def _beat(seed: int, strength: float) -> NDArray[np.int16]:
    """Two crossed waves of 5 to 11 pixels' length, as a screen's grid beats with a sensor's; tiles seamlessly."""
    rng = np.random.default_rng((seed, 5))
    rows, columns = np.mgrid[0:BEAT_PX, 0:BEAT_PX] * (2 * np.pi / BEAT_PX)
    waves = np.zeros((BEAT_PX, BEAT_PX))
    for periods, turn in zip(BEAT_PX / rng.uniform(5, 11, 2), rng.uniform(0, np.pi, 2), strict=True):
        waves += np.sin(rows * np.rint(periods * np.cos(turn)) + columns * np.rint(periods * np.sin(turn)))
    return np.asarray(waves * (strength * 127)).astype(np.int16)


@lru_cache(maxsize=32)
def _lamp(radius_px: int, strength: float) -> Grey:
    across = np.linspace(-2.2, 2.2, max(3, 2 * radius_px))
    bell = np.exp(-(across[:, None] ** 2) - across[None, :] ** 2)
    return np.asarray(bell * (strength * 300)).clip(0, 255).astype(np.uint8)


def _through_lens(region: Grey, how: Condition, frame_height_px: int, burn: float) -> Grey:
    """Defocus, smear and bloom; burn is how far beyond the sensor's white a screen is, 0 for none."""
    seen = cv2.GaussianBlur(region, (0, 0), max(0.3, how.focus * frame_height_px / 1000))
    smear_px = round(how.motion * frame_height_px / 1000)
    if smear_px > 1:
        seen = cv2.blur(seen, (smear_px, max(1, smear_px // 3)))
    if how.bloom and burn:
        height, width = seen.shape
        small = cv2.resize(seen, (-(-width // 8), -(-height // 8)), interpolation=cv2.INTER_AREA)
        spread = cv2.resize(cv2.GaussianBlur(small, (0, 0), 3.0), (width, height))
        seen = cv2.addWeighted(seen, 1.0, spread, how.bloom * max(1.0, burn), 0)
    return np.asarray(seen, np.uint8)
