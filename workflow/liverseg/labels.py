"""From the label values of a file to the classes of a network and the regions of a reader."""

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

POSITIVE = "positive"
SCENE = "scene"  # scene.glb holds all regions together


@dataclass(frozen=True)
class LabelMap:
    """Named foreground regions and the label values that belong to each.

    Regions may nest (`liver: [1, 2]`, `tumour: [2]`); a voxel's class is 1 + the position of the
    last region that holds its value, so that classes exclude one another as a network needs,
    and a region is the union of the classes within it, as a reader means.
    """

    entries: tuple[tuple[str, tuple[int, ...] | None], ...]  # None: every value above 0

    @staticmethod
    def from_settings(settings: list[dict]) -> "LabelMap":
        """Build from the config's `labels`: a list of `{name, values}`."""
        entries = []
        for entry in settings:
            values = entry["values"]
            entries.append((entry["name"], None if values == POSITIVE else tuple(sorted(values))))
        return LabelMap(tuple(entries))

    def to_settings(self) -> list[dict]:
        """The inverse of `from_settings`."""
        return [
            {"name": name, "values": POSITIVE if values is None else list(values)}
            for name, values in self.entries
        ]

    @property
    def names(self) -> tuple[str, ...]:
        """The regions' names, in class order."""
        return tuple(name for name, _ in self.entries)

    @property
    def n_classes(self) -> int:
        """Number of classes with the background."""
        return len(self.entries) + 1

    def classes(self, label: np.ndarray) -> np.ndarray:
        """Map raw label values to class indices, uint8, same shape."""
        classes = np.zeros(label.shape, dtype=np.uint8)
        for index, (_, values) in enumerate(self.entries, start=1):
            inside = label > 0 if values is None else np.isin(label, values)
            classes[inside] = index
        return classes

    @property
    def outermost(self) -> tuple[tuple[int, ...], ...]:
        """The classes of each region that lies within no other: organs, not their parts."""
        regions = [frozenset(self.region(name)) for name in self.names]
        outer = [one for one in regions if not any(one < other for other in regions)]
        return tuple(tuple(sorted(classes)) for classes in outer)

    @property
    def inner(self) -> dict[str, tuple[int, ...]]:
        """The regions that lie within another, a tumour in its organ, and the organ's classes."""
        organs = {
            name: next(organ for organ in self.outermost if set(self.region(name)) <= set(organ))
            for name in self.names
        }
        return {name: organ for name, organ in organs.items() if self.region(name) != organ}

    @property
    def nested(self) -> tuple[tuple[tuple[int, ...], int], ...]:
        """Classes of each inner region, the outer first, and the class of what lies around it."""
        regions = {name: self.region(name) for name in self.names}
        found = []
        for name in self.inner:
            around = [one for one in regions if set(regions[one]) > set(regions[name])]
            nearest = min(around, key=lambda one: len(regions[one]))
            found.append((regions[name], 1 + self.names.index(nearest)))
        return tuple(sorted(found, key=lambda pair: -len(pair[0])))

    def problems(self) -> list[str]:
        """What makes these regions unusable: a name twice or taken, a class that cannot occur."""
        lower = [name.lower() for name in self.names]
        found = [
            f"labels: the name `{name}` stands twice (upper and lower case are alike)"
            for name in self.names
            if lower.count(name.lower()) > 1
        ]
        found += [
            f"labels: `{name}` is the name of the file that shows all regions together "
            f"({SCENE}.glb); give the region another name"
            for name in self.names
            if name.lower() == SCENE
        ]
        for index, (name, values) in enumerate(self.entries):
            later = [others for _, others in self.entries[index + 1 :]]
            hidden = None in later or (
                values is not None
                and set(values) <= {value for one in later for value in one or ()}
            )
            if hidden:
                found.append(
                    f"labels: no voxel can be `{name}`, as later regions hold all its values; "
                    "write the outer region first, what lies within it after it"
                )
        return found

    def ignored_problems(self, ignored: Sequence[int] | str) -> list[str]:
        """What makes `inspection.ignored_values` unusable: a region that holds such values."""
        holders = [
            name
            for name, values in self.entries
            if (values is None and ignored) or set(values or ()) & set(ignored)
        ]
        return [
            f"inspection.ignored_values: `{name}` under `labels` holds these values; give each "
            "region a list of its own values, and ignore none of them"
            for name in holders
        ]

    def region(self, name: str) -> tuple[int, ...]:
        """The classes that lie within the named region; KeyError for an unknown name."""
        outer = dict(self.entries)[name]
        return tuple(
            index
            for index, (inner_name, inner) in enumerate(self.entries, start=1)
            if inner_name == name or _contains(outer, inner)
        )

    def inside(self, classes: np.ndarray, name: str) -> np.ndarray:
        """Boolean mask, same shape as the class indices, of the voxels within the named region."""
        # Comparing each is several times as fast as looking classes up.
        return functools.reduce(np.logical_or, (classes == one for one in self.region(name)))

    def unknown(self, values: Iterable[int]) -> list[int]:
        """Those of `values` (other than 0) that no entry names."""
        if any(known is None for _, known in self.entries):
            return [value for value in values if value < 0]
        known_values = {value for _, known in self.entries for value in known or ()}
        return [value for value in values if value != 0 and value not in known_values]


def _contains(outer: tuple[int, ...] | None, inner: tuple[int, ...] | None) -> bool:
    if outer is None:
        return inner is not None
    return inner is not None and set(inner) <= set(outer)
