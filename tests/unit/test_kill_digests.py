"""What the benchmark of kills compares: all of an output but the times that it shows."""

from pathlib import Path

from benchmarks.kills import digests
from tests.workflow.houses import House

PAGE = "<h1>{title}</h1><h3>Time and memory</h3><table><td>{seconds}</td></table><h3>Settings</h3>"
TABLE = (
    "output\tsha256\tbytes\trule\tstarted\tended\n"
    "results/report/index.html\t{seconds}a\t{seconds}\tbuild_report\t1\t{seconds}\n"
    "results/volumes/a.npz\t{digest}\t9\tprepare_volume\t1\t{seconds}\n"
)


def results(place: Path, *, seconds: int, title: str = "page", digest: str = "d") -> dict[str, str]:
    """Digests of a run that took so long."""
    house = House(place)
    for name, text in {
        "report/index.html": PAGE.format(title=title, seconds=seconds),
        "provenance/digests.tsv": TABLE.format(digest=digest, seconds=seconds),
        "logs/a.log": str(seconds),
        "volumes/a.npz": "volume",
    }.items():
        path = house.run / "results" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return digests(house)


def test_times_make_no_difference_and_all_else_does(tmp_path: Path) -> None:
    first = results(tmp_path / "a", seconds=1)
    assert first.keys() == {"report/index.html", "provenance/digests.tsv", "volumes/a.npz"}
    assert results(tmp_path / "b", seconds=22) == first
    other = results(tmp_path / "c", seconds=1, title="another")
    assert {name for name in first if first[name] != other[name]} == {"report/index.html"}
    other = results(tmp_path / "d", seconds=1, digest="e")
    assert {name for name in first if first[name] != other[name]} == {"provenance/digests.tsv"}
