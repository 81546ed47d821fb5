"""The frontal chest X-ray of a hidden state."""

from __future__ import annotations

from math import cos, sin

import numpy as np
import numpy.typing as npt
from PIL import Image

from semenrich_datasets.phantom.anatomy import (
    SIDES,
    Body,
    Pixels,
    heart,
    lung,
    mediastinum,
    ramp,
    ribs,
    sample_body,
    spot,
    torso,
)
from semenrich_datasets.phantom.findings import PAINTERS, Film, Point, Strokes
from semenrich_datasets.phantom.truth import FINDINGS, State

MIN_SIZE, MAX_SIZE = 64, 224

# Grey levels of the layers, 1 is white.
_TISSUE, _AIR, _SOLID, _RIB, _VESSEL, _STROKE, _BONE = 0.56, 0.44, 0.08, 0.09, 0.22, 0.26, 0.12
_SHADE, _NOISE = 0.02, 0.012


def render(state: State, size: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Draws a study.

    Body and noise are drawn before what the state adds, so that two states with equal generators
    give images that differ by the states alone.

    Args:
        state (`State`): the hidden state; each finding of it is visible.
        size (`int`): height and width in pixels, 64 to 224.
        rng (`np.random.Generator`): draws anatomy, noise and the findings' shapes.

    Returns:
        `npt.NDArray[np.uint8]`: grey levels `(size, size)`, the patient's right on the left.
    """
    names = {one.name for one in state}
    body = sample_body(state, rng)
    tree = rng.random((2, 9, 3))
    noise = rng.standard_normal((size, size), dtype=np.float32)
    shade, grain = _texture(rng, 5, size), _texture(rng, 28, size)

    u, v = body.grid(size)
    great_vessels = mediastinum(
        u, v, wide="wide mediastinum" in names, tortuous="tortuous aorta" in names
    )
    solid = np.maximum(heart(u, v, body), great_vessels)
    film = Film(
        body=body,
        u=u,
        v=v,
        fields={side: lung(u, v, side, body) * (1 - solid) for side in SIDES},
        grain=grain,
        density=np.zeros((size, size), dtype=np.float32),
        air=np.ones((size, size), dtype=np.float32),
        markings=np.ones((size, size), dtype=np.float32),
        tissue=Strokes(body, size),
        metal=Strokes(body, size),
        rng=rng,
    )
    shapes = int(rng.integers(2**32))
    for order, (name, paint) in enumerate(PAINTERS.items()):
        for found in (one for one in state if one.name == name):
            # A generator of its own, so that no finding changes another one's shape.
            place = FINDINGS[name].sites.index(found.site)
            film.rng = np.random.default_rng([shapes, order, place])
            paint(film, found)

    air = (film.fields["right"] + film.fields["left"]) * film.air
    vessels = _vessels(body, size, tree, congested="congestion" in names)
    grey = torso(u, v) * (
        _TISSUE + 0.06 * v + _RIB * ribs(u, v, body) * (1 - 0.6 * solid) + _SOLID * solid
    )
    grey += air * (_VESSEL * vessels * film.markings - _AIR)
    grey += _skeleton(body, u, v, size) + _hila(u, v) + film.density
    grey += _STROKE * film.tissue.read() + _SHADE * shade
    metal = film.metal.read()
    grey = body.exposure * (grey * (1 - metal) + metal) + _NOISE * noise
    return (255 * np.clip(grey, 0, 1)).astype(np.uint8)


def _texture(rng: np.random.Generator, cells: int, size: int) -> Pixels:
    """Draws smooth noise of about unit variance with this many bumps across."""
    coarse = Image.fromarray(rng.standard_normal((cells, cells), dtype=np.float32))
    return np.asarray(coarse.resize((size, size), Image.Resampling.BICUBIC))


def _vessels(body: Body, size: int, tree: npt.NDArray[np.float64], *, congested: bool) -> Pixels:
    """Draws the lungs' vessels, fanning out from the hila; congested ones are wide everywhere."""
    strokes = Strokes(body, size)
    width, strength, reached = (0.042, 1.0, 1.2) if congested else (0.026, 0.7, 1.0)
    for sign, branches in zip(SIDES.values(), tree, strict=True):
        for number, (bend, reach, lean) in enumerate(branches):
            angle = -1.45 + 3.0 * (number + 0.6 * lean) / len(branches)
            length = (0.34 + 0.2 * reach) * reached
            root = (0.15 * sign, 0.41 + 0.013 * number)
            fork = _step(root, sign, angle + 0.8 * (bend - 0.3), 0.45 * length)
            strokes.line([root, fork], width, strength)
            for turn in (-0.35, 0.25):
                tip = _step(fork, sign, angle + turn, 0.5 * length)
                strokes.line([fork, tip], 0.6 * width, 0.6 * strength)
    return strokes.read()


def _step(start: Point, sign: float, angle: float, length: float) -> Point:
    """Gives the point at this distance: angle 0 is straight to the side, above 0 downward."""
    return start[0] + sign * length * cos(angle), start[1] + length * sin(angle) / 2


def _skeleton(body: Body, u: Pixels, v: Pixels, size: int) -> Pixels:
    """Draws spine, clavicles and the dark trachea before them."""
    discs: Pixels = np.cos((v - 0.80) * (2 * np.pi / 0.075))
    spine = ramp(0.1 - np.abs(u), 0.05) * (0.04 + 0.03 * discs)
    trachea = ramp(0.04 - np.abs(u), 0.04) * ramp(0.36 - v, 0.08)
    strokes = Strokes(body, size)
    for sign in SIDES.values():
        clavicle = [(0.07 * sign, 0.185), (0.3 * sign, 0.165), (0.52 * sign, 0.115)]
        strokes.line([*clavicle, (0.78 * sign, 0.09)], 0.055)
    return spine - 0.12 * trachea + _BONE * strokes.read()


def _hila(u: Pixels, v: Pixels) -> Pixels:
    return 0.13 * (spot(u, v, (-0.18, 0.46), (0.09, 0.17)) + spot(u, v, (0.17, 0.44), (0.09, 0.17)))
