"""Which names belong together, where pairs of them do (union-find)."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

Name = TypeVar("Name", str, tuple[int, str])


def joined(sets: Iterable[Sequence[Name]]) -> dict[Name, Name]:
    """Return, for each name, the first of all that sets which overlap chain together with it."""
    parent: dict[Name, Name] = {}

    def root(name: Name) -> Name:
        while parent.setdefault(name, name) != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for names in sets:
        for name in names:
            one, other = root(name), root(names[0])
            parent[max(one, other)] = min(one, other)
    return {name: root(name) for name in list(parent)}
