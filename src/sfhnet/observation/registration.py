"""Where a cube lies on an image, and how sharp it is there: shift, rotation, resolution and zero point from the data.

Both are compared at the cube's own pixels, without what is smooth over several widths of the point-spread function: what is left
are clusters, HII regions and dust lanes, which calibration and background do not move.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from astropy import units as u
from astropy.wcs import WCS
from reproject import reproject_interp
from scipy.ndimage import affine_transform, gaussian_filter
from scipy.signal import fftconvolve

from pyprospect.constants import FWHM_PER_SIGMA
from sfhnet.observation.band_weights import MIN_SHARE
from sfhnet.tools.random_streams import stream

if TYPE_CHECKING:
    from sfhnet.config import RegistrationConfig
    from sfhnet.observation.hst_image import HSTImage

__all__ = ["BandImage", "Registration", "moved_wcs", "register"]

# Structure wider than this many FWHM is left out; the fine grid has this many pixels in a FWHM.
_SMOOTH_FWHM, _PIXELS_IN_FWHM = 2.5, 4.0
# Differences between bands and calibrations, as a share of the light: no pixel is known better.
_MODEL_SHARE = 0.03
_N_ROUNDS, _STEP_PIXEL, _CLIP = 12, 0.2, 3.0
# What is believed before: rotations are small, and the width is about what the sample sheet says.
_ROTATION_DEG, _WIDTH_SHARE = 0.5, 0.3
# Parts of the map, along each side, whose residuals tell the errors.
_N_TILES = 6
# What is believed: a correlation of the two above, and a place known to so many pixels.
_MIN_CORRELATION, _MAX_ERROR_PIXEL = 0.3, 0.3
# What is worth a correction: so many errors (of a turn more, since steps between pointings look like one), and so many
# pixels, or this share of the FWHM.
_SIGNIFICANT, _SIGNIFICANT_TURN, _LEAST_PIXEL, _LEAST_SHARE = 3.0, 5.0, 0.05, 0.03
# A width, and a turn at the edge of the map, that are known worse than this correct nothing.
_MAX_WIDTH_ERROR = 0.05


@dataclass(frozen=True)
class BandImage:
    """What the cube shows in a band.

    Parameters
    ----------
    flux, variance : ndarray, shape (ny, nx)
        Mean f_lambda of a spaxel in erg/s/cm2/Angstrom, NaN where nothing is good, and its variance.
    share : float
        Share of the band's response that lies on the cube; below 0.7 the nearest end of the cube
        stands in.
    """

    flux: np.ndarray
    variance: np.ndarray
    share: float

    @property
    def in_range(self) -> bool:
        """Whether the cube covers the band, so that zero points and widths can be compared."""
        return self.share >= MIN_SHARE


@dataclass(frozen=True)
class Registration:
    """How a cube lies on an image.

    A spaxel (x, y) shows what lies by the cube's WCS at c + R (x - c, y - c) + shift, with c the centre of the map and R a
    rotation from x to y.

    Parameters
    ----------
    band : str
    measured : bool
        Whether the two could be compared; the numbers are NaN otherwise.
    why : str
        Why they could not, or why nothing was applied.
    shift_pixel, shift_err_pixel : (float, float)
        Shift along x and y in spaxels.
    shift_arcsec : (float, float)
        The same on the sky, to the east and to the north.
    rotation_deg, rotation_err_deg : float
    fwhm_arcsec, fwhm_err_arcsec : float
        FWHM of the cube's point-spread function in this band.
    zero_point, zero_point_err : float
        Flux of the cube over that of the image. For bands beyond the cube all but the shift is NaN.
    correlation : float
        Of the structure in both.
    applied : tuple of str
        What was corrected: of shift, rotation, fwhm, zero_point.
    """

    band: str
    measured: bool = False
    why: str = ""
    shift_pixel: tuple[float, float] = (np.nan, np.nan)
    shift_err_pixel: tuple[float, float] = (np.nan, np.nan)
    shift_arcsec: tuple[float, float] = (np.nan, np.nan)
    rotation_deg: float = np.nan
    rotation_err_deg: float = np.nan
    fwhm_arcsec: float = np.nan
    fwhm_err_arcsec: float = np.nan
    zero_point: float = np.nan
    zero_point_err: float = np.nan
    correlation: float = np.nan
    applied: tuple[str, ...] = ()

    def record(self) -> dict[str, object]:
        """Return it for the product: None where a number is not known."""

        def plain(value: object) -> object:
            if isinstance(value, tuple):
                return [plain(one) for one in value]
            return None if isinstance(value, float) and not np.isfinite(value) else value

        return {name: plain(value) for name, value in asdict(self).items() if name != "band"}


@dataclass(frozen=True)
class _Scene:
    """An image on a grid finer than the cube's and wider by a margin, noise as the image has, and what the cube shows."""

    fine: np.ndarray
    noise: np.ndarray  # as `fine`, of a blank image
    over: int
    margin: int
    own_sigma: float  # of the image as it is there, in fine pixels
    data: np.ndarray
    weight: np.ndarray
    mask: np.ndarray
    smooth_sigma: float  # in spaxels

    def seen(self, place: np.ndarray, fine: np.ndarray | None = None) -> np.ndarray:
        """Return the image, or another fine one, as a cube at (dx, dy, rotation in radians, sigma in spaxels) would show it."""
        dx, dy, angle, sigma = place
        width = np.sqrt(max((sigma * self.over) ** 2 - self.own_sigma**2, 0.0))
        blurred = gaussian_filter(self.fine if fine is None else fine, width, mode="nearest", truncate=5.0)
        ny, nx = (size * self.over for size in self.data.shape)
        cosine, sine = np.cos(angle), np.sin(angle)
        matrix = np.array([[cosine, sine], [-sine, cosine]])  # rows are (y, x)
        centre = np.array([(ny - 1) / 2, (nx - 1) / 2])
        offset = centre + self.margin * self.over + self.over * np.array([dy, dx]) - matrix @ centre
        moved = affine_transform(blurred, matrix, offset, output_shape=(ny, nx), order=3, mode="nearest")
        ny, nx = self.data.shape
        return moved.reshape(ny, self.over, nx, self.over).sum(axis=(1, 3))

    def structure(self, values: np.ndarray) -> np.ndarray:
        """Return what is not smooth, 0 outside the mask."""
        kept = self.mask.astype(float)
        below = gaussian_filter(kept, self.smooth_sigma, mode="constant")
        smooth = gaussian_filter(np.where(self.mask, values, 0.0), self.smooth_sigma, mode="constant")
        return np.where(self.mask, values - smooth / np.maximum(below, 1e-3), 0.0)


def register(
    shown: BandImage,
    image: HSTImage,
    wcs: WCS,
    *,
    fwhm_arcsec: float,
    image_fwhm_arcsec: float,
    config: RegistrationConfig,
) -> Registration:
    """Measure how a cube lies on an image.

    Parameters
    ----------
    shown : BandImage
        The cube in the band.
    image : HSTImage
        The image, wider than the cube by the reach of the kernel and of the shift (`image_field`).
    wcs : astropy.wcs.WCS
        Celestial WCS of the cube.
    fwhm_arcsec, image_fwhm_arcsec : float
        FWHM of the cube's and the image's point-spread function, as they are believed to be.
    config : RegistrationConfig
        How far to look, and what to apply.

    Returns
    -------
    Registration
        With ``applied`` as the configuration and the errors allow.
    """
    blank = Registration(image.band)
    scene = _scene(shown, image, wcs, fwhm_arcsec, image_fwhm_arcsec, config.max_shift_fwhm)
    if scene is None:
        return replace(blank, why="too few spaxels lie on the image")
    scale = _pixel_arcsec(wcs)
    sigma = fwhm_arcsec / FWHM_PER_SIGMA / scale
    reach = config.max_shift_fwhm * fwhm_arcsec / scale
    place, errors, correlation = _fit(scene, _first_guess(scene, sigma, reach), shown.in_range)
    found = replace(
        blank,
        correlation=correlation,
        shift_pixel=(float(place[0]), float(place[1])),
        shift_err_pixel=(float(errors[0]), float(errors[1])),
        shift_arcsec=_on_sky(wcs, place[:2]),
    )
    if shown.in_range:
        zero_point, zero_point_err = _zero_point(scene, place, shown.share)
        found = replace(
            found,
            rotation_deg=float(np.rad2deg(place[2])),
            rotation_err_deg=float(np.rad2deg(errors[2])),
            fwhm_arcsec=float(place[3] * scale * FWHM_PER_SIGMA),
            fwhm_err_arcsec=float(errors[3] * scale * FWHM_PER_SIGMA),
            zero_point=zero_point,
            zero_point_err=zero_point_err,
        )
    why = ""
    if not (np.isfinite(correlation) and correlation > _MIN_CORRELATION):
        why = f"the structure of cube and image does not agree (correlation {correlation:.2f})"
    elif not max(errors[:2]) < _MAX_ERROR_PIXEL:
        why = f"the place is known to {max(errors[:2]):.2f} spaxels only"
    elif np.hypot(*place[:2]) > reach:
        why = f"the shift is beyond galaxies.registration.max_shift_fwhm = {config.max_shift_fwhm:g}"
    if why:
        return replace(found, why=why)
    return _with_applied(replace(found, measured=True), fwhm_arcsec, max(scene.data.shape), config)


def moved_wcs(wcs: WCS, shape: tuple[int, int], found: Registration) -> WCS:
    """Return the WCS of a cube with a registration's shift and rotation applied, as far as it says they are.

    Parameters
    ----------
    wcs : astropy.wcs.WCS
        Celestial WCS of the cube.
    shape : (int, int)
        (ny, nx).
    found : Registration

    Returns
    -------
    astropy.wcs.WCS
    """
    shift = np.array(found.shift_pixel) if "shift" in found.applied else np.zeros(2)
    angle = np.deg2rad(found.rotation_deg) if "rotation" in found.applied else 0.0
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = np.array([(shape[1] + 1) / 2, (shape[0] + 1) / 2])
    moved = wcs.deepcopy()
    if moved.wcs.has_cd():
        moved.wcs.cd = moved.wcs.cd @ turn
    else:
        moved.wcs.pc = moved.wcs.get_pc() @ turn
    moved.wcs.crpix = centre - turn.T @ (centre + shift - wcs.wcs.crpix)
    moved.wcs.set()
    return moved


def _scene(
    shown: BandImage,
    image: HSTImage,
    wcs: WCS,
    fwhm_arcsec: float,
    image_fwhm_arcsec: float,
    max_shift_fwhm: float,
) -> _Scene | None:
    ny, nx = shown.flux.shape
    scale = _pixel_arcsec(wcs)
    over = int(np.ceil(_PIXELS_IN_FWHM * scale / fwhm_arcsec))
    over += 1 - over % 2
    margin = int(np.ceil((2 + max_shift_fwhm) * fwhm_arcsec / scale))
    target = wcs.deepcopy()
    target.wcs.crpix = (wcs.wcs.crpix - 0.5 + margin) * over + 0.5
    if target.wcs.has_cd():
        target.wcs.cd = target.wcs.cd / over
    else:
        target.wcs.cdelt = target.wcs.cdelt / over
    target.wcs.set()
    size = ((ny + 2 * margin) * over, (nx + 2 * margin) * over)
    # Blurred to half of the cube's width first, the image is sampled well by the fine grid.
    own_arcsec = np.hypot(image_fwhm_arcsec / FWHM_PER_SIGMA, image.pixel_arcsec / np.sqrt(12))
    half_arcsec = max(own_arcsec, 0.5 * fwhm_arcsec / FWHM_PER_SIGMA)
    blur = np.sqrt(half_arcsec**2 - own_arcsec**2) / image.pixel_arcsec
    seen = gaussian_filter(image.valid.astype(float), blur, mode="constant")
    blurred = gaussian_filter(image.flux, blur, mode="constant") / np.maximum(seen, 0.5)
    drawn = stream("registration.noise", 0).standard_normal(image.flux.shape) * np.sqrt(image.variance)
    noise = gaussian_filter(drawn, blur, mode="constant") / np.maximum(seen, 0.5)
    stack = np.stack([np.where(seen > 0.5, blurred, 0.0), seen, np.where(seen > 0.5, noise, 0.0)])
    projected = np.nan_to_num(
        reproject_interp((stack, image.wcs), target, shape_out=size, order="bicubic")[0]
    )
    covered, per_pixel = projected[1], (scale / over / image.pixel_arcsec) ** 2
    inner = covered[margin * over : (margin + ny) * over, margin * over : (margin + nx) * over]
    on_image = inner.reshape(ny, over, nx, over).mean(axis=(1, 3)) > 0.95
    good = np.isfinite(shown.flux) & (shown.variance > 0) & on_image
    if good.sum() < 100:
        return None
    level = gaussian_filter(np.where(good, shown.flux, 0.0), fwhm_arcsec / scale)
    return _Scene(
        fine=projected[0] * per_pixel,
        noise=projected[2] * per_pixel,
        over=over,
        margin=margin,
        # The fine pixels, which the image is only sampled at, are averaged over too.
        own_sigma=np.sqrt((half_arcsec / scale * over) ** 2 - 1 / 12),
        data=np.where(good, shown.flux, 0.0),
        weight=np.where(good, 1 / (np.where(good, shown.variance, 1.0) + (_MODEL_SHARE * level) ** 2), 0.0),
        mask=good,
        smooth_sigma=_SMOOTH_FWHM * fwhm_arcsec / scale,
    )


def _first_guess(scene: _Scene, sigma: float, reach: float) -> np.ndarray:
    """Find the shift by the cross-correlation of what is not smooth."""
    ny, nx = scene.data.shape
    root = np.sqrt(scene.weight)
    data = scene.structure(scene.data) * root
    model = scene.structure(scene.seen(np.array([0.0, 0.0, 0.0, sigma]))) * root
    agreement = fftconvolve(model, data[::-1, ::-1], mode="full")
    y, x = np.mgrid[: 2 * ny - 1, : 2 * nx - 1]
    far = np.hypot(y - (ny - 1), x - (nx - 1)) > reach + 1
    row, column = np.unravel_index(int(np.argmax(np.where(far, -np.inf, agreement))), agreement.shape)
    return np.array([float(column - (nx - 1)), float(row - (ny - 1)), 0.0, sigma])


def _fit(scene: _Scene, start: np.ndarray, in_range: bool) -> tuple[np.ndarray, np.ndarray, float]:
    """Fit place, width and amplitude by least squares; outliers count less. Errors from parts of the map.

    The image has noise too, and the broader it is blurred the less: alone, least squares would find a width that is too large.
    What a blank image with that noise adds to the squares is taken off.
    """
    ny, nx = scene.data.shape
    # Beyond the cube the colours differ, and turn and width would take that up.
    free = np.array([True, True, in_range, in_range])
    steps = np.array([_STEP_PIXEL, _STEP_PIXEL, _STEP_PIXEL / (0.5 * max(ny, nx)), 0.1 * start[3]])
    prior = 1 / np.array([np.inf, np.inf, np.deg2rad(_ROTATION_DEG), _WIDTH_SHARE * start[3]]) ** 2
    data, place = scene.structure(scene.data), start.copy()
    for _ in range(_N_ROUNDS):
        model = scene.structure(scene.seen(place))
        columns = [model]
        for i in np.flatnonzero(free):
            step = np.zeros(4)
            step[i] = steps[i]
            ahead, behind = (scene.structure(scene.seen(place + sign * step)) for sign in (1, -1))
            columns.append((ahead - behind) / (2 * steps[i]))
        weight = scene.weight * _down(data, model, scene.weight)
        squares, extra = float((weight * model**2).sum()), np.zeros((len(columns), weight.size))
        if in_range:
            # The last step was that of the width.
            blank = scene.structure(scene.seen(place, scene.noise))
            ahead, behind = (
                scene.structure(scene.seen(place + sign * step, scene.noise)) for sign in (1, -1)
            )
            extra[0] = (weight * blank**2).ravel()
            extra[-1] = (weight * blank * (ahead - behind)).ravel() / (2 * steps[3])
        amplitude = float(
            (weight * data * model).sum() / max(squares - extra[0].sum(), 0.5 * squares, 1e-300)
        )
        extra *= amplitude * np.array([1.0, *[amplitude] * (len(columns) - 1)])[:, None]
        design = np.stack([columns[0], *(amplitude * column for column in columns[1:])]).reshape(
            len(columns), -1
        )
        residual = (data - amplitude * model).ravel()
        per_pixel = (weight.ravel() * residual**2).sum() / max(np.count_nonzero(weight) - len(columns), 1)
        held = max(per_pixel, 1e-300) * prior[free]
        normal = (design * weight.ravel()) @ design.T + np.diag([0.0, *held])
        if not np.isfinite(normal).all() or np.linalg.cond(normal) > 1e14:
            return place, np.full(4, np.inf), np.nan
        pulled = (
            (design * weight.ravel()) @ residual + extra.sum(axis=1) - [0.0, *(held * (place - start)[free])]
        )
        change = np.linalg.solve(normal, pulled)
        step_taken = np.zeros(4)
        # No step is longer than half a width: the structure is linear over that.
        step_taken[free] = np.clip(change[1:], -2.5 * steps[free], 2.5 * steps[free])
        place = place + step_taken
        place[3] = np.clip(place[3], 0.5 * start[3], 3 * start[3])
        if np.all(np.abs(step_taken) < 0.02 * steps):
            break
    errors = np.full(4, np.nan)
    inverse = np.linalg.inv(normal)
    formal = np.diag(inverse) * max(per_pixel, 1e-300)
    # Residuals of neighbours go together: parts of the map are independent where pixels are not.
    rows, cells = (np.arange(size) * _N_TILES // size for size in (ny, nx))
    tile = (rows[:, None] * _N_TILES + cells[None, :]).ravel()
    scores = np.stack(
        [
            np.bincount(tile, row * weight.ravel() * residual + more, _N_TILES**2)
            for row, more in zip(design, extra, strict=True)
        ]
    )
    spread = np.diag(inverse @ (scores @ scores.T) @ inverse) * _N_TILES**2 / (_N_TILES**2 - len(columns))
    errors[free] = np.sqrt(np.maximum(formal, spread))[1:]
    both = np.sqrt((weight * data**2).sum() * (weight * model**2).sum())
    return place, errors, float((weight * data * model).sum() / both) if both > 0 else np.nan


def _down(data: np.ndarray, model: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return weights of Huber: residuals beyond three times their scatter count less."""
    amplitude = (weight * data * model).sum() / max((weight * model**2).sum(), 1e-300)
    pull = np.abs(data - amplitude * model) * np.sqrt(weight)
    used = weight > 0
    scatter = np.median(pull[used]) / 0.6745 if used.any() else 1.0
    return np.minimum(1.0, _CLIP * scatter / np.maximum(pull, 1e-300))


def _zero_point(scene: _Scene, place: np.ndarray, share: float) -> tuple[float, float]:
    """Compare the light of parts of the map, of which the middle counts."""
    ny, nx = scene.data.shape
    model = np.where(scene.mask, scene.seen(place), 0.0)
    rows, cells = (np.arange(size) * _N_TILES // size for size in (ny, nx))
    tile = (rows[:, None] * _N_TILES + cells[None, :]).ravel()
    own, other = (np.bincount(tile, values.ravel(), _N_TILES**2) for values in (scene.data, model))
    enough = np.bincount(tile, scene.mask.ravel().astype(float), _N_TILES**2) > 5
    ratio = own[enough & (other > 0)] / other[enough & (other > 0)]
    if ratio.size < 4:
        return np.nan, np.nan
    middle = float(np.median(ratio))
    scatter = float(np.median(np.abs(ratio - middle)) / 0.6745)
    return middle, float(np.hypot(1.25 * scatter / np.sqrt(ratio.size), 0.1 * (1 - share)))


def _with_applied(
    found: Registration, fwhm_arcsec: float, side: int, config: RegistrationConfig
) -> Registration:
    edge_pixel = np.deg2rad(found.rotation_err_deg) * side / 2
    worth = {
        "shift": any(
            abs(value) > max(_SIGNIFICANT * error, _LEAST_PIXEL)
            for value, error in zip(found.shift_pixel, found.shift_err_pixel, strict=True)
        ),
        "rotation": edge_pixel < _MAX_ERROR_PIXEL
        and abs(found.rotation_deg)
        > max(_SIGNIFICANT_TURN * found.rotation_err_deg, np.rad2deg(2 * _LEAST_PIXEL / side)),
        "fwhm": found.fwhm_err_arcsec < _MAX_WIDTH_ERROR * fwhm_arcsec
        and abs(found.fwhm_arcsec - fwhm_arcsec)
        > max(_SIGNIFICANT * found.fwhm_err_arcsec, _LEAST_SHARE * fwhm_arcsec),
        "zero_point": abs(found.zero_point - 1) > _SIGNIFICANT * found.zero_point_err,
    }
    applied = tuple(name for name in config.apply if worth[name])
    refused = [name for name, is_worth in worth.items() if is_worth and name not in config.apply]
    why = f"not in galaxies.registration.apply: {', '.join(refused)}" if refused else ""
    return replace(found, applied=applied, why=why)


def _pixel_arcsec(wcs: WCS) -> float:
    return float(np.sqrt(wcs.proj_plane_pixel_area().to_value(u.arcsec**2)))


def _on_sky(wcs: WCS, shift_pixel: np.ndarray) -> tuple[float, float]:
    east, north = 3600 * wcs.pixel_scale_matrix @ shift_pixel
    return float(east), float(north)
