"""Which of a label's named structures is the organ: by rule, and refused where the rule is unsure.

A planning system keeps `PTV_Liver`, `Liver_PRV` and `Liver minus GTV` beside `Liver`: a name must
fit as a whole, and two that fit are no answer.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from workflow.liverseg.findings import Finding, Rejection, warn
from workflow.liverseg.placing import label_rejection

# Names are free text and may hold a person's: of them only these words are ever repeated.
WORDS = re.compile(
    "liver|hepar|leber|foie|tumou?rs?|lesions?|metastas[ei]s|hcc|gtv|ctv|itv|ptv|prv|oar|organ|minus|"
    "avoid|eval|normal|healthy|whole|total|left|right|lobe|segment|margin|ring|opt|dose",
    re.IGNORECASE,
)


def choose(
    names: Mapping[int, Sequence[str]], structures: Sequence[Mapping[str, Any]]
) -> tuple[dict[int, int], list[Finding]]:
    """Label values of the structures that the settings name, and a finding on those left out.

    Parameters
    ----------
    names
        Of each structure, by its number: its own name, then the meanings of its codes, which
        count for an entry that no structure's own name fits.
    structures
        The list of the config: `name` (a regular expression that must fit the whole name, without
        regard to case), `value`, and `join` (several structures may fit). The last that fits
        decides. A Rejection where none fits, or several without `join`.
    """
    owner = _owners({number: texts[:1] for number, texts in names.items()}, structures)
    unnamed = {number: texts[1:] for number, texts in names.items() if number not in owner}
    by_code = _owners(unnamed, structures)
    owner |= {number: entry for number, entry in by_code.items() if entry not in owner.values()}
    if not owner:
        raise _none_fits(names, structures)
    for index, entry in enumerate(structures):
        fitting = [number for number, chosen in owner.items() if chosen == index]
        if len(fitting) > 1 and not entry.get("join", False):
            raise _several_fit(fitting, names, entry)
    known = {number: int(structures[index]["value"]) for number, index in owner.items()}
    return known, _left_out(names, known, structures)


def _owners(
    names: Mapping[int, Sequence[str]], structures: Sequence[Mapping[str, Any]]
) -> dict[int, int]:
    """Of each structure that an entry of `structures` fits, the index of the last one."""
    owner = {}
    for index, entry in enumerate(structures):
        for number, texts in names.items():
            if any(re.fullmatch(entry["name"], text.strip(), re.IGNORECASE) for text in texts):
                owner[number] = index
    return owner


def _several_fit(
    fitting: Iterable[int], names: Mapping[int, Sequence[str]], entry: Mapping[str, Any]
) -> Rejection:
    return label_rejection(
        "label_structures_ambiguous",
        f"several structures for `{entry['name']}`: {_shown(fitting, names)}",
        "one structure, or `join: true` where several are meant",
        "name the right one in dicom.structures by an expression that fits it alone, or set "
        "`join: true` there to take them together",
    )


def _none_fits(
    names: Mapping[int, Sequence[str]], structures: Sequence[Mapping[str, Any]]
) -> Rejection:
    return label_rejection(
        "label_no_structure",
        f"{len(names)} structures, none with a name that the settings know"
        + _nearly(names, structures),
        "a structure named as one of dicom.structures",
        "add its whole name, as a regular expression, to dicom.structures",
    )


def _left_out(
    names: Mapping[int, Sequence[str]],
    known: Mapping[int, int],
    structures: Sequence[Mapping[str, Any]],
) -> list[Finding]:
    others = {number: texts for number, texts in names.items() if number not in known}
    if not others:
        return []
    return [
        warn(
            "label_structures_left_out",
            "label",
            found=f"{len(others)} of {len(names)} structures that dicom.structures does not name"
            + _nearly(others, structures),
            expected="nothing else",
            remedy="nothing, if they are other organs; else name them in dicom.structures",
        )
    ]


def _nearly(names: Mapping[int, Sequence[str]], structures: Sequence[Mapping[str, Any]]) -> str:
    """Those of which a part of the name fits, such as `PTV_Liver`: meant, or just not meant."""
    near = [
        number
        for number, texts in names.items()
        if any(re.search(entry["name"], texts[0], re.IGNORECASE) for entry in structures)
    ]
    return f"; similar names: {_shown(near, names)}" if near else ""


def _shown(numbers: Iterable[int], names: Mapping[int, Sequence[str]]) -> str:
    return ", ".join(f'no. {number} "{_known_words(names[number][0])}"' for number in numbers)


def _known_words(name: str) -> str:
    """The name without all words but those of the trade, and without longer numbers."""
    return re.sub(r"[^\W_]+", lambda word: word[0] if _harmless(word[0]) else "…", name[:64])


def _harmless(word: str) -> bool:
    return WORDS.fullmatch(word) is not None or (word.isdigit() and len(word) == 1)
