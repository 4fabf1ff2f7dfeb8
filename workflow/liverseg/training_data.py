"""The training set: chunks resident in memory, batches cut and augmented on the device."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from workflow.liverseg.augmentation import (
    Augmentation,
    change_intensities,
    cut_field_of_view,
    draw,
    random_for,
    resample,
)
from workflow.liverseg.chunks import SIDES
from workflow.liverseg.devices import device_free_bytes
from workflow.liverseg.distributed import ALONE, ProcessGroup
from workflow.liverseg.errors import fault
from workflow.liverseg.files import read_table

FOREGROUND_SAMPLES = 4096  # places of a class that a chunk keeps for centring patches on it
SHARE_OF_MEMORY = 0.5  # the data may take this much of what is free; the rest is for training


@dataclass(frozen=True)
class Chunk:
    """image (x, y, z) float16 0…1, label (x, y, z) uint8, places (n, 3) of each class in it.

    spacing_mm (3,): of its own voxels, so that a rotation out of plane stays one.
    """

    patient: str
    image: torch.Tensor
    label: torch.Tensor
    places: tuple[np.ndarray, ...]
    spacing_mm: np.ndarray


@dataclass(frozen=True)
class Batch:
    """image (batch, 1, x, y, z) float32 0…1; classes (batch, x, y, z) int64."""

    image: torch.Tensor
    classes: torch.Tensor


def read_chunks(images: list[Path], labels: list[Path], kept: list[Path]) -> list[Chunk]:
    """The kept chunks of every patient, memory-mapped; a patient's name is its folder's.

    LiversegError if nothing was kept.
    """
    chunks = []
    for image_path, label_path, table_path in zip(images, labels, kept, strict=True):
        # Copy-on-write: torch wants writable memory, and nothing writes.
        image, label = np.load(image_path, mmap_mode="c"), np.load(label_path, mmap_mode="c")
        table = read_table(table_path)
        sides = table[list(SIDES)].to_numpy(dtype=np.float64)
        for index, depth, spacing in zip(table["chunk"], table["n_slices"], sides, strict=True):
            # Without the padding of a short chunk: a patch is padded as it is cut.
            parts = image[index, ..., :depth], label[index, ..., :depth]
            chunks.append(_chunk(image_path.parent.name, *parts, spacing))
    if not chunks:
        raise fault(
            found=f"no chunk of {len(images)} training patients was kept",
            expected="at least one chunk with liver",
            remedy="lower `filter.min_liver_voxels`, raise `filter.empty_fraction`, check `labels`",
        )
    return chunks


def _chunk(patient: str, image: np.ndarray, label: np.ndarray, spacing_mm: np.ndarray) -> Chunk:
    present = np.flatnonzero(np.bincount(label.ravel(), minlength=1))
    return Chunk(
        patient,
        torch.from_numpy(np.asarray(image)),
        torch.from_numpy(np.asarray(label)),
        tuple(_places(label == value) for value in present if value != 0),
        spacing_mm,
    )


def _places(inside: np.ndarray) -> np.ndarray:
    places = np.flatnonzero(inside)
    if len(places) > FOREGROUND_SAMPLES:
        places = places[:: len(places) // FOREGROUND_SAMPLES]
    return np.stack(np.unravel_index(places, inside.shape), axis=1).astype(np.int32)


class TrainingSet:
    """Batches as a function of (epoch, index): nothing of what ran before enters them."""

    def __init__(
        self,
        chunks: list[Chunk],
        *,
        settings: dict[str, Any],
        device: torch.device,
        group: ProcessGroup = ALONE,
    ) -> None:
        """Put `chunks` where the device reads them; `settings` is the config's `training`."""
        self.group = group
        self.seed = settings["seed"]
        self.batch_size = settings["batch_size"]
        self.foreground_fraction = settings["foreground_fraction"]
        self.augmentation = Augmentation.from_settings(settings["augmentation"])
        self.patch = _patch(chunks, settings["patch"])
        self.turns = _turns(chunks) if settings["patch"] else np.arange(len(chunks))
        self.device = device
        self.bytes = sum(chunk.image.nbytes + chunk.label.nbytes for chunk in chunks)
        self.resident = self.bytes <= SHARE_OF_MEMORY * device_free_bytes(device)
        self.chunks = [_moved(chunk, device) for chunk in chunks] if self.resident else chunks
        per_epoch = settings["steps_per_epoch"]
        self.samples_per_step = self.batch_size * settings["accumulate"]
        self.steps = per_epoch or -(-len(chunks) // self.samples_per_step)

    def describe(self) -> str:
        """One line for the log: how many chunks, how much memory, where."""
        patients = len({chunk.patient for chunk in self.chunks})
        place = f"resident on {self.device.type}" if self.resident else "memory-mapped"
        size = f"{self.bytes / 2**20:.0f} MiB"
        return f"{len(self.chunks)} chunks of {patients} patients, {size}, {place}"

    def batch(self, epoch: int, index: int) -> Batch:
        """The batch at `index` of `epoch`: chunks in a new order each time round, augmented.

        Of the group's batch, this process's share.
        """
        first = index * self.batch_size
        chosen, draws, centres = [], [], []
        for sample in self.group.share(range(first, first + self.batch_size)):
            random = random_for(self.seed, epoch, sample)
            chunk = self._chunk_at(epoch * self.steps * self.samples_per_step + sample)
            chosen.append(chunk)
            centres.append(self._centre(chunk, random))
            draws.append(draw(self.augmentation, random))
        image, classes = self._cut(chosen, centres, [drawn.matrix for drawn in draws])
        cut_field_of_view(image, classes, draws)
        return Batch(change_intensities(image, draws), classes)

    def class_voxels(self, classes: int) -> list[int]:
        """How many voxels of each class the chunks hold."""
        counts = np.zeros(classes, dtype=np.int64)
        for chunk in self.chunks:
            counts += torch.bincount(chunk.label.flatten(), minlength=classes).cpu().numpy()
        return [int(count) for count in counts]

    def _chunk_at(self, position: int) -> Chunk:
        round_number, place = divmod(position, len(self.turns))
        order = np.random.default_rng([self.seed, 7, round_number]).permutation(self.turns)
        return self.chunks[order[place]]

    def _centre(self, chunk: Chunk, random: np.random.Generator) -> np.ndarray:
        # Always the same number of draws, whatever they decide.
        wanted, place, uniform = random.random(), random.random(), random.random(3)
        patch = np.asarray(self.patch)
        spare = np.asarray(chunk.image.shape) - patch
        low, high = np.minimum(spare, 0), np.maximum(spare, 0)
        if wanted < self.foreground_fraction and len(chunk.places):
            # Each class as often: a tumour would hardly be seen by the share of its voxels.
            which, rest = divmod(place * len(chunk.places), 1)
            of_class = chunk.places[int(which)]
            voxel = of_class[int(rest * len(of_class))]
            start = voxel - patch / 2 + patch * (uniform - 0.5) / 2
        else:
            start = low + uniform * (high - low)
        return np.clip(np.round(start), low, high) + (patch - 1) / 2

    def _cut(
        self, chunks: list[Chunk], centres: list[np.ndarray], matrices: list[np.ndarray]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        same_size = len({chunk.image.shape for chunk in chunks}) == 1
        groups = [range(len(chunks))] if same_size else [[index] for index in range(len(chunks))]
        parts = [
            resample(
                torch.stack([chunks[index].image for index in group]).to(self.device),
                torch.stack([chunks[index].label for index in group]).to(self.device),
                matrices=np.stack([matrices[index] for index in group]),
                centres=np.stack([centres[index] for index in group]),
                patch=self.patch,
                spacing_mm=np.stack([chunks[index].spacing_mm for index in group]),
            )
            for group in groups
        ]
        images, classes = zip(*parts, strict=True)
        return torch.cat(images), torch.cat(classes)


def _turns(chunks: list[Chunk]) -> np.ndarray:
    """Indices of the chunks, each as often as it is thicker than the thinnest.

    Patches are drawn from chunks: a slab of a few slices has less to show than a whole abdomen.
    """
    depths = np.asarray([chunk.image.shape[2] for chunk in chunks])
    return np.repeat(np.arange(len(chunks)), np.round(depths / depths.min()).astype(int))


def _patch(chunks: list[Chunk], wanted: list[int] | None) -> tuple[int, int, int]:
    shapes = {tuple(chunk.image.shape) for chunk in chunks}
    if wanted is not None:
        x, y, z = wanted
        return x, y, z
    if len({shape[:2] for shape in shapes}) > 1:
        raise fault(
            found=f"chunks of {len(shapes)} different sizes",
            expected="one size in plane, since whole chunks are trained on",
            remedy="set `training.patch: [x, y, z]`, or `volumes.in_plane` to crop_pad or resize",
        )
    return max(shapes)  # type: ignore[return-value]  # one size in plane; a thin chunk is padded


def _moved(chunk: Chunk, device: torch.device) -> Chunk:
    image, label = chunk.image.clone().to(device), chunk.label.clone().to(device)
    return replace(chunk, image=image, label=label)
