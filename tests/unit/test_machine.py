"""What a process may take of the machine: also within a container's or a Slurm job's bounds."""

from pathlib import Path

import pytest

from workflow.liverseg.machine import memory_free_bytes

GIB = 2**30


def machine(root: Path, files: dict[str, str]) -> Path:
    meminfo = f"MemTotal: {600 * 2**20} kB\nMemAvailable: {500 * 2**20} kB\n"
    for name, text in {"proc/meminfo": meminfo, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_without_bounds_it_is_what_is_available(tmp_path):
    assert memory_free_bytes(machine(tmp_path, {})) == 500 * GIB


@pytest.mark.parametrize(
    ("groups", "folder", "limit", "usage"),
    [
        ("0::/slurm/job_7/step_0\n", "slurm/job_7", "memory.max", "memory.current"),
        (
            "5:cpu,cpuacct:/x\n4:memory:/docker/ab\n",
            "memory/docker/ab",
            "memory.limit_in_bytes",
            "memory.usage_in_bytes",
        ),
    ],
    ids=["version 2, of a parent", "version 1"],
)
def test_the_least_bound_of_a_control_group_counts(tmp_path, groups, folder, limit, usage):
    files = {
        "proc/self/cgroup": groups,
        f"sys/fs/cgroup/{folder}/{limit}": f"{16 * GIB}\n",
        f"sys/fs/cgroup/{folder}/{usage}": f"{3 * GIB}\n",
    }
    assert memory_free_bytes(machine(tmp_path, files)) == 13 * GIB


def test_files_kept_at_hand_are_free(tmp_path):
    files = {
        "proc/self/cgroup": "0::/job\n",
        "sys/fs/cgroup/job/memory.max": f"{16 * GIB}\n",
        "sys/fs/cgroup/job/memory.current": f"{15 * GIB}\n",
        "sys/fs/cgroup/job/memory.stat": f"anon {GIB}\ninactive_file {14 * GIB}\n",
    }
    assert memory_free_bytes(machine(tmp_path, files)) == 15 * GIB


def test_no_limit_is_none(tmp_path):
    files = {
        "proc/self/cgroup": "0::/user\n",
        "sys/fs/cgroup/user/memory.max": "max\n",
        "sys/fs/cgroup/user/memory.current": "1\n",
    }
    assert memory_free_bytes(machine(tmp_path, files)) == 500 * GIB


def test_what_cannot_be_found_out_is_nothing(tmp_path):
    assert memory_free_bytes(tmp_path) == 0
