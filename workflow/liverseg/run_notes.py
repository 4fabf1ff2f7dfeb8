"""What a run tells its user: why a job runs again, in words, and at the end which jobs failed."""

import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow.liverseg.errors import NOT_NAMED, is_users_own
from workflow.liverseg.files import has_no_room, room_at

EXPENSIVE = ("train_model",)
CHANGED = re.compile(r"Params have changed since last execution: .*?before: (.*) now: (.*)", re.S)
MODULE = re.compile(r"([\w.]+):([0-9a-f]{12})\b")
LOCKED = "Directory cannot be locked"
UNLOCKING = (
    "Better than --unlock is `make resume`: it makes sure that nobody works here, unlocks, removes "
    "what was left half-written and goes on."
)
SHOWN_CHARACTERS = 60
LAST_LINES = 6
OWN_ERROR = "Traceback (most recent call last)"  # what a job leaves in its log that fails by itself


@dataclass(frozen=True)
class Failure:
    """A job that failed: its rule and what of, drawn from its log's path.

    `bundle`: the group that it was sent to a cluster with; Snakemake reports all of its jobs as
    failed when one of them is.
    """

    rule: str
    log: str
    bundle: str = ""

    @property
    def of(self) -> str:
        """Patient, or model and patient: the log's path below the rule's folder."""
        return self.log.partition(f"/{self.rule}/")[2].removesuffix(".log") or "-"


class RunNotes(logging.Filter):
    """Listens to Snakemake's own log, rewrites its reasons and remembers what failed."""

    def __init__(self) -> None:
        super().__init__()
        self._failed: dict[Any, Failure] = {}
        self._bundles: dict[Any, str] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Take note of one record; all of them pass."""
        event = getattr(getattr(record, "event", None), "name", "")
        if LOCKED in str(record.msg):
            record.msg = f"{record.msg}\n{UNLOCKING}"
        fields = record.__dict__
        inputs = [str(path) for path in fields.get("input") or []]
        if event in {"JOB_INFO", "JOB_ERROR"}:
            # A path of the user's archive often holds a name, and logs are passed on.
            record.input = _shown(inputs)
        if event == "JOB_INFO":
            reason = _reason(fields.get("rule_name", ""), str(fields.get("reason", "")))
            record.reason = _unnamed(reason, inputs)
        elif event == "GROUP_ERROR":  # its jobs' own records follow
            for job in fields.get("job_error_info") or []:
                self._bundles[job["jobid"]] = str(fields.get("groupid"))
        elif event == "JOB_ERROR":
            log = next(iter(fields.get("log") or []), "")
            job, rule = fields.get("jobid"), str(fields.get("rule_name"))
            self._failed[job] = Failure(rule, log, self._bundles.get(job, ""))
        elif event == "JOB_FINISHED":
            self._failed.pop(fields.get("job_id"), None)  # a retry went well
        return True

    def failed(self) -> list[Failure]:
        """The jobs that failed and were not mended by a retry, by rule and patient."""
        return sorted(self._failed.values(), key=lambda failure: (failure.rule, failure.of))

    def lost_bundles(self) -> list[str]:
        """The groups of which a bundle failed, whichever of its jobs was to blame."""
        return sorted({failure.bundle for failure in self._failed.values()} - {""})

    def closing_words(self, directory: Path) -> str:
        """The list of the failed, each with its log's last lines, and how to go on."""
        failed = self.failed()
        if not failed:
            return "The run ended early; the same command goes on where it stopped."
        own = [each for each in failed if not each.bundle or _has_own_error(directory / each.log)]
        lost = [each for each in failed if each not in own]
        lines = [f"{len(own)} job(s) failed, all else that could be made is made:"] if own else []
        for failure in own:
            lines += [f"\n  {failure.rule} of {failure.of}", f"    log: {failure.log}"]
            lines += [f"    | {line}" for line in _last_lines(directory / failure.log)]
        if lost:
            lines += ["", *_told_lost(lost)]
        if bundles := self.lost_bundles():
            alone = " ".join(f"{bundle}=1" for bundle in bundles)
            lines += [
                "",
                "When the failed are mended, or without them, `make resume` does what is left and "
                "sends each patient's steps alone, so that nobody is lost with another; so does",
                f"the same command with --group-components {alone}",
            ]
        else:
            lines += ["", "When that is mended, the same command does what is left."]
        return "\n".join(lines)


def _has_own_error(log: Path) -> bool:
    return log.is_file() and OWN_ERROR in log.read_text(errors="replace")


def _told_lost(lost: list[Failure]) -> Iterator[str]:
    yield (
        f"{len(lost)} job(s) were lost with the bundle that they were sent in, since another of "
        "its jobs failed or the whole was ended (memory, time: see .snakemake/slurm_logs):"
    )
    for rule in sorted({failure.rule for failure in lost}):
        yield f"  {rule} of " + ", ".join(each.of for each in lost if each.rule == rule)


def _shown(inputs: list[str]) -> list[str]:
    """The inputs with the user's own files counted instead of named."""
    others = [path for path in inputs if not is_users_own(path)]
    count = len(inputs) - len(others)
    own = [NOT_NAMED] if count == 1 else [f"({count} files of yours)"] if count else []
    return own + others


def _unnamed(text: str, inputs: list[str]) -> str:
    for path in sorted(filter(is_users_own, inputs), key=len, reverse=True):
        text = text.replace(path, NOT_NAMED)
    return text


def _last_lines(log: Path) -> list[str]:
    if not log.is_file():
        return ["(no log: it was ended before it began)"]
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    if lines:
        return lines[-LAST_LINES:]
    if has_no_room(log):
        return [f"(empty: its disk is full, {room_at(log)})"]
    return ["(empty: it was killed, perhaps for want of memory)"]


def _reason(rule: str, reason: str) -> str:
    told = explain(reason)
    again = told and not told.startswith("Missing output files")
    return f"TRAINED AGAIN, which is expensive. {told}" if again and rule in EXPENSIVE else told


def explain(reason: str) -> str:
    """Snakemake's reason with the changed params told setting by setting and module by module.

    Snakemake prints the whole of every param before and after; a reader wants the difference.
    """
    found = CHANGED.search(reason)
    if not found:
        return reason
    before, now = found.groups()
    changes = [*_changed_settings(before, now), *_changed_code(before, now)]
    if not changes:
        return reason
    return reason[: found.start()] + "Changed since the last time: " + "; ".join(changes)


def _changed_settings(before: str, now: str) -> Iterator[str]:
    old, new = _settings_in(before), _settings_in(now)
    for key in sorted(old.keys() | new.keys()):
        if old.get(key) != new.get(key) and old and new:
            yield f"`{key}` {_told(key, old)} → {_told(key, new)}"


def _told(key: str, values: dict[str, Any]) -> str:
    if key not in values:
        return "not set"
    text = json.dumps(values[key], ensure_ascii=False)
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…"


def _changed_code(before: str, now: str) -> Iterator[str]:
    old, new = dict(MODULE.findall(before)), dict(MODULE.findall(now))
    names = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
    if names:
        yield "code of " + ", ".join(f"`{name}`" for name in sorted(names))


def _settings_in(text: str) -> dict[str, Any]:
    """Every setting in the JSON objects within a text, as dotted key → value."""
    text = text.replace("\\\\", "\\").replace("\\'", "'")  # params are kept as Python literals
    flat: dict[str, Any] = {}
    at = text.find('{"')
    while at >= 0:
        try:
            content, end = json.JSONDecoder().raw_decode(text, at)
        except ValueError:
            end = at + 1
        else:
            flat.update(_flat(content, ""))
        at = text.find('{"', end)
    return flat


def _flat(content: Any, start: str) -> Iterator[tuple[str, Any]]:
    if isinstance(content, dict) and content:
        for key, value in content.items():
            yield from _flat(value, f"{start}.{key}" if start else key)
    else:
        yield start, content
