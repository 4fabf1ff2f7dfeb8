"""`make verify`: what in the results, or among the user's own files, is not as the run left it."""

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from workflow.liverseg.files import read_json, sha256
from workflow.liverseg.job_notes import read_notes
from workflow.liverseg.provenance import Record, read_digests, read_records

TABLE = Path("results/provenance/digests.tsv")
TABLES_OF_PATIENTS = ("results/cohort/cohort.tsv", "results/cohort/rejected.tsv")
PARTS = {"ct": "CT", "label": "label"}
REPLACED = "was replaced since the run read it; touch the file and run again"
GONE = "is gone; restore it, or take it out of the table of patients, and run again"
REMEDY = "remove them and run again, to have them as the workflow makes them"


def changed_outputs(table: Path, directory: Path) -> Iterator[tuple[str, str]]:
    """Yield (output, what became of it) for each that is not as its job left it.

    Reads every byte. The digests are those that the jobs noted; those of `table` stand for them
    where the notes are gone, in results that were put away without `.snakemake`.
    """
    noted = {output: note.outputs[output] for output, note in read_notes(directory).items()}
    # A note of what is neither there nor in the table belongs to an earlier run.
    noted = {output: digest for output, digest in noted.items() if (directory / output).is_file()}
    recorded = read_digests(table)
    for output, digest in sorted({**recorded, **noted}.items()):
        if not (directory / output).is_file():
            yield output, "is gone"
        elif not digest:
            yield output, "was made by no job in this folder: it cannot be checked"
        elif sha256(directory / output) != digest:
            yield output, "was changed by hand"


def changed_inputs(directory: Path) -> Iterator[tuple[str, str]]:
    """Yield (whose file, what became of it) for the user's files that the results no longer show.

    Only what the present patients and the models come from is looked at, and no path is told: it
    may hold a name. A file that is gone speaks against no model.
    """
    records = {record.output: record for record in read_records(directory)}
    read = dict(_read_by_patients(records, directory))
    found = Counter(
        (_named(patient, digest, directory), became)
        for (patient, path), digest in read.items()
        if (became := _became(directory / path, digest))
    )
    for record in records.values():
        if record.rule == "train_model" and record.output.endswith("/model.safetensors"):
            model = f"model {Path(record.output).parent.name}: the file of weights it began from"
            for path, digest in record.inputs.items():
                if _became(directory / path, digest) == REPLACED:
                    found[model, REPLACED] = 1
    for (whose, became), count in sorted(found.items()):
        yield whose if count == 1 else f"{whose} ({count} files)", became


def _read_by_patients(
    records: dict[str, Record], directory: Path
) -> Iterator[tuple[tuple[str, str], str | None]]:
    """Yield ((patient, path), digest) of each file of the user that an inspection goes back to."""
    for patient in sorted(set(_patients(directory))):
        todo = [f"results/cohort/inspection/{patient}.json"]
        while todo:
            if record := records.get(todo.pop()):
                todo += record.made_from
                yield from (((patient, path), digest) for path, digest in record.inputs.items())


def _patients(directory: Path) -> Iterator[str]:
    for table in TABLES_OF_PATIENTS:
        if (directory / table).is_file():
            lines = (directory / table).read_text(encoding="utf-8").splitlines()
            yield from (line.split("\t")[0] for line in lines[1:])


def _became(file: Path, digest: str | None) -> str:
    if digest is None:  # larger than Snakemake digests
        return ""
    if not file.is_file():
        return GONE
    return "" if sha256(file) == digest else REPLACED


def _named(patient: str, digest: str | None, directory: Path) -> str:
    """The patient and which of its files, where the inspection read the file itself."""
    inspected = read_json(directory / f"results/cohort/inspection/{patient}.json")["sha256"]
    parts = [word for part, word in PARTS.items() if inspected.get(part) == digest]
    return f"patient {patient}: {parts[0] if parts else 'a file that was imported'}"


def main() -> int:
    """Check the run in this folder against its record; 1 if anything is not as it was."""
    if not TABLE.is_file():
        print(f"{TABLE} is missing: it is written at the end of a run", file=sys.stderr)
        return 1
    outputs, inputs = list(changed_outputs(TABLE, Path())), list(changed_inputs(Path()))
    for name, became in (*outputs, *inputs):
        print(f"{name} {became}")
    if outputs:
        print(f"{len(outputs)} output(s) not as their jobs left them: {REMEDY}")
    if not outputs and not inputs:
        print("all as recorded")
    return 1 if outputs or inputs else 0


if __name__ == "__main__":
    sys.exit(main())
