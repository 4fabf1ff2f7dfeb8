"""`snakemake --report` of a finished run: the same results in Snakemake's own way."""

from tests.workflow.houses import House

# What the page of Snakemake lists its results under, and words of the captions.
CATEGORIES = ("Page", "Patients", "Scores", "Training", "Cohort", "Measurements")
CAPTIONS = (
    "opens from disk and asks no network",
    "Look for liver outside the line",
    "A loss that still falls at the end",
    "a distance to an empty mask",
    "Biomarker Standardisation",
)


def test_it_holds_categories_and_captions(house: House) -> None:
    run = house.snakemake("--report", "results/report.html")
    assert run.returncode == 0, run.text
    report = (house.run / "results/report.html").read_text(encoding="utf-8")
    for words in (*CATEGORIES, *CAPTIONS):
        assert words in report, words
