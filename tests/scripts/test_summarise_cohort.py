"""The summary and the page say who was rejected and why; data cannot write markup into it."""

from pathlib import Path

from tests.intake_cases import SETTINGS, body, case, nifti, write
from workflow.liverseg.files import read_json, write_json
from workflow.scripts import admit_cohort, inspect_patient, summarise_cohort

LABELS = [{"name": "liver", "values": "positive"}]
ALL = {"inspection": SETTINGS, "labels": LABELS}


def summarised(folder: Path) -> tuple[str, str]:
    ct, label = case(folder, "good")
    inspect_patient.main(ct, label, folder / "good.json", "good", ALL)
    short = write(folder / "s.nii", nifti(body(seed=3)[:, :, :12]))
    inspect_patient.main(short, [], folder / "short.json", "short", ALL)
    record = read_json(folder / "good.json") | {"patient": "bad", "verdict": "rejected"}
    finding = {"code": "x", "verdict": "reject", "part": "ct", "found": "<script>alert(1)</script>"}
    record["findings"] = [finding | {"expected": "y", "remedy": "mend it"}]
    write_json(folder / "bad.json", record)
    records = [folder / f"{name}.json" for name in ("good", "short", "bad")]
    tables = [folder / f"{name}.tsv" for name in ("cohort", "rejected", "remarks")]
    people = '{"good": {"group": "g"}, "short": {"group": "s"}, "bad": {"group": "b"}}'
    admit_cohort.main(records, *tables, people, "[]")
    summarise_cohort.main(*tables, records, folder / "summary.txt", folder / "index.html")
    return (folder / "summary.txt").read_text(), (folder / "index.html").read_text()


def test_summary_and_page_come_also_of_nobody(tmp_path):
    inspect_patient.main(write(tmp_path / "e.nii", b""), [], tmp_path / "e.json", "e", ALL)
    tables = [tmp_path / f"{name}.tsv" for name in ("cohort", "rejected", "remarks")]
    admit_cohort.main([tmp_path / "e.json"], *tables, '{"e": {"group": "e"}}', "[]")
    written = tmp_path / "summary.txt", tmp_path / "index.html"
    summarise_cohort.main(*tables, [tmp_path / "e.json"], *written)
    assert "1 patients inspected: 1 rejected" in written[0].read_text()
    assert "an empty file" in written[1].read_text()


def test_summary_of_a_cohort_without_any_warning(tmp_path):
    ct, label = case(tmp_path, "good")
    inspect_patient.main(ct, label, tmp_path / "good.json", "good", ALL)
    tables = [tmp_path / f"{name}.tsv" for name in ("cohort", "rejected", "remarks")]
    admit_cohort.main([tmp_path / "good.json"], *tables, '{"good": {"group": "g"}}', "[]")
    written = tmp_path / "summary.txt", tmp_path / "index.html"
    summarise_cohort.main(*tables, [tmp_path / "good.json"], *written)
    assert "1 patients inspected: 1 admitted" in written[0].read_text()


def test_summary_counts_and_gives_reason_and_remedy(tmp_path):
    summary, _ = summarised(tmp_path)
    assert "3 patients inspected: 1 admitted, 1 warned, 1 rejected" in summary
    assert "bad (ct)" in summary and "mend it" in summary
    assert "few_slices: 1" in summary


def test_page_is_closed_escapes_data_and_shows_the_odd_ones(tmp_path):
    _, page = summarised(tmp_path)
    assert "default-src 'none'" in page
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert page.count("data:image/png;base64,") == 2
