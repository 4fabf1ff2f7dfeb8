"""The organs of a synthetic abdomen, painted one over the other.

Everything is in millimetres around the middle of the trunk: x grows to the patient's right,
y to the front, z to the head, and z = 0 lies at the liver hilum. Nothing here claims
anatomical accuracy: what counts is that the liver lies among neighbours of its own density,
under a lung, behind ribs.
"""

from dataclasses import dataclass

import numpy as np

from workflow.liverseg.phantom_shapes import (
    Canvas,
    Distance,
    Point,
    capsule,
    cut,
    ellipsoid,
    join,
    meet,
    oval,
)

LIVER, LESION = 1, 2
FAT_HU, MUSCLE_HU, LUNG_HU, BONE_HU = -102.0, 58.0, -850.0, 420.0
SPINE_Y_MM = 0.60


@dataclass(frozen=True)
class Build:
    """What makes one synthetic patient differ from the next (mm and HU)."""

    half_width_mm: float
    half_depth_mm: float
    muscle_mm: float
    fat_mm: float
    dome_mm: float
    liver_scale: Point
    left_lobe_mm: float
    liver_hu: float
    vessel_hu: float
    artery_hu: float
    spleen_hu: float
    stomach_hu: float
    kidney_hu: float
    gas_in_stomach: bool
    lesions: int
    lesion_hu: float

    @property
    def outline_mm(self) -> tuple[float, float]:
        """Half width and half depth of the skin."""
        wall = self.muscle_mm + self.fat_mm
        return self.half_width_mm + wall, self.half_depth_mm + wall


def draw_build(random: np.random.Generator) -> Build:
    """Draw one patient: stature, fat, liver shape and contrast phase."""
    native = random.random() < 0.25
    liver_hu = random.uniform(55, 68) if native else random.uniform(85, 120)
    enhancement = 0.0 if native else random.uniform(0.6, 1.2)
    return Build(
        half_width_mm=random.uniform(120, 140),
        half_depth_mm=random.uniform(80, 95),
        muscle_mm=random.uniform(10, 14),
        fat_mm=random.uniform(7, 26),
        dome_mm=random.uniform(78, 92),
        liver_scale=(
            random.uniform(0.92, 1.08),
            random.uniform(0.92, 1.08),
            random.uniform(0.88, 1.12),
        ),
        left_lobe_mm=random.uniform(58, 88),
        liver_hu=liver_hu,
        vessel_hu=liver_hu + (-18 if native else random.uniform(30, 55)),
        artery_hu=45 + 130 * enhancement,
        spleen_hu=liver_hu + random.uniform(-10, 12),
        stomach_hu=liver_hu + random.uniform(-22, -6),
        kidney_hu=38 + 130 * enhancement,
        gas_in_stomach=bool(random.random() < 0.6),
        lesions=int(random.integers(0, 6)),
        lesion_hu=random.uniform(-60, -35),
    )


def paint_patient(canvas: Canvas, build: Build, random: np.random.Generator) -> None:
    """Paint a whole abdomen into an empty canvas: `hu` and `label` are filled in place."""
    cavity = _paint_wall(canvas, build)
    dome = _diaphragm(canvas, build)
    _paint_chest(canvas, build, cavity, dome)
    _paint_spine(canvas, build)
    _paint_ribs(canvas, build, cavity)
    kidneys = _kidneys(canvas, build)
    _paint_bowel(canvas, build, random)
    stomach = _stomach(canvas, build, cavity, dome)
    liver = _liver(canvas, build, cavity, dome)
    gallbladder = ellipsoid(
        canvas.x, canvas.y, canvas.z, centre=(46, 36, -32), radii_mm=(14, 19, 25)
    )
    for organ, gap_mm in ((kidneys, 3.0), (stomach, 2.0), (gallbladder, 0.0)):
        liver = cut(liver, organ, gap_mm=gap_mm, blend_mm=6)
    _paint_spleen(canvas, build, cavity, dome, stomach)
    canvas.paint(kidneys, build.kidney_hu)
    canvas.paint(kidneys + 9, 0.75 * build.kidney_hu + 8)
    _paint_stomach(canvas, build, stomach)
    canvas.paint(liver, build.liver_hu, label=LIVER)
    canvas.paint(gallbladder, 8.0)
    _paint_great_vessels(canvas, build)
    _paint_liver_vessels(canvas, build, random)
    _paint_lesions(canvas, build, liver, random)


def _paint_wall(canvas: Canvas, build: Build) -> Distance:
    """Skin, fat and muscle; returns the cavity inside them."""
    width, depth = build.outline_mm
    skin = oval(canvas.x, canvas.y, half_width_mm=width, half_depth_mm=depth)
    canvas.paint(skin, 30.0)
    canvas.paint(skin + 2, FAT_HU)
    cavity = oval(
        canvas.x, canvas.y, half_width_mm=build.half_width_mm, half_depth_mm=build.half_depth_mm
    )
    canvas.paint(cavity - np.float32(build.muscle_mm), MUSCLE_HU)
    canvas.paint(cavity, FAT_HU)
    # The long back muscles either side of the spine.
    back_mm = SPINE_Y_MM * build.half_depth_mm
    for side in (-1, 1):
        squared = ((canvas.x - side * 33) / 30) ** 2 + ((canvas.y + back_mm + 32) / 21) ** 2
        canvas.paint((np.sqrt(squared) - 1) * 21, MUSCLE_HU - 3)
        belly = np.clip(14 - canvas.z * 0.12, 6, 26)
        squared = (canvas.x - side * (24 + belly)) ** 2 + (canvas.y + back_mm - 4) ** 2
        canvas.paint(meet(np.sqrt(squared) - belly, canvas.z + 5, blend_mm=12), MUSCLE_HU)
    return cavity


def _diaphragm(canvas: Canvas, build: Build) -> Distance:
    """Signed distance (mm) above the diaphragm, whose right dome stands higher."""
    height = np.full(canvas.x.shape, -1000, np.float32)
    wide, deep = build.half_width_mm / 130, build.half_depth_mm / 88
    for centre_x, centre_y, top_mm in (
        (62 * wide, 2.0, build.dome_mm),
        (-66 * wide, 2.0, build.dome_mm - 14),
        (0.0, 18.0, build.dome_mm - 26),
    ):
        squared = ((canvas.x - centre_x) / (66 * wide)) ** 2
        squared += ((canvas.y - centre_y) / (92 * deep)) ** 2
        height = -join(-height, 52 * squared - top_mm, blend_mm=10)
    return (canvas.z - height) * np.float32(0.7)


def _paint_chest(canvas: Canvas, build: Build, cavity: Distance, dome: Distance) -> None:
    """Lungs above the diaphragm, between them the heart in its fat."""
    heart = ellipsoid(
        canvas.x,
        canvas.y,
        canvas.z,
        centre=(-22, 28, build.dome_mm + 18),
        radii_mm=(52, 40, 42),
    )
    middle = ellipsoid(
        canvas.x,
        canvas.y,
        0 * canvas.z,
        centre=(0, -0.35 * build.half_depth_mm, 0),
        radii_mm=(34, 48, 1000),
    )
    lungs = meet(cavity + 4, -dome, blend_mm=4)
    lungs = cut(lungs, join(heart, middle, blend_mm=14), gap_mm=4, blend_mm=6)
    canvas.paint(lungs, LUNG_HU + 45 * np.sin(canvas.y / 40))
    canvas.paint(meet(heart, -dome - 3, blend_mm=3), 0.6 * build.artery_hu + 35)


def _paint_spine(canvas: Canvas, build: Build) -> None:
    """Vertebrae, discs, canal and processes."""
    y_mm = -SPINE_Y_MM * build.half_depth_mm
    window = canvas.near((-45, y_mm - 50, -400), (45, y_mm + 22, 400), reach_mm=12)
    x, y, z = canvas.at(window)
    body = np.sqrt((x / 21) ** 2 + ((y - y_mm) / 17) ** 2) * 17 - 17
    canvas.paint(body, BONE_HU, window=window)
    canvas.paint(body + 2.5, 190.0, window=window)
    disc = np.abs((z + 8) % 33 - 16.5) - 4
    canvas.paint(meet(body, disc, blend_mm=2), 85.0, window=window)
    level = np.abs((z + 24) % 33 - 16.5) - 8
    for side in (-1, 1):
        arm = capsule(
            x,
            y,
            0 * z,
            start=(side * 12, y_mm - 18, 0),
            end=(side * 40, y_mm - 26, 0),
            start_radius_mm=6,
            end_radius_mm=4,
        )
        canvas.paint(meet(arm, level, blend_mm=3), 300.0, window=window)
    ring = np.sqrt(x**2 + (y - y_mm + 27) ** 2)
    canvas.paint(ring - 13, BONE_HU - 60, window=window)
    canvas.paint(ring - 9, 22.0, window=window)
    spinous = np.sqrt((x / 4.5) ** 2 + ((y - y_mm + 48) / 15) ** 2) * 4.5 - 4.5
    canvas.paint(meet(spinous, level - 3, blend_mm=3), 330.0, window=window)


def _paint_ribs(canvas: Canvas, build: Build, cavity: Distance) -> None:
    """Ribs in the muscle of the wall, falling towards the front."""
    falling = canvas.z + np.float32(0.75) * canvas.y + np.float32(0.0006) * canvas.y**2
    phase = np.abs(falling % 27 - np.float32(13.5))
    depth = cavity - np.float32(0.45 * build.muscle_mm)
    rib = np.sqrt((phase / 1.5) ** 2 + depth**2)
    # No ribs over the belly, and none through the back muscles.
    belly = np.maximum(np.abs(canvas.y + 10) - 88, -falling - 78)
    belly = np.maximum(belly, 26 - np.abs(canvas.x))
    canvas.paint(meet(rib - 4.6, belly, blend_mm=3), BONE_HU)
    canvas.paint(meet(rib - 2.2, belly, blend_mm=3), 180.0)


def _kidneys(canvas: Canvas, build: Build) -> Distance:
    """Both kidneys, the right one lower, each with a notch towards the spine."""
    y_mm = -0.52 * build.half_depth_mm
    pair = []
    for side, z_mm in ((1, -62.0), (-1, -42.0)):
        kidney = ellipsoid(
            canvas.x,
            canvas.y,
            canvas.z,
            centre=(side * 66, y_mm, z_mm),
            radii_mm=(27, 25, 52),
        )
        hilum = ellipsoid(
            canvas.x,
            canvas.y,
            canvas.z,
            centre=(side * 38, y_mm + 10, z_mm),
            radii_mm=(17, 11, 20),
        )
        pair.append(cut(kidney, hilum, gap_mm=0, blend_mm=6))
    return np.minimum(pair[0], pair[1])


def _paint_bowel(canvas: Canvas, build: Build, random: np.random.Generator) -> None:
    """Pancreas and loops of bowel in the belly fat, some of them holding gas."""
    y_mm = -0.1 * build.half_depth_mm
    knots: list[Point] = [(24, y_mm + 2, -38), (4, y_mm + 14, -22), (-38, y_mm + 2, -10)]
    for start, end in zip(knots, [*knots[1:], (-70, y_mm - 8, 2)], strict=True):
        window = canvas.near(start, end, reach_mm=30)
        tube = capsule(
            *canvas.at(window), start=start, end=end, start_radius_mm=12, end_radius_mm=10
        )
        canvas.paint(tube, 0.6 * build.liver_hu + 18, window=window)
    for _ in range(16):
        side = random.choice((-1, 1))
        start = (
            side * random.uniform(0.0, 0.62) * build.half_width_mm,
            random.uniform(-0.1, 0.55) * build.half_depth_mm,
            random.uniform(-170, -58),
        )
        end = tuple(s + d for s, d in zip(start, random.normal(0, 16, 3), strict=True))
        window = canvas.near(start, end, reach_mm=35)
        radius = random.uniform(11, 17)
        tube = capsule(
            *canvas.at(window),
            start=start,
            end=end,
            start_radius_mm=radius,
            end_radius_mm=radius,
        )
        canvas.paint(tube, 48.0, window=window)
        inside = random.choice((-700.0, 18.0, 26.0, 90.0), p=(0.25, 0.3, 0.3, 0.15))
        canvas.paint(tube + 3, inside, window=window)


def _stomach(canvas: Canvas, build: Build, cavity: Distance, dome: Distance) -> Distance:
    """Fundus under the left dome, body, and the antrum crossing to the right."""
    fundus = ellipsoid(canvas.x, canvas.y, canvas.z, centre=(-62, -6, 34), radii_mm=(38, 40, 40))
    body = capsule(
        canvas.x,
        canvas.y,
        canvas.z,
        start=(-58, 24, 20),
        end=(-30, 46, -34),
        start_radius_mm=32,
        end_radius_mm=21,
    )
    antrum = capsule(
        canvas.x,
        canvas.y,
        canvas.z,
        start=(-30, 46, -34),
        end=(20, 34, -40),
        start_radius_mm=21,
        end_radius_mm=13,
    )
    shape = join(join(fundus, body, blend_mm=18), antrum, blend_mm=14)
    return meet(meet(shape, cavity + 5, blend_mm=6), dome + 5, blend_mm=6)


def _paint_stomach(canvas: Canvas, build: Build, stomach: Distance) -> None:
    """Wall, content of nearly the liver's density, and gas that floats to the front."""
    canvas.paint(stomach, build.liver_hu - 4)
    canvas.paint(stomach + 4, build.stomach_hu)
    if build.gas_in_stomach:
        # A lying patient: the level of the fluid is a plane of constant true y.
        level = (np.float32(38) - canvas.axes_mm[1])[None, :, None]
        canvas.paint(np.maximum(stomach + 4, level), -940.0)


def _liver(canvas: Canvas, build: Build, cavity: Distance, dome: Distance) -> Distance:
    """Right lobe filling the space under the dome, left lobe thinning out to the left."""
    sx, sy, sz = build.liver_scale
    wide, deep = build.half_width_mm / 130, build.half_depth_mm / 88
    right = ellipsoid(
        canvas.x,
        canvas.y,
        canvas.z,
        centre=(74 * wide, -2 * deep, 6),
        radii_mm=(68 * sx * wide, 84 * sy * deep, 92 * sz),
    )
    left = capsule(
        canvas.x,
        canvas.y,
        canvas.z * np.float32(0.8),
        start=(38, 34 * deep, 12 * 0.8),
        end=(-build.left_lobe_mm * wide, 44 * deep, 34 * 0.8),
        start_radius_mm=40,
        end_radius_mm=13,
    )
    caudate = ellipsoid(canvas.x, canvas.y, canvas.z, centre=(20, 2, 16), radii_mm=(26, 22, 30))
    lobes = join(join(right, left, blend_mm=16), caudate, blend_mm=12)
    # The lower face slopes from the left side up; the hilum is a notch in it.
    face = -(canvas.z - np.float32(-70) + np.float32(0.55) * (canvas.x - 110)) * np.float32(0.8)
    lobes = meet(lobes, face, blend_mm=14)
    hilum = ellipsoid(canvas.x, canvas.y, canvas.z, centre=(16, 14, -14), radii_mm=(20, 12, 20))
    fissure = ellipsoid(canvas.x, canvas.y, canvas.z, centre=(14, 62, -6), radii_mm=(4, 26, 34))
    lobes = cut(lobes, np.minimum(hilum, fissure), gap_mm=0, blend_mm=6)
    spine_y_mm = -SPINE_Y_MM * build.half_depth_mm
    spine = np.sqrt((canvas.x / 1.2) ** 2 + (canvas.y - np.float32(spine_y_mm)) ** 2) - 30
    lobes = cut(lobes, spine, gap_mm=0, blend_mm=10)
    return meet(meet(lobes, cavity + 4, blend_mm=5), dome + 4, blend_mm=5)


def _paint_spleen(
    canvas: Canvas, build: Build, cavity: Distance, dome: Distance, stomach: Distance
) -> None:
    """A crescent between the stomach and the left back wall."""
    wide = build.half_width_mm / 130
    shape = ellipsoid(
        canvas.x,
        canvas.y,
        canvas.z,
        centre=(-98 * wide, -34, 26),
        radii_mm=(38 * wide, 50, 56),
    )
    shape = cut(shape, stomach, gap_mm=4, blend_mm=6)
    shape = meet(meet(shape, cavity + 4, blend_mm=5), dome + 4, blend_mm=5)
    canvas.paint(shape, build.spleen_hu)


def _paint_great_vessels(canvas: Canvas, build: Build) -> None:
    """Aorta before the spine, and the lower cava that runs up behind the liver."""
    y_mm = -SPINE_Y_MM * build.half_depth_mm
    for centre_x, centre_y, radius_mm, hu in (
        (-11.0, y_mm + 28, 11.5, build.artery_hu),
        (21.0, y_mm + 31, 12.0, 0.5 * (build.vessel_hu + build.artery_hu)),
    ):
        squared = (canvas.x - centre_x) ** 2 + (canvas.y - np.float32(centre_y)) ** 2
        canvas.paint(np.sqrt(squared) - radius_mm, hu)


def _paint_liver_vessels(canvas: Canvas, build: Build, random: np.random.Generator) -> None:
    """Three hepatic veins from the cava and a portal tree from the hilum; still liver."""
    y_mm = -SPINE_Y_MM * build.half_depth_mm
    high = build.dome_mm - 34
    cava = (21.0, y_mm + 32, high)
    portal = (20.0, 6.0, -8.0)
    right, left = (52.0, -4.0, 2.0), (2.0, 32.0, 16.0)
    tubes: list[tuple[Point, Point, float, float]] = [
        (cava, (98.0, -22.0, high - 38), 6.0, 2.0),
        (cava, (64.0, 34.0, high - 36), 5.5, 2.0),
        (cava, (-6.0, 36.0, high - 14), 5.0, 2.0),
        ((4.0, -6.0, -34.0), portal, 8.0, 7.5),
        (portal, right, 7.0, 5.5),
        (portal, left, 6.0, 4.0),
    ]
    for root, ends in (
        (right, ((96, 26, 20), (100, -34, 24), (88, 20, -30), (92, -30, -26))),
        (left, ((-34, 40, 26), (18, 58, 24))),
    ):
        for target in ends:
            x, y, z = np.add(target, random.normal(0, 6, 3))
            tip = (float(x), float(y), float(z))
            tubes.append((root, tip, 4.0, 2.0))
            twig = np.add(tip, random.normal(0, 14, 3))
            tubes.append((tip, (float(twig[0]), float(twig[1]), float(twig[2])), 2.4, 1.2))
    for start, end, start_radius, end_radius in tubes:
        window = canvas.near(start, end, reach_mm=22)
        tube = capsule(
            *canvas.at(window),
            start=start,
            end=end,
            start_radius_mm=start_radius,
            end_radius_mm=end_radius,
        )
        canvas.paint(tube, build.vessel_hu, window=window, label=None, within=LIVER)


def _paint_lesions(
    canvas: Canvas, build: Build, liver: Distance, random: np.random.Generator
) -> None:
    """Round lesions, darker than the liver, deep enough to lie in it."""
    for _ in range(build.lesions):
        radius = float(random.uniform(6, 17))
        inside = np.argwhere(liver < -0.8 * radius)
        if not len(inside):
            continue
        i, j, k = inside[random.integers(len(inside))]
        centre = (float(canvas.x[i, j, k]), float(canvas.y[i, j, k]), float(canvas.z[i, j, k]))
        radii = tuple(float(r) for r in radius * random.uniform(0.8, 1.2, 3))
        window = canvas.near(centre, centre, reach_mm=2 * radius + 12)
        lesion = ellipsoid(
            *canvas.at(window), centre=centre, radii_mm=(radii[0], radii[1], radii[2])
        )
        core = build.liver_hu + build.lesion_hu
        canvas.paint(lesion, core + 14, window=window, label=LESION, within=LIVER)
        canvas.paint(lesion + 3, core, window=window, label=None, within=LIVER)
