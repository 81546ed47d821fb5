"""The chest that a synthetic X-ray shows before disease: coordinates, contours, one body each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from semenrich_datasets.phantom.truth import State

Pixels = npt.NDArray[np.floating]

_Distance = TypeVar("_Distance", float, Pixels)

SIDES = {"right": -1.0, "left": 1.0}  # the patient's right is on the image's left

# Cardiothoracic ratio: above 0.5 the heart is enlarged. The ranges do not touch, so that the
# heart's size can be read off the image.
_RATIO = {
    "normal": (0.41, 0.46),
    "borderline": (0.50, 0.515),
    "mild": (0.55, 0.575),
    "moderate": (0.605, 0.63),
    "marked": (0.665, 0.69),
}
_THORAX_WIDTH = 1.56
_APEX = 0.1
_DOME = {"right": 0.785, "left": 0.81}


@dataclass(frozen=True)
class Body:
    """One patient's proportions, in body coordinates.

    `u` runs across the body: 0 the midline, negative the patient's right, +-0.78 the inner wall of
    the thorax. `v` runs down: 0 the upper border of an unshifted image, 1 the lower.

    Args:
        shift (`tuple[float, float]`): how far the body sits off the image's center.
        zoom (`float`): the body's size.
        ratio (`float`): cardiothoracic ratio.
        domes (`dict[str, float]`): side -> v of the top of the hemidiaphragm.
        depth (`float`): how much deeper the costophrenic angles lie than the domes.
        rib_step (`float`): distance of the ribs.
        rib_start (`float`): v of the first rib at the spine.
        exposure (`float`): gain of the film.
    """

    shift: tuple[float, float]
    zoom: float
    ratio: float
    domes: dict[str, float]
    depth: float
    rib_step: float
    rib_start: float
    exposure: float

    def grid(self, size: int) -> tuple[Pixels, Pixels]:
        """Gives u `(1, size)` and v `(size, 1)` of the pixels' centers."""
        line = (np.arange(size, dtype=np.float32) + 0.5) / size
        u = (2 * line - 1 - self.shift[0]) / self.zoom
        v = (line - 0.5 - self.shift[1]) / self.zoom + 0.5
        return u[None, :], v[:, None]

    def pixel(self, u: float, v: float, size: int) -> tuple[float, float]:
        """Gives the (x, y) of a point of the body in an image of this size."""
        x = (u * self.zoom + self.shift[0] + 1) / 2
        y = (v - 0.5) * self.zoom + 0.5 + self.shift[1]
        return x * size, y * size

    def place(self, side: str, zone: str) -> tuple[float, float]:
        """Gives the (u, v) of the middle of a lung zone, "apex" and "base" included."""
        lateral, height = {
            "apex": (0.36, 0.14),
            "upper": (0.42, 0.32),
            "mid": (0.50, 0.56),
            "lower": (0.55, 0.82),
            "base": (0.58, 0.9),
        }[zone]
        return SIDES[side] * lateral, _APEX + height * (self.domes[side] - _APEX)

    def rib(self, number: int, lateral: float) -> float:
        """Gives the v of a rib's middle, at a distance from the midline."""
        return self.rib_start + number * self.rib_step + _rib_fall(lateral)


def _rib_fall(lateral: _Distance) -> _Distance:
    return 0.2 * lateral * lateral - 0.02


def sample_body(state: State, rng: np.random.Generator) -> Body:
    """Draws a body; the same generator gives the same body but for what the state changes."""
    draw = rng.random(9).tolist()
    names = {one.name: one for one in state}
    size = "borderline" if "borderline heart" in names else "normal"
    if "cardiomegaly" in names:
        size = names["cardiomegaly"].value
    low, high = _RATIO[size]
    volume = 0.075 * ("hyperinflation" in names) - 0.13 * ("low volumes" in names)
    raised = {one.site for one in state if one.name == "elevated hemidiaphragm"}
    return Body(
        shift=(0.06 * (draw[0] - 0.5), 0.04 * (draw[1] - 0.5)),
        zoom=0.96 + 0.08 * draw[2],
        ratio=low + (high - low) * draw[3],
        domes={
            side: dome + volume + 0.03 * (draw[4] - 0.5) - 0.13 * (side in raised)
            for side, dome in _DOME.items()
        },
        depth=0.03 if "hyperinflation" in names else 0.1 + 0.02 * draw[5],
        rib_step=0.083 + 0.012 * draw[6],
        rib_start=0.1 + 0.04 * draw[7],
        exposure=0.94 + 0.12 * draw[8],
    )


def ramp(distance: Pixels, softness: float) -> Pixels:
    """Gives 0 to 1 over a band of this width about distance 0."""
    shade: Pixels = np.clip(distance / softness + 0.5, 0.0, 1.0)
    return shade


def spot(u: Pixels, v: Pixels, center: tuple[float, float], radii: tuple[float, float]) -> Pixels:
    """Gives a Gaussian spot of height 1, `(size, size)`; radii across and down at exp(-1)."""
    across: Pixels = np.exp(-(((u - center[0]) / radii[0]) ** 2))
    down: Pixels = np.exp(-((2 * (v - center[1]) / radii[1]) ** 2))
    return down * across


def torso(u: Pixels, v: Pixels) -> Pixels:
    """Gives the body's outline: neck, shoulders, chest."""
    width = 0.24 + 0.74 * np.clip((v - 0.015) / 0.17, 0.0, 1.0) ** 0.55
    return ramp(width - np.abs(u), 0.03)


def wall_distance(lateral: Pixels, v: Pixels) -> Pixels:
    """Gives 1 at the lung's outer border and less inside, for u counted towards one side."""
    across = np.abs((lateral - 0.37 - 0.06 * v) / 0.36)
    down = np.minimum(v - 0.66, 0.0) / 0.56
    distance: Pixels = across**2.2 + down * down
    return distance


def diaphragm(lateral: Pixels, side: str, body: Body) -> Pixels:
    """Gives the v of a hemidiaphragm over u counted towards its side."""
    return body.domes[side] + body.depth * ((lateral - 0.36) / 0.40) ** 2


def lung(u: Pixels, v: Pixels, side: str, body: Body) -> Pixels:
    """Gives one lung field, the heart not yet in front of it."""
    lateral = u * np.float32(SIDES[side])
    inside = ramp(1 - wall_distance(lateral, v), 0.12)
    return inside * ramp(diaphragm(lateral, side, body) - v, 0.02)


def heart(u: Pixels, v: Pixels, body: Body) -> Pixels:
    """Gives the heart: a tilted ellipse, its apex to the left and down, under a sloping waist."""
    width = body.ratio * _THORAX_WIDTH
    middle = body.domes["left"] - 0.13
    across = u - 0.21 * width
    down = 2 * (v - middle)
    tilt = 0.45
    long = (across * np.cos(tilt) + down * np.sin(tilt)) / (0.52 * width)
    short = (down * np.cos(tilt) - across * np.sin(tilt)) / (0.13 + 0.27 * width)
    ellipse = ramp(1 - (long**2 + short**2).astype(np.float32), 0.1)
    fall = np.clip((v - middle + 0.32) / 0.3, 0, 1)
    waist = ramp(0.11 + 0.45 * width * fall**1.3 - np.abs(u - 0.04), 0.04) * ramp(middle - v, 0.05)
    return np.maximum(ellipse, waist * ramp(u + 0.16, 0.05))


def mediastinum(u: Pixels, v: Pixels, *, wide: bool, tortuous: bool) -> Pixels:
    """Gives the great vessels above the heart, aortic knob included."""
    half = 0.125 + 0.13 * wide * np.exp(-(((v - 0.26) / 0.16) ** 2)).astype(np.float32)
    middle = ramp(half - np.abs(u), 0.04)
    knob = spot(u, v, (0.13, 0.33), (0.10, 0.16))
    if tortuous:
        knob = np.maximum(knob, spot(u, v, (0.17, 0.31), (0.16, 0.19)))
        knob = np.maximum(knob, spot(u, v, (0.15, 0.46), (0.17, 0.36)))
    return np.maximum(middle, ramp(knob - 0.4, 0.3))


def ribs(u: Pixels, v: Pixels, body: Body) -> Pixels:
    """Gives the posterior ribs and, fainter, the anterior ones."""
    lateral = np.abs(u)
    cage = ramp(0.84 - lateral, 0.06) * ramp(lateral - 0.07, 0.06) * ramp(v - 0.09, 0.06)
    turn = np.float32(2 * np.pi / body.rib_step)
    back = np.cos((v - body.rib_start - _rib_fall(lateral)) * turn)
    front = np.cos((v - body.rib_start + 0.33 * (lateral - 0.75)) * turn)
    front_cage = ramp(lateral - 0.34, 0.2)
    return cage * (
        np.clip(back - 0.3, 0.0, 0.7) / 0.7 + 0.5 * front_cage * np.clip(front - 0.4, 0.0, 0.6)
    )
