"""How each abnormal finding shows on a synthetic chest X-ray: one painter each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw

from semenrich_datasets.phantom.anatomy import (
    SIDES,
    Body,
    Pixels,
    ramp,
    spot,
)
from semenrich_datasets.phantom.truth import Statement

_FINE = 3  # strokes are drawn this many times finer, then averaged
_MM = 1 / 186  # in units of u: a thorax of 1.56 is 290 mm wide

Point = tuple[float, float]


class Strokes:
    """A layer of fine lines in body coordinates, drawn with Pillow.

    Args:
        body (`Body`): whose coordinates they are.
        size (`int`): the image's height and width in pixels.
    """

    def __init__(self, body: Body, size: int) -> None:
        self._body, self._size = body, size * _FINE
        self._image = Image.new("L", (self._size, self._size))
        self._draw = ImageDraw.Draw(self._image)

    def line(self, points: Iterable[Point], width: float, strength: float = 1.0) -> None:
        """Draws through points; the width is in units of u, at least a third of a pixel."""
        pixels = [self._body.pixel(u, v, self._size) for u, v in points]
        thick = max(1, round(width * self._size / 2))
        self._draw.line(pixels, fill=round(255 * strength), width=thick, joint="curve")

    def read(self) -> Pixels:
        """Gives the layer, `(size, size)` in [0, 1]."""
        return np.asarray(self._image.reduce(_FINE), dtype=np.float32) / 255


@dataclass
class Film:
    """An X-ray in the making, which the painters change.

    Args:
        body (`Body`): the patient.
        u, v (`Pixels`): body coordinates, `(1, size)` and `(size, 1)`.
        fields (`dict[str, Pixels]`): side -> lung field beside the heart, `(size, size)`.
        grain (`Pixels`): smooth noise of unit variance, `(size, size)`.
        density (`Pixels`): grey added to the anatomy, `(size, size)`; 1 is white.
        air (`Pixels`): how much of the lung is still aerated, 1 at first.
        markings (`Pixels`): how much of the vessels still shows, 1 at first.
        tissue (`Strokes`): lines as bright as soft tissue.
        metal (`Strokes`): lines as bright as metal or chalk.
        rng (`np.random.Generator`): draws shapes.
    """

    body: Body
    u: Pixels
    v: Pixels
    fields: dict[str, Pixels]
    grain: Pixels
    density: Pixels
    air: Pixels
    markings: Pixels
    tissue: Strokes
    metal: Strokes
    rng: np.random.Generator

    def place(self, side: str, zone: str, jitter: float = 0.04) -> Point:
        """Draws a point about the middle of a lung zone."""
        u, v = self.body.place(side, zone)
        du, dv = self.rng.uniform(-jitter, jitter, 2)
        return u + du, v + dv / 2


def _smooth(points: list[Point]) -> list[Point]:
    """Rounds a path's corners by cutting them twice (Chaikin, 1974)."""
    for _ in range(2):
        cut = [
            (a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1]))
            for a, b in pairwise(points)
            for share in (0.25, 0.75)
        ]
        points = [points[0], *cut, points[-1]]
    return points


def _consolidation(film: Film, found: Statement) -> None:
    side, zone = found.site.split()
    blob = spot(film.u, film.v, film.place(side, zone), (0.24, 0.2))
    if found.value == "dense":
        change = 0.34 * ramp(blob - 0.35, 0.4)
    else:
        change = 0.34 * blob * np.clip(0.6 + 0.5 * film.grain, 0, 1.2)
    film.density += change * film.fields[side] * film.air


def _nodule(film: Film, found: Statement) -> None:
    side, zone = found.site.split()
    radius = float(found.value.removesuffix(" mm")) / 2 * _MM
    blob = spot(film.u, film.v, film.place(side, zone, 0.07), (1.25 * radius, 1.25 * radius))
    film.density += 0.34 * ramp(blob - 0.4, 0.5)


def _granuloma(film: Film, found: Statement) -> None:
    side, zone = found.site.split()
    film.density += 0.6 * spot(film.u, film.v, film.place(side, zone, 0.07), (0.028, 0.028))


def _scar(film: Film, found: Statement) -> None:
    side = found.site.split()[0]
    u, v = film.place(side, "apex", 0.02)
    for number in range(3):
        height = v + 0.022 * number
        bend = film.rng.uniform(-0.012, 0.012, 2)
        streak = [(u - 0.13, height + bend[0]), (u, height - 0.006), (u + 0.13, height + bend[1])]
        film.tissue.line(streak, 0.016, 0.8)
    film.density += 0.12 * spot(film.u, film.v, (u, v - 0.02), (0.18, 0.09)) * film.fields[side]


def _atelectasis(film: Film, found: Statement) -> None:
    u, v = film.place(found.site, "base", 0.03)
    count = 2 if found.value == "mild" else 4
    for number in range(count):
        height = v - 0.022 * number + film.rng.uniform(-0.004, 0.004)
        tilt = film.rng.uniform(-0.012, 0.012)
        film.tissue.line([(u - 0.15, height - tilt), (u + 0.15, height + tilt)], 0.022, 0.9)


def _edema(film: Film, found: Statement) -> None:
    for side, sign in SIDES.items():
        field, middle = film.fields[side] * film.air, film.body.place(side, "mid")[1]
        if found.value == "alveolar":
            wing = spot(film.u, film.v, (0.36 * sign, middle), (0.3, 0.5))
            film.density += 0.32 * wing * np.clip(0.85 + 0.25 * film.grain, 0, 1) * field
            continue
        net = np.clip(np.abs(film.grain) - 0.2, 0, 1.2)
        base, kerley = film.body.place(side, "base")[1], Strokes(film.body, film.u.size)
        for number in range(6):
            height = base - 0.028 * number
            kerley.line([(0.64 * sign, height), (0.75 * sign, height - 0.004)], 0.012)
        film.density += (0.06 + 0.1 * net + 0.25 * kerley.read()) * field


def _emphysema(film: Film, _: Statement) -> None:
    film.markings *= 0.35
    for side in SIDES:
        u, v = film.place(side, "upper", 0.02)
        for du, dv, radius in ((0.0, -0.07, 0.12), (0.13, 0.02, 0.1), (-0.07, 0.05, 0.09)):
            bulla = spot(film.u, film.v, (u + du, v + dv), (radius, radius))
            rim = np.exp(-(((bulla - 0.37) / 0.12) ** 2))
            film.density += (
                (0.08 * rim - 0.10 * ramp(bulla - 0.45, 0.3)) * film.fields[side] * film.air
            )


def _effusion(film: Film, found: Statement) -> None:
    lateral = film.u * np.float32(SIDES[found.site])
    amount = {"small": 0.06, "moderate": 0.21, "large": 0.42}[found.value]
    bottom = film.body.domes[found.site] + 0.1
    meniscus = bottom - amount - 0.1 * np.clip((lateral - 0.12) / 0.63, 0, 1) ** 2
    fluid = ramp(film.v - meniscus, 0.035) * (lateral > 0)
    film.air *= 1 - fluid
    film.markings *= 1 - fluid


def _pneumothorax(film: Film, found: Statement) -> None:
    lateral = film.u * np.float32(SIDES[found.site])
    # Where the lung's edge lies: 1 at the wall. The lung stays fixed at its hilum.
    outward = (np.maximum(lateral - 0.36, 0) / 0.42) ** 2 + (
        np.minimum(film.v - 0.52, 0) / 0.42
    ) ** 2
    edge, lowest = {"small": (0.66, 0.45), "moderate": (0.45, 0.7), "large": (0.22, 1.0)}[
        found.value
    ]
    field = film.fields[found.site] * ramp(lowest - film.v, 0.1)
    gap = ramp(outward - edge, 0.06) * field
    line = np.exp(-(((outward - edge) / 0.05) ** 2)) * field
    film.density += 0.2 * line - 0.1 * gap
    if found.value == "large":
        film.density += 0.12 * (field - gap)
    film.markings *= 1 - gap


def _prominent_hilum(film: Film, found: Statement) -> None:
    sign = SIDES[found.site]
    blob = spot(film.u, film.v, (0.2 * sign, 0.46), (0.16, 0.26))
    film.density += 0.2 * ramp(blob - 0.4, 0.5)


def _calcified_aorta(film: Film, _: Statement) -> None:
    angles = np.linspace(-1.9, 0.9, 9)
    arc = [(0.13 + 0.07 * np.cos(a), 0.325 + 0.04 * np.sin(a)) for a in angles]
    film.metal.line(arc, 0.018, 0.95)


def _degenerative_change(film: Film, found: Statement) -> None:
    count, length = (3, 0.06) if found.value == "mild" else (6, 0.085)
    for number in range(count):
        height = 0.80 - 0.075 * number
        film.density += 0.1 * spot(film.u, film.v, (0, height), (0.12, 0.02))
        for sign in SIDES.values():
            beak = [(0.075 * sign, height + 0.006), ((0.08 + length) * sign, height - 0.012)]
            film.tissue.line(beak, 0.026, 0.6)


def _fracture(film: Film, found: Statement) -> None:
    sign = SIDES[found.site]
    if found.name == "old rib fracture":
        height = film.body.rib(int(film.rng.integers(4, 6)), 0.68)
        film.density += 0.32 * spot(film.u, film.v, (0.68 * sign, height), (0.07, 0.05))
        return
    height = film.body.rib(int(film.rng.integers(2, 4)), 0.7)
    film.density -= 0.25 * spot(film.u, film.v, (0.68 * sign, height), (0.028, 0.09))
    fragment = [(0.71 * sign, height + 0.03), (0.81 * sign, height + 0.075)]
    film.tissue.line(fragment, 0.05)


def _central_line(film: Film, found: Statement) -> None:
    tip = 0.42 + film.rng.uniform(-0.03, 0.05)
    entry = [(0.62, 0.2), (0.42, 0.135), (0.22, 0.155)]
    course = [(SIDES[found.site] * u, v) for u, v in entry]
    bend = [(-0.12, 0.2)] if found.site == "right" else [(0.05, 0.21), (-0.09, 0.27)]
    film.metal.line(_smooth([*course, *bend, (-0.1, tip)]), 0.018)


def _pacemaker(film: Film, found: Statement) -> None:
    sign = SIDES[found.site]
    u, v = 0.62 * sign, 0.22 + film.rng.uniform(-0.02, 0.02)
    film.metal.line([(u - 0.09, v), (u + 0.09, v)], 0.14)
    lead = [(u, v - 0.03), (0.35 * sign, 0.17), (-0.09, 0.3), (-0.1, 0.55), (0.12, 0.70)]
    film.metal.line(_smooth([*lead, (0.3, film.body.domes["left"] - 0.05)]), 0.018)


def _sternotomy_wires(film: Film, _: Statement) -> None:
    for number in range(6):
        v = 0.27 + 0.085 * number
        u = film.rng.uniform(-0.012, 0.012)
        loop = [(u - 0.04, v), (u, v - 0.012), (u + 0.04, v), (u, v + 0.012), (u - 0.04, v)]
        film.metal.line(loop, 0.013)


# In the order of painting: fluid first, for lungs show above it only. The findings that are not
# here change the body's own contours: see phantom_anatomy.py.
PAINTERS: dict[str, Callable[[Film, Statement], None]] = {
    "effusion": _effusion,
    "emphysema": _emphysema,
    "edema": _edema,
    "consolidation": _consolidation,
    "nodule": _nodule,
    "granuloma": _granuloma,
    "scar": _scar,
    "atelectasis": _atelectasis,
    "pneumothorax": _pneumothorax,
    "prominent hilum": _prominent_hilum,
    "calcified aorta": _calcified_aorta,
    "degenerative change": _degenerative_change,
    "old rib fracture": _fracture,
    "acute rib fracture": _fracture,
    "central line": _central_line,
    "pacemaker": _pacemaker,
    "sternotomy wires": _sternotomy_wires,
}
