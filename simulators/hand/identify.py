"""What a design can tell before a reading is made: rank, null directions and posterior spread, of geometry and posture.

    python -m simulators.hand.identify --scenario recorded_10 --set design.magnets.site=middle --picture report.png

Everything is local: Fisher's information at the mean hand of the scenario (its inverse is the bound of Cramer and Rao;
Kay, Fundamentals of Statistical Signal Processing I, 1993, chapter 3), with priors Laplace's posterior. Geometry: five
dipoles between two ends, as `inverse.fit_geometry` has them, from readings of known curls whose only error is the
sensor's. Posture: five curls from one reading of all sensors; hand, mounts, magnets and iron are known, and the Earth's
field and the scatter of postures may join the noise. Drift, held readings, the rail and a worn ring are left out.

Index glossary: k parameters, n channels (sensor by axis), 32 combos as in `spec.ALL_32`, 3 CASES of noise.
"""

import io
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from scenarios.cli import run
from scenarios.errors import InputError

if TYPE_CHECKING:
    from simulators.hand.anatomy import Hand, Mounts
    from simulators.hand.magnets import Magnet
    from simulators.hand.spec import HandSpec
    from simulators.rng import Key

Floats = NDArray[np.float64]
CASES = ("sensor noise", "+ uniform field", "+ posture scatter")
MODES = {"binary": "binary states, 32 combos", "continuous": "continuous curls, any of five"}
CURL_SD = 0.5
"""[chosen] Prior of each curl, as in `inverse.fit_curls`."""
BLIND = 0.9
"""[chosen] A finger whose posterior sd is above this share of the prior's is not told."""
DRAWS, CURLS = 1000, 512
"""Drawn people behind the prior of a geometry: its sd are good to 2 %. Random postures of five continuous curls."""
SMALL = 1e-6
SUFFIXES = (".png", ".svg", ".pdf")


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """What readings of one recording's number tell of k geometry parameters, their curls known."""

    values: Floats
    """Singular values (k,), descending, of the readings over their noise by the parameters over `inverse.SCALES`."""
    rank: int
    null: Floats
    """Unit vectors (k, k - rank), parameters over SCALES; each lies in one finger, or in that and the offset, or is
    orthogonal to all that do. Those of a finger are orthogonal, the first nearest to its scale symmetry."""
    explained: Floats
    """Share (k - rank,) of the squared length of each null vector in the span of the scale symmetries."""
    bound: Floats
    """Sd (k,) without priors, A m2, mm or uT; inf for a parameter that a null vector mixes."""
    posterior: Floats
    """Sd (k,) with the priors."""
    told: int
    """Directions of the priors that the readings tell better than the priors do."""


@dataclass(frozen=True, kw_only=True)
class Identifiability:
    """The report of a design; see the module for what it stands on."""

    title: str
    names: tuple[str, ...]
    """Of k parameters, as `inverse.names_of` without those of fingers that wear no magnet."""
    noise_ut: Floats
    """Sd (n,) of a reading: white noise and rounding."""
    earth_ut: float
    """Length of the uniform field, whose direction is unknown."""
    readings: int
    """Readings of a recording that are no held ones; so many the geometry is told by."""
    prior: Floats
    """Sd (k,) over people, mounts and magnets of the scenario; offsets: Earth and hard iron."""
    stated: tuple[str, str]
    """What the priors and the scatter of postures stand for."""
    binary: Geometry
    continuous: Geometry
    curl_sd: Floats
    """Posterior (3, 5, 32) of each curl by case, finger and combo; the prior's is CURL_SD."""
    separation: Floats
    """Mahalanobis distance (3, 32, 32) between combos' mean readings, sd, by the mean of both covariances."""
    clipped: NDArray[np.bool_]
    """Combos (32,) whose mean reading is beyond a rail; figures are as if it were not."""


def identify(spec: "HandSpec", *, draws: int = DRAWS) -> Identifiability:
    """The report of a scenario's design, with priors from so many drawn people, 2 or more.

    Raises InputError for a hand, a sensor or a place on Earth that can not be, and for magnets too near to a sensor for
    the tolerance.
    """
    from simulators.hand import anatomy, chain, generate, inverse
    from simulators.hand.spec import ALL_32
    from simulators.run import key_of

    key, own = key_of("hand", "identify", spec, "identify", 0), spec.design.magnets
    hand = anatomy.mean_hand(spec.people.hand_length_mm)
    worn, points = anatomy.mounts(hand, own.site), np.array([s.at_mm for s in spec.design.sensors])
    nominal = spec.design.model_copy(update={"magnets": own.model_copy(update={"br_sd": 0.0})})
    magnets = generate.magnets_of(spec.model_copy(update={"design": nominal}), key)
    models = [generate.model_of(s.model, spec) for s in spec.design.sensors]
    held = [1.0 if spec.kind == "cloud" else sum(m.hold) / 2 for m in models]
    densities = [m.noise_density**2 * spec.rate_hz / h / 2 for m, h in zip(models, held, strict=True)]
    variances = [m.white_sd**2 + d + m.lsb**2 / 12 for m, d in zip(models, densities, strict=True)]
    noise, readings = np.repeat(np.sqrt(variances), 3), max(1, round(spec.samples / max(held)))
    earth = float(np.linalg.norm(generate.earth_of(spec)))

    postures = chain.enslave(chain.curls_of(ALL_32), spec.posture.enslaving)
    value, slope = inverse.curl_readings(hand, worn, magnets, points, postures, tolerance=spec.tolerance)
    mean = value.sum(0).reshape(noise.size, -1).T
    covariances = np.tile(np.diag(noise**2), (len(CASES), len(ALL_32), 1, 1))
    covariances[1:] += earth**2 / 3 * np.tile(np.eye(3), (len(points), len(points)))
    covariances[2] += _scatter(spec, hand, worn, magnets, points, postures)

    some = np.array([m is not None for m in magnets])
    kept = np.concatenate([np.repeat(some, 9), np.ones(noise.size, bool)])
    theta, scale = inverse.geometry_of(hand, worn, magnets, len(points)), inverse.scales_of(len(points))[kept]
    names = tuple(name for name, k in zip(inverse.names_of(len(points)), kept, strict=True) if k)
    prior, symmetries = _prior(spec, key, earth, draws)[kept], _symmetries(theta, points[0])[kept][:, some]

    def geometry(curls: Floats) -> Geometry:
        rows = inverse.geometry_jacobian(theta, curls, points)[..., kept].reshape(noise.size, -1, scale.size)
        rows *= math.sqrt(readings / curls.shape[1]) / noise[:, None, None]
        return _geometry(rows.reshape(-1, scale.size), scale, prior, symmetries / scale[:, None], names)

    return Identifiability(
        title=_title(spec),
        names=names,
        noise_ut=noise,
        earth_ut=earth,
        readings=readings,
        prior=np.sqrt((prior * prior).sum(1)),
        stated=_stated(spec, earth),
        binary=geometry(chain.curls_of(ALL_32)),
        continuous=geometry(generate.stream(key, "curls").random((5, CURLS))),
        curl_sd=_curl_sd(slope.reshape(5, noise.size, -1).T, covariances),
        separation=_separation(mean, covariances),
        clipped=(np.abs(mean) > np.repeat([max(m.rails) * m.lsb for m in models], 3)).any(1),
    )


def _title(spec: "HandSpec") -> str:
    worn = spec.design.magnets
    strengths = ", ".join(f"{p:+g}" if p else "none" for p in worn.polarity)
    places = "; ".join(f"{s.model} at {', '.join(f'{x:g}' for x in s.at_mm)} mm" for s in spec.design.sensors[:4])
    more = f" and {len(spec.design.sensors) - 4} more" * (len(spec.design.sensors) > 4)
    return (
        f"magnets {worn.diameter_mm:g}x{worn.height_mm:g} mm of {worn.br_t:g} T ({strengths}), site: {worn.site};"
        f" {places}{more}" + "; the ring is left out" * (spec.ring is not None)
    )


def _stated(spec: "HandSpec", earth: float) -> tuple[str, str]:
    people, posture, worn = spec.people, spec.posture, spec.design.magnets
    habits = math.hypot(posture.person_deg, posture.session_deg)
    return (
        f"hand length {people.hand_length_sd_mm:g} mm, bones {people.bone_sd:.1%}, habits {habits:.1f} deg, mounts"
        f" {worn.offset_mm:g} mm and {worn.tilt_deg:g} deg, Br {worn.br_sd:.1%}; offsets: {earth:.1f} uT in any"
        f" direction and {', '.join(f'{sd:g}' for sd in spec.device.hard_iron_sd_ut)} uT hard iron by axis",
        f"repeats {posture.repeat_deg:g} deg and {posture.repeat_mm:g} mm, holds {posture.hold_deg:g} deg and"
        f" {posture.hold_mm:g} mm",
    )


def _prior(spec: "HandSpec", key: "Key", earth: float, draws: int) -> Floats:
    """A factor (k, d) of the prior covariance: drawn people, sessions, mounts, magnets; offsets in closed form."""
    from simulators.hand import anatomy, chain, generate

    people = spec.people.model_copy(update={"recordings_per_person": 1})  # each index is another person
    spec, ends, drawn = spec.model_copy(update={"people": people}), np.tile([0.0, 1.0], (5, 1)), np.empty((draws, 5, 9))
    design, spread = spec.design.magnets, generate.spread_of(spec)
    for i in range(draws):
        own = replace(key, index=i)
        person, rng = generate.person_of(spec, own), generate.stream(own, "mounts")
        worn = anatomy.mounts(person.hand, design.site)
        worn = anatomy.misplace(rng, worn, offset_mm=design.offset_mm, tilt=math.radians(design.tilt_deg))
        habit = person.habit + chain.draw_session(generate.stream(own, "session"), spread)
        places, axes = chain.place(person.hand, worn, chain.bent(ends, habit=habit))
        moments = np.array([m.moment if m else 0.0 for m in generate.magnets_of(spec, own)])
        drawn[i] = np.concatenate([moments[:, None] * axes[..., 1], places[..., 0], places[..., 1]], axis=1)
    values, vectors = np.linalg.eigh(np.cov(drawn.reshape(draws, 45).T))
    count = 3 * len(spec.design.sensors)
    factor = np.zeros((45 + count, 48 + count))
    factor[:45, :45] = vectors * np.sqrt(np.maximum(values, 0.0))
    factor[45:, 45:-3] = np.diag(np.tile(spec.device.hard_iron_sd_ut, count // 3))
    factor[45:, -3:] = earth / math.sqrt(3) * np.tile(np.eye(3), (count // 3, 1))
    return factor


def _symmetries(theta: Floats, about: Floats) -> Floats:
    """Tangents (k, 5) of m -> s^3 m, r -> s r about a point: a dipole there reads the same, whatever the posture."""
    found = np.zeros((theta.size, 5))
    for f, own in enumerate(theta[:45].reshape(5, 9)):
        found[9 * f : 9 * f + 9, f] = np.concatenate([3 * own[:3], own[3:6] - about, own[6:] - about])
    return found


def _geometry(rows: Floats, scale: Floats, prior: Floats, symmetries: Floats, names: tuple[str, ...]) -> Geometry:
    """From whitened rows (n readings, k); prior: a factor (k, d) of its covariance; symmetries (k, magnets), scaled."""
    from simulators.hand import inverse

    square = np.asarray(np.linalg.qr(rows, mode="r"))
    values, vectors, rank = inverse.decompose(square, scale)
    units = symmetries / np.linalg.norm(symmetries, axis=0)
    null = _localised(vectors[rank:].T, units, names)
    _, better, turned = np.linalg.svd(square @ prior, full_matrices=True)
    shrunk = 1 / np.sqrt(1 + np.pad(better, (0, prior.shape[1] - better.size)) ** 2)
    return Geometry(
        values=values,
        rank=rank,
        null=null,
        explained=((units.T @ null) ** 2).sum(0),
        bound=inverse.spread(square, scale)[1],
        posterior=np.sqrt(((prior @ turned.T * shrunk) ** 2).sum(1)),
        told=int((better > 1).sum()),
    )


def _localised(null: Floats, units: Floats, names: tuple[str, ...]) -> Floats:
    """Another basis (k, d) of the null space: its vectors within a finger, then with the offset, then what is left."""
    owner = np.array([name.split()[0] for name in names])

    def within(mask: NDArray[np.bool_]) -> Floats:
        _, values, turn = np.linalg.svd(null[~mask], full_matrices=True)
        return np.asarray(null @ turn[np.pad(values, (0, max(0, len(turn) - values.size))) < SMALL].T)

    def beyond(those: Floats, known: Floats) -> Floats:
        q = np.linalg.qr(known)[0]
        left, values, _ = np.linalg.svd(those - q @ (q.T @ those), full_matrices=False)
        return np.asarray(left[:, values > SMALL])

    parts = [null[:, :0]]
    for finger, unit in zip(dict.fromkeys(owner[owner != "offset"]), units.T, strict=True):
        own = within(owner == finger)
        first = own @ (own.T @ unit)[:, None]
        first /= max(float(np.linalg.norm(first)), 1e-300)
        own = np.hstack([first, beyond(own, first)]) if np.linalg.norm(first) > 0.5 else own
        parts += [own, beyond(within((owner == finger) | (owner == "offset")), own)]
    found = np.hstack(parts)
    return np.hstack([found, beyond(null, found)])


def _scatter(
    spec: "HandSpec", hand: "Hand", worn: "Mounts", magnets: "list[Magnet | None]", points: Floats, curls: Floats
) -> Floats:
    """Covariance (32, n, n) in uT^2 of readings of repeats, to first order; joints stop at the ends of their ranges."""
    from simulators.hand import chain
    from simulators.hand.field import field_jacobian

    posture = spec.posture
    sd = np.full((5, 4, curls.shape[1]), math.radians(math.hypot(posture.repeat_deg, posture.hold_deg)))
    sd[1:, 1] *= chain.ABDUCTION_SHARE
    chain.couple(sd)
    sd = (chain.bent(curls, deviations=sd) - chain.bent(curls, deviations=-sd)) / 2
    angles, shift = chain.bent(curls), math.hypot(posture.repeat_mm, posture.hold_mm)
    (places, axes), joints = chain.place(hand, worn, angles), chain.jacobian(hand, worn, angles)
    total = np.zeros((curls.shape[1], 3 * len(points), 3 * len(points)))
    for f, magnet in enumerate(magnets):
        if magnet is None:
            continue
        by = field_jacobian([magnet], places[f : f + 1], axes[f : f + 1], points, spec.tolerance)
        moved, turned = (np.moveaxis(b[:, 0].reshape(-1, 3, curls.shape[1]), 2, 0) for b in by[:2])
        by_angle = moved @ joints[f, :3].transpose(2, 0, 1) + turned @ joints[f, 3:].transpose(2, 0, 1)
        effects = by_angle * sd[f].T[:, None]
        if f:  # DIP goes with PIP
            effects[..., 2] += effects[..., 3]
            effects[..., 3] = 0.0
        total += effects @ effects.swapaxes(1, 2) + shift**2 * moved @ moved.swapaxes(1, 2)
    return total


def _curl_sd(slopes: Floats, covariances: Floats) -> Floats:
    """Posterior sd (3, 5, 32) of curls whose readings have slopes (32, n, 5) and covariances (3, 32, n, n)."""
    information = slopes.swapaxes(1, 2) @ np.linalg.solve(covariances, np.broadcast_to(slopes, (3, *slopes.shape)))
    posterior = np.linalg.inv(information * CURL_SD**2 + np.eye(5))
    return CURL_SD * np.sqrt(np.diagonal(posterior, axis1=2, axis2=3).swapaxes(1, 2))


def _separation(mean: Floats, covariances: Floats) -> Floats:
    """Mahalanobis distances (3, 32, 32) between means (32, n), each pair by the mean of both covariances."""
    found = np.zeros((len(covariances), len(mean), len(mean)))
    for a in range(len(mean)):
        both = (covariances + covariances[:, a, None]) / 2
        apart = np.broadcast_to((mean - mean[a])[..., None], (*both.shape[:-1], 1))
        found[:, a] = np.sqrt((apart * np.linalg.solve(both, apart)).sum((2, 3)))
    return found


def text(report: Identifiability) -> str:
    """The report in words."""
    from simulators.hand.spec import ALL_32, FINGERS

    magnets = len([name for name in report.names if name.endswith("moment x")])
    noise = dict.fromkeys((report.noise_ut.min(), report.noise_ut.max()))
    lines = [
        report.title,
        f"noise of a reading, white and rounding: {' to '.join(f'{x:.3g}' for x in noise)} uT sd",
        f"\nGEOMETRY of {magnets} dipoles on straight lines: {len(report.names)} parameters, {report.readings} readings"
        " of known, exact postures",
        f"prior sd: {report.stated[0]}",
        *(line for mode, words in MODES.items() for line in _null_words(report, getattr(report, mode), words)),
        "\nsd, root mean square over x, y, z; bound: without priors, inf where a null direction has a part in it",
        f"{'':24}{'prior':>10}" + "".join(f"{mode + ' bound':>18}{'posterior':>11}" for mode in MODES),
    ]
    columns = [
        report.prior,
        *(sd for mode in MODES for sd in (getattr(report, mode).bound, getattr(report, mode).posterior)),
    ]
    for group, where in _groups(report.names).items():
        unit = "A m2" if "moment" in group else "uT" if group == "offset" else "mm"
        sds = [f"{_rms(sd[where]):>{width}.3g}" for sd, width in zip(columns, (10, 18, 11, 18, 11), strict=True)]
        lines.append(f"  {group + ', ' + unit:<22}" + "".join(sds))
    lines += [
        f"\nPOSTURE: five curls from one reading of {report.noise_ut.size} channels, prior sd {CURL_SD:g}; hand,"
        " mounts, magnets and iron are known",
        f"uniform field: {report.earth_ut:.1f} uT in any direction; posture scatter: {report.stated[1]}",
        "posterior sd of a curl, root mean square over 32 combos (worst combo, its sd)",
        f"  {'':<8}" + "".join(f"{case:<26}" for case in CASES).rstrip(),
    ]
    for f, finger in enumerate(FINGERS):
        cells = [f"{_rms(sd[f]):.3f} ({ALL_32[sd[f].argmax()]}, {sd[f].max():.3f})" for sd in report.curl_sd]
        lines.append(f"  {finger:<8}" + "".join(f"{cell:<26}" for cell in cells).rstrip())
    lines.append(f"not told (root mean square above {BLIND:.0%} of the prior's sd), and the two nearest combos:")
    for case, sds, apart in zip(CASES, report.curl_sd, report.separation, strict=True):
        blind = [
            f"{finger} {word}"
            for f, finger in enumerate(FINGERS)
            for letter, word in zip("ef", ("extended", "flexed"), strict=True)
            if _rms(sds[f, [combo[f] == letter for combo in ALL_32]]) > BLIND * CURL_SD
        ]
        a, b = np.unravel_index((apart + np.diag(np.full(32, np.inf))).argmin(), apart.shape)
        odds = math.erfc(apart[a, b] / math.sqrt(8)) / 2
        lines.append(
            f"  {case}: {', '.join(blind) or 'none'}; {ALL_32[a]} and {ALL_32[b]}, {apart[a, b]:.3g} sd apart"
            f" ({odds:.1%} of their readings mistaken)"
        )
    if report.clipped.any():
        lines.append(f"the rail, which is left out here, clips {int(report.clipped.sum())} of 32 combos")
    return "\n".join(lines)


def draw(report: Identifiability, path: Path) -> None:
    """Draw the report as a .png, .svg or .pdf file: spectra, shares of priors, curls by combo, and nearest combos.

    Raises InputError for another suffix or a place that cannot be written; a file is written whole or not at all.
    """
    _check(path)
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    from simulators.hand.spec import ALL_32, FINGERS

    figure = plt.figure(figsize=(13, 13), layout="constrained")
    grid = figure.add_gridspec(4, 2, height_ratios=[4.6, 1.7, 1.7, 2.4])
    _spectra(figure.add_subplot(grid[0, 0]), report)
    _shares(figure.add_subplot(grid[0, 1]), report)
    maps = [figure.add_subplot(grid[row, :]) for row in (1, 2)]
    for axis, case in zip(maps, (0, -1), strict=True):
        image = axis.imshow(report.curl_sd[case], vmin=0, vmax=CURL_SD, cmap="Blues", aspect="auto")
        axis.set(yticks=range(5), yticklabels=FINGERS)
        axis.set_title(f"posterior sd of each curl, {'all noise' if case else CASES[0]}", loc="left")
        axis.tick_params(bottom=False, labelbottom=False)
    figure.colorbar(image, ax=maps, label="sd of a curl (0 to 1);\n0.5 is the prior's", pad=0.01, aspect=14)
    axis = figure.add_subplot(grid[3, :])
    for apart, label, colour in zip(report.separation, CASES, ("#9ecae1", "#4292c6", "#08306b"), strict=True):
        nearest = (apart + np.diag(np.full(32, np.inf))).min(1)
        axis.semilogy(range(32), np.maximum(nearest, 1e-3), "o", color=colour, label=label)
    axis.axhline(2, color="#999999", lw=0.8, ls="--", label="2 sd: 16 % mistaken")
    axis.set(
        ylabel="sd (0 stands at 0.001)", xlabel="combo, thumb to little: e extended, f flexed", xlim=maps[0].get_xlim()
    )
    axis.set_title("Mahalanobis distance to the nearest other combo", loc="left")
    axis.set_xticks(range(32), ALL_32, rotation=90, family="monospace")
    axis.legend(ncols=4, loc="lower right", bbox_to_anchor=(1, 1), fontsize=8, frameon=False)
    figure.suptitle(report.title, fontsize=10)
    whole = io.BytesIO()
    figure.savefig(whole, format=path.suffix[1:].lower(), dpi=100)
    plt.close(figure)
    try:
        path.write_bytes(whole.getvalue())
    except OSError as error:
        raise InputError(f"a picture must be writable; '{path}' is not: {error.strerror}") from error


def _spectra(axis: Any, report: Identifiability) -> None:
    for mode, colour in zip(MODES, ("#d1495b", "#2e6f95"), strict=True):
        found = getattr(report, mode)
        share = np.maximum(found.values / found.values[0], 1e-18)
        count = np.arange(1, share.size + 1)
        axis.semilogy(count, share, ".-", color=colour, label=f"{mode}: rank {found.rank} of {share.size}")
        axis.axvline(found.rank + 0.5, color=colour, ls="--", lw=1)
    axis.axhline(1e-9, color="#999999", lw=0.8)
    axis.text(1, 1.4e-9, "null below", color="#666666", fontsize=8)
    axis.set(
        xlabel="direction",
        ylabel="singular value over the largest",
        title="geometry from known curls: spectrum of its Jacobian",
    )
    axis.legend(fontsize=8)


def _shares(axis: Any, report: Identifiability) -> None:
    from simulators.hand.plot import COLOURS
    from simulators.hand.spec import FINGERS

    groups, colours = _groups(report.names), dict(zip((*FINGERS, "offset"), (*COLOURS, "#444444"), strict=True))
    for row, (group, where) in enumerate(groups.items()):
        colour = colours[group.split()[0]]
        both = [_rms(getattr(report, m).posterior[where]) / max(_rms(report.prior[where]), 1e-300) for m in MODES]
        axis.plot(both, [row, row], color=colour, lw=1, alpha=0.5)
        axis.plot(both[0], row, "o", mfc="white", color=colour)
        axis.plot(both[1], row, "o", color=colour)
    axis.set(xscale="log", yticks=range(len(groups)), yticklabels=groups, xlabel="posterior sd over prior sd",
             title="geometry with priors: binary (open), continuous (full)")  # fmt: skip
    axis.axvline(1, color="#999999", lw=0.8)
    axis.invert_yaxis()
    axis.grid(axis="x", alpha=0.3)


def _null_words(report: Identifiability, found: Geometry, words: str) -> list[str]:
    """Rank, and what each kind of null vector mixes."""
    groups = _groups(report.names)
    shares = np.array([(found.null[where] ** 2).sum(0) for where in groups.values()])
    kinds: dict[tuple[str, bool], list[int]] = {}
    for i, share in enumerate(shares.T):
        owners = dict.fromkeys(name.split()[0] for name, s in zip(groups, share, strict=True) if s > SMALL)
        kinds.setdefault((", ".join(owners), bool(found.explained[i] > 1 - SMALL)), []).append(i)
    lines = [f"\n{words}: rank {found.rank} of {len(report.names)}, {found.told} directions told better than by priors"]
    if kinds:
        lines.append("  null directions, share of them that scale symmetry (m k^3, r k) explains, what they mix")
    for (names, _), which in kinds.items():
        mean = shares[:, which].mean(1)
        mixed = ", ".join(f"{n.split()[-1]} {s:.0%}" for n, s in zip(groups, mean, strict=True) if s > SMALL)
        lines.append(f"  {len(which)} of {names:<15} {found.explained[which].mean():.6f}  {mixed}")
    return lines


def _groups(names: tuple[str, ...]) -> dict[str, list[int]]:
    """Places of the parameters of each finger's moment and ends, and of all offsets."""
    found: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        first, second, *_ = name.split()
        found.setdefault(first if first == "offset" else f"{first} {second}", []).append(i)
    return found


def _rms(values: Floats) -> float:
    return float(np.sqrt(np.mean(values**2)))


def _check(picture: Path) -> None:
    if picture.suffix.lower() not in SUFFIXES:
        raise InputError(f"a picture must be a {', '.join(SUFFIXES)} file; it is '{picture}'")
    if not os.access(picture.absolute().parent, os.W_OK):
        raise InputError(f"a picture must lie in a folder that is there and can be written; '{picture.parent}' can not")


def _command(
    scenario: Annotated[str, typer.Option(help="A scenario's name, or a .toml file.")],
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a field.")] = None,
    picture: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Also draw the report.")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    from scenarios.catalogue import load, override

    if picture:
        _check(picture)
    name, table = load("hand", scenario)
    from scenarios.spec import parse
    from simulators.hand.spec import HandSpec

    report = identify(parse(HandSpec, name, override(table, set_ or [])))
    if picture:
        draw(report, picture)
    print(text(report) + (f"\npicture: {picture}" if picture else ""))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0, or 2 for bad input."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(help="Say what a hand scenario's magnets and sensors can tell of geometry and posture.")(_command)
    return run(app, "python -m simulators.hand.identify", arguments)


if __name__ == "__main__":
    raise SystemExit(main())
