"""Pairs are made by id; what cannot be a patient is refused with a reason."""

import itertools
import re
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.fault_cases import as_stranger
from workflow.liverseg.errors import LiversegError
from workflow.liverseg.layouts import RESERVED_IDS
from workflow.liverseg.overlaps import known_persons
from workflow.liverseg.patients import Cohort, read_cohort

PHANTOMS = {"labelled": 3, "unlabelled": 1}


@pytest.fixture(autouse=True)
def working(tmp_path_factory, monkeypatch) -> Path:
    """The directory of the run, which keeps the secret of the pseudonyms."""
    place = tmp_path_factory.mktemp("working")
    monkeypatch.chdir(place)
    return place


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def read(place: Path) -> Cohort:
    return read_cohort(str(place), Path(), PHANTOMS)


def opened_to_strangers(folder: Path) -> None:
    for above in (folder, *folder.parents):
        if above == folder or above.name.startswith(("pytest", "popen")):  # popen: of a worker
            above.chmod(0o755)


def sheet(folder: Path, *lines: str, name: str = "patients.tsv") -> Path:
    path = folder / name
    text = "\n".join(line.replace(" ", "\t") if name.endswith("tsv") else line for line in lines)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def pairs(cohort: Cohort) -> dict[str, tuple[str, str | None]]:
    return {p.patient: (p.image.name, p.label and p.label.name) for p in cohort.patients}


def refusals(cohort: Cohort) -> dict[str, str]:
    return {refusal.patient: refusal.finding.code for refusal in cohort.refused}


def test_demo_has_as_many_patients_as_the_config_says():
    cohort = read_cohort("demo", Path(), PHANTOMS)
    assert [p.label is not None for p in cohort.patients] == [True, True, True, False]
    assert {p.kind for p in cohort.patients} == {"phantom"}


def test_nothing_to_train_on_is_told_only_where_it_is_certain(tmp_path):
    touch(tmp_path, "a.nii.gz", "b.nii.gz", "liver.dcm")
    table = tmp_path / "patients.tsv"
    table.write_text("patient\timage\tlabel\na\ta.nii.gz\t\nb\tb.nii.gz\tliver.dcm\n")
    read(table).check_labels()  # a SEG or an RTSTRUCT: what it holds is seen when it is imported
    Cohort(()).check_labels()
    table.write_text("patient\timage\na\ta.nii.gz\nb\tb.nii.gz\n")
    with pytest.raises(LiversegError, match="2 patients, none of whom has a label"):
        read(table).check_labels()


def test_lits_pairs_by_number_across_folders_and_suffixes(tmp_path):
    touch(tmp_path / "b1", "volume-2.nii", "segmentation-2.nii", "volume-10.nii")
    touch(tmp_path / "b2", "volume-3.nii.gz", "segmentation-10.nii.gz")
    assert pairs(read(tmp_path)) == {
        "lits-2": ("volume-2.nii", "segmentation-2.nii"),
        "lits-3": ("volume-3.nii.gz", None),
        "lits-10": ("volume-10.nii", "segmentation-10.nii.gz"),
    }


def test_decathlon_predicts_what_has_no_label(tmp_path):
    touch(tmp_path, "dataset.json", "imagesTr/liver_1.nii.gz", "labelsTr/liver_1.nii.gz")
    touch(tmp_path, "imagesTs/liver_5.nii.gz", "imagesTr/._liver_1.nii.gz")
    cohort = read(tmp_path)
    assert pairs(cohort) == {
        "liver_1": ("liver_1.nii.gz", "liver_1.nii.gz"),
        "liver_5": ("liver_5.nii.gz", None),
    }
    assert [remark.finding.code for remark in cohort.remarks] == ["litter_skipped"]


def test_nnunet_takes_the_first_channel_and_its_label(tmp_path):
    touch(tmp_path, "dataset.json", "imagesTr/c_1_0000.nii.gz", "labelsTr/c_1.nii.gz")
    touch(tmp_path, "imagesTs/c_2_0000.nii.gz", "imagesTr/c_1_0001.nii.gz")
    assert pairs(read(tmp_path)) == {
        "c_1": ("c_1_0000.nii.gz", "c_1.nii.gz"),
        "c_2": ("c_2_0000.nii.gz", None),
    }


def remarks(cohort: Cohort) -> list[tuple[str, str]]:
    return [(remark.patient, remark.finding.code) for remark in cohort.remarks]


@pytest.mark.parametrize("folder", ["", "imagesTs/"])
def test_numbers_of_patients_are_no_channels(tmp_path, folder):
    names = [f"patient_000{number}" for number in range(4)]
    touch(tmp_path, *(f"{folder}{name}.nii.gz" for name in names))
    assert pairs(read(tmp_path)) == {name: (f"{name}.nii.gz", None) for name in names}


def test_images_and_labels_of_one_name_are_the_decathlons_even_with_numbers(tmp_path):
    for name in ("case_0000", "case_0001", "other_0000"):
        touch(tmp_path, f"imagesTr/{name}.nii.gz", f"labelsTr/{name}.nii.gz")
    cohort = read(tmp_path)
    assert cohort.layout == "msd"
    assert {name: label for name, (_, label) in pairs(cohort).items()} == {
        name: f"{name}.nii.gz" for name in ("case_0000", "case_0001", "other_0000")
    }
    assert {p.label.parent.name for p in cohort.patients if p.label} == {"labelsTr"}


def test_further_channels_and_what_lies_beside_are_remarked(tmp_path):
    touch(tmp_path, "imagesTr/c_1_0000.nii.gz", "labelsTr/c_1.nii.gz", "imagesTr/c_1_0001.nii.gz")
    touch(tmp_path, "inferTs/c_9.nii.gz")
    cohort = read(tmp_path)
    assert list(pairs(cohort)) == ["c_1"]
    assert remarks(cohort) == [("c_1_0001", "image_not_taken"), ("c_9", "image_not_taken")]
    assert "one of 2" in cohort.remarks[0].finding.found


def test_cases_without_labels_are_nnunets_where_several_names_are_left(tmp_path):
    touch(tmp_path, "a_0000.nii.gz", "b_0000.nii.gz")
    assert list(pairs(read(tmp_path))) == ["a", "b"]


def test_folder_of_test_images_alone_is_the_decathlons(tmp_path):
    cohort = read(touch(tmp_path, "imagesTs/liver_5.nii.gz", "imagesTs/liver_6.nii.gz"))
    assert (cohort.layout, list(pairs(cohort))) == ("msd", ["liver_5", "liver_6"])


def test_lits_knows_test_volumes_and_any_case(tmp_path):
    touch(tmp_path, "volume-2.nii", "Volume-3.nii", "Segmentation-3.NII", "test-volume-2.nii")
    assert pairs(read(tmp_path)) == {
        "lits-2": ("volume-2.nii", None),
        "lits-3": ("Volume-3.nii", "Segmentation-3.NII"),
        "lits-test-2": ("test-volume-2.nii", None),
    }


def test_image_that_the_layout_does_not_know_is_remarked(tmp_path):
    touch(tmp_path, "volume-2.nii", "volume-2 (1).nii", "ct_extra.nii.gz")
    cohort = read(tmp_path)
    assert list(pairs(cohort)) == ["lits-2"]
    extra, (hidden, code) = remarks(cohort)
    assert (hidden[:8], code) == ("patient-", "image_not_taken")
    assert extra == ("ct_extra", "image_not_taken")


def test_loose_cts_beside_patients_folders_are_remarked(tmp_path):
    touch(tmp_path, "a/ct.nii.gz", "a/pet.nii.gz", "loose.nii.gz")
    cohort = read(tmp_path)
    assert list(pairs(cohort)) == ["a"]
    assert remarks(cohort) == [("loose", "image_not_taken"), ("pet", "image_not_taken")]


@pytest.mark.parametrize("name", ["docs/readme.txt", "docs/LICENSE"])
def test_folder_without_images_does_not_hide_the_cts_beside_it(tmp_path, name):
    cohort = read(touch(tmp_path, "one.nii.gz", "two.nii.gz", name))
    assert (cohort.layout, list(pairs(cohort))) == ("bare", ["one", "two"])


def test_folder_without_images_is_no_patient(tmp_path):
    cohort = read(touch(tmp_path, "a/ct.nii.gz", "docs/readme.txt"))
    assert (list(pairs(cohort)), refusals(cohort)) == (["a"], {})
    assert remarks(cohort) == [("docs", "folder_without_image")]


def test_results_of_the_run_are_no_data_of_it(tmp_path, monkeypatch):
    touch(tmp_path, "a.nii.gz", "b.nii.gz", "config/config.yaml")
    before = read_cohort(".", tmp_path, PHANTOMS)
    touch(
        tmp_path, "results/predictions/m/a/mask.nii.gz", ".snakemake/log/x", "results/volume-1.nii"
    )
    assert list(pairs(before)) == ["a", "b"]
    assert read_cohort(".", tmp_path, PHANTOMS) == before
    monkeypatch.chdir(tmp_path)
    assert pairs(read(Path())) == pairs(before)


def test_results_of_a_run_elsewhere_are_passed_over(tmp_path):
    touch(tmp_path, "a.nii.gz", "old/output/logs/inspect_patient/a.log")
    touch(tmp_path, "old/output/imported/a/ct.nii.gz")
    cohort = read(tmp_path)
    assert (list(pairs(cohort)), cohort.remarks) == (["a"], ())


def test_own_folder_named_results_is_read(tmp_path):
    assert list(pairs(read(touch(tmp_path, "results/volume-1.nii")))) == ["lits-1"]


def test_one_folder_a_patient_holds_nifti_nrrd_or_dicom(tmp_path):
    touch(tmp_path, "a/ct.nii.gz", "a/liver.nii.gz", "b/scan.nrrd", "c/1.dcm", "c/2.dcm")
    cohort = read(tmp_path)
    kinds = {p.patient: (p.kind, len(p.image_sources)) for p in cohort.patients}
    assert kinds == {"a": ("nifti", 0), "b": ("nrrd", 1), "c": ("dicom", 2)}
    assert cohort.patients[2].image == Path("results/imported/c/ct.nii.gz")


def test_folder_with_two_candidates_is_refused(tmp_path):
    touch(tmp_path, "a/ct.nii.gz", "b/one.nii.gz", "b/two.nii.gz")
    assert refusals(read(tmp_path)) == {"b": "folder_unclear"}


def test_folder_named_after_a_person_gets_an_id_that_does_not_say_so(tmp_path):
    touch(tmp_path, "Müller, 'Hans'/ct.nii.gz")
    (patient,) = read(tmp_path).patients
    assert patient.patient.startswith("patient-")
    assert patient.image.exists()
    assert "ller" not in patient.patient


@pytest.mark.parametrize("names", ["DOE_JANE_19600101", "Mueller-Hans", "HansMueller01"])
@pytest.mark.parametrize("place", ["{}.nii.gz", "{}/ct.nii.gz", "imagesTs/{}.nii.gz"])
def test_what_may_be_a_persons_name_becomes_no_id_and_that_is_said(tmp_path, names, place):
    touch(tmp_path, place.format(names), place.format("UKE-004"))
    cohort = read(tmp_path)
    ids = [patient.patient for patient in cohort.patients]
    assert "UKE-004" in ids and names not in ids
    assert remarks(cohort) == [("-", "names_hidden")]
    assert names not in cohort.refused_json() + cohort.people_json()


def test_ids_of_a_table_that_may_be_names_are_kept_and_remarked_on(tmp_path):
    touch(tmp_path, "a.nii.gz")
    lines = ["patient image", "DOE_JANE_19600101 a.nii.gz", "UKE-004 b.nii.gz"]
    cohort = read(sheet(tmp_path, *lines))
    assert [patient.patient for patient in cohort.patients] == ["DOE_JANE_19600101"]
    assert remarks(cohort) == [("-", "names_kept")]
    assert "DOE" not in str(cohort.remarks)


def test_hidden_names_stay_the_same_in_one_directory_and_cannot_be_tried_out(
    tmp_path, working, monkeypatch
):
    touch(tmp_path, "DOE_JANE.nii.gz", "DOE_JOHN.nii.gz")
    first = pairs(read(tmp_path))
    assert pairs(read(tmp_path)) == first
    assert (working / ".liverseg-secret").stat().st_mode & 0o777 == 0o600
    (working / "elsewhere").mkdir()
    monkeypatch.chdir(working / "elsewhere")
    assert not set(pairs(read(tmp_path))) & set(first)


def test_hidden_names_that_differ_by_case_or_zeros_alone_clash(tmp_path):
    touch(tmp_path, *(f"{name}/ct.nii.gz" for name in ("Smith_John_1", "smith_john_01", "Doe_Jo")))
    cohort = read(tmp_path)
    assert len(cohort.patients) == 1
    assert list(refusals(cohort).values()) == ["id_clash"]


def test_names_hidden_where_the_run_stands_change_nothing_for_the_next(tmp_path):
    touch(tmp_path, "DOE_JANE.nii.gz", "b.nii.gz")
    first = read_cohort(".", tmp_path, PHANTOMS)
    assert read_cohort(".", tmp_path, PHANTOMS) == first


def test_link_to_a_folder_above_or_beside_lists_nobody_twice(tmp_path):
    touch(tmp_path, "a/volume-1.nii", "a/segmentation-1.nii", "b/volume-2.nii")
    (tmp_path / "a/loop").symlink_to(tmp_path)
    (tmp_path / "0").symlink_to(tmp_path / "b")
    (tmp_path / "outside").symlink_to(touch(tmp_path.parent / "out", "volume-3.nii"))
    cohort = read(tmp_path)
    assert list(pairs(cohort)) == ["lits-1", "lits-2", "lits-3"]
    assert [p.image.parent.name for p in cohort.patients] == ["a", "b", "outside"]
    assert remarks(cohort) == [("0", "folder_again"), ("a", "folder_again")]


def test_patients_may_share_a_folder_by_links(tmp_path):
    store = touch(tmp_path / "out/store", "s1/ct.nii.gz")
    data = touch(tmp_path / "data", "P1/ct/ct.nii.gz", "P1/seg/liver.nii.gz", "P2/ct.nii.gz")
    (data / "P2/seg").symlink_to(data / "P1/seg")
    (data / "P3").mkdir()
    (data / "P3/ct").symlink_to(data / "P1/ct")
    (data / "P4").mkdir()
    (data / "P4/ct").symlink_to(store / "s1")
    (data / "P5").symlink_to(store / "s1")
    both = ("ct.nii.gz", "liver.nii.gz")
    alone = ("ct.nii.gz", None)
    cohort = read(data)
    assert pairs(cohort) == {"P1": both, "P2": both, "P3": alone, "P4": alone, "P5": alone}
    assert remarks(cohort) == []


def test_patients_who_all_link_to_each_other_are_listed_in_the_end(tmp_path):
    names = [f"p{number}" for number in range(12)]
    touch(tmp_path, *(f"{name}/ct.nii.gz" for name in names))
    for one in names:
        for other in set(names) - {one}:
            (tmp_path / one / f"see-{other}").symlink_to(tmp_path / other)
    assert set(refusals(read(tmp_path)).values()) == {"folder_unclear"}


def test_closed_folder_is_refused_whatever_else_is_there(tmp_path):
    touch(tmp_path, "a/ct.nii.gz", "b/ct.nii.gz", "b/more/label.nii.gz", "c/ct.nii.gz")
    (tmp_path / "table.csv").write_text("patient,image\np1,b\n")
    assert list(pairs(read(tmp_path / "table.csv"))) == ["p1"]
    opened_to_strangers(tmp_path)
    closed = [tmp_path / "b/more", tmp_path / "c"]
    for folder in closed:
        folder.chmod(0)
    try:
        with as_stranger():
            cohort = read(tmp_path)
            table = read(tmp_path / "table.csv")
    finally:
        for folder in closed:
            folder.chmod(0o755)
    assert list(pairs(cohort)) == ["a"]
    assert refusals(cohort) == {"b": "file_unreadable", "c": "file_unreadable"}
    assert refusals(table) == {"p1": "file_unreadable"}


def test_folders_that_are_all_closed_are_refused_one_by_one(tmp_path):
    touch(tmp_path, "data/a/ct.nii.gz")
    opened_to_strangers(tmp_path)
    (tmp_path / "data/a").chmod(0)
    try:
        with as_stranger():
            assert refusals(read(tmp_path / "data")) == {"a": "file_unreadable"}
    finally:
        (tmp_path / "data/a").chmod(0o755)


@pytest.mark.parametrize("names", [("1.dcm", "2.dcm"), ("1.2.840.1", "1.2.840.2")])
def test_dicom_files_beside_each_other_are_to_be_sorted_first(tmp_path, names):
    with pytest.raises(LiversegError, match=r"DICOM(.|\n)*workflow.liverseg.dicom_sorting"):
        read(touch(tmp_path, *names))


def test_label_without_ct_is_remarked_not_paired(tmp_path):
    touch(tmp_path, "volume-1.nii", "segmentation-1.nii", "segmentation-2.nii")
    cohort = read(tmp_path)
    assert list(pairs(cohort)) == ["lits-1"]
    assert [(r.patient, r.finding.code) for r in cohort.remarks] == [("lits-2", "label_without_ct")]


def test_unknown_layout_stops_with_the_layouts_that_are_known(tmp_path):
    with pytest.raises(LiversegError, match="Decathlon"):
        read(touch(tmp_path, "readme.txt"))


def test_sheet_reads_paths_beside_it_and_keeps_the_split(tmp_path):
    touch(tmp_path, "x/ä b'.nii.gz", "x/l.nii")
    lines = ("patient,image,label,group,split", "p1,x/ä b'.nii.gz,x/l.nii,g7,test", "")
    (patient,) = read(sheet(tmp_path, *lines, name="patients.csv")).patients
    assert patient.split == "test"
    assert patient.image.exists() and patient.label is not None


@pytest.mark.parametrize(
    ("line", "name", "code"),
    [
        ("p1 none.nii -", "p1", "file_missing"),
        ("Müller a.nii -", "line-2", "id_invalid"),
        ("../x a.nii -", "line-2", "id_invalid"),
        ("$(rm) a.nii -", "line-2", "id_invalid"),
        (f"{'x' * 65} a.nii -", "line-2", "id_invalid"),
        ("p1 a.nii trian", "p1", "split_unknown"),
        ("p1 link.nii -", "p1", "file_missing"),
        ("p1 {a}.nii -", "p1", "path_braces"),
        ("p1  -", "p1", "image_not_given"),
    ],
)
def test_line_that_cannot_be_a_patient_is_refused(tmp_path, line, name, code):
    touch(tmp_path, "a.nii")
    (tmp_path / "link.nii").symlink_to(tmp_path / "gone.nii")
    table = sheet(
        tmp_path, "patient image split", line.replace("-", "", 1) if "-" in line else line
    )
    assert refusals(read(table)) == {name: code}


@pytest.mark.parametrize("name", ["summary", "Summary"])
def test_id_of_the_cohorts_own_results_is_refused_in_a_table_and_a_folder(tmp_path, name):
    touch(tmp_path, "a.nii", f"many/{name}/ct.nii.gz", "many/p1/ct.nii.gz")
    table = read(sheet(tmp_path, "patient image", f"{name} a.nii"))
    assert refusals(table) == {name: "id_reserved"}
    assert "another id" in table.refused[0].finding.remedy
    folder = read(tmp_path / "many")
    assert refusals(folder) == {name: "id_reserved"}
    assert list(pairs(folder)) == ["p1"]


def test_the_reserved_ids_are_those_that_the_rules_paths_collide_with():
    text = "".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    text = re.sub(r"\{(\{|wildcards\.|patient\.)", "{", text).replace("}}", "}")
    paths = [path.split("/") for path in re.findall(r'"(results/[^"]+)"', text)]
    assert ["results", "scores", "{model}", "{patient}.json"] in paths
    taken = set()
    for place, own in itertools.product(paths, paths):
        depth = next((at for at, part in enumerate(place) if "{patient}" in part), None)
        if depth is None or "{patient}" in "".join(own) or len(own) <= depth:
            continue
        pattern = "/".join(map(re.escape, place[: depth + 1])).replace(r"\{patient\}", "(.+)")
        pattern = re.sub(r"\\\{.+?\\\}", "[^/]+", pattern)
        if found := re.fullmatch(pattern, "/".join(own[: depth + 1])):
            taken.add(found[1])
    assert taken == set(RESERVED_IDS)


@pytest.mark.parametrize("ids", [("p1", "P1"), ("p1", "p01"), ("p1", "p1"), ("a-007", "A-7")])
def test_ids_alike_but_for_case_and_padding_are_all_refused(tmp_path, ids):
    touch(tmp_path, "a.nii", "b.nii", "c.nii")
    lines = [f"{ids[0]} a.nii", f"{ids[1]} b.nii", "other c.nii"]
    cohort = read(sheet(tmp_path, "patient image", *lines))
    assert refusals(cohort) == dict.fromkeys(ids, "id_clash")
    assert list(pairs(cohort)) == ["other"]


@pytest.mark.parametrize("heading", ["patient label", "patient image lable", "image", ""])
def test_sheet_with_other_columns_stops(tmp_path, heading):
    with pytest.raises(LiversegError, match="columns"):
        read(sheet(tmp_path, heading, "p1 a.nii"))


@pytest.mark.parametrize("group", ["Anna Meier", "Meier", "4711"])
def test_group_is_replaced_but_still_joins(tmp_path, group):
    touch(tmp_path, "a.nii", "b.nii", "c.nii")
    lines = ("patient,image,group", f"p1,a.nii,{group}", f"p2,b.nii,{group}", "p3,c.nii,other")
    one, other, third = read(sheet(tmp_path, *lines, name="p.csv")).patients
    assert one.group == other.group != third.group
    assert group not in one.group


def test_patient_who_is_a_group_alone_keeps_the_id(tmp_path):
    touch(tmp_path, "a.nii")
    (patient,) = read(sheet(tmp_path, "patient,image,group", "p1,a.nii,p1", name="p.csv")).patients
    assert patient.group == "p1"


def test_nothing_there_stops(tmp_path):
    with pytest.raises(LiversegError, match="nothing"):
        read(tmp_path / "absent")


def test_lits_and_ircadb_cases_of_one_person_share_a_group(tmp_path):
    names = ["volume-28", "volume-5", "3Dircadb1.1", "3Dircadb1.2", "volume-46", "3Dircadb1.18"]
    touch(tmp_path, *(f"{name}.nii" for name in names))
    cohort = read(sheet(tmp_path, "patient image", *(f"{n} {n}.nii" for n in names)))
    group = {p.patient: p.group for p in cohort.patients}
    assert group["volume-28"] == group["3Dircadb1.1"]
    assert group["volume-46"] == group["3Dircadb1.18"]
    assert len({group[n] for n in ("volume-28", "volume-5", "3Dircadb1.2", "volume-46")}) == 4


SPELLINGS = ("volume-28", "volume28", "LiTS28", "lits_volume-28", "liver28")


@pytest.mark.parametrize("lits", SPELLINGS)
@pytest.mark.parametrize("ircadb", ["ircadb01", "3D-IRCADb-01-1", "3Dircadb1.1", "ircadb_1"])
def test_known_persons_are_known_by_any_spelling(lits, ircadb):
    found = known_persons([lits, ircadb, "volume-5", "3Dircadb2.1", "ircadb12"])
    assert found == {lits: "ircadb-1", ircadb: "ircadb-1"}


def test_one_case_under_two_spellings_is_one_person():
    found = known_persons(["volume-46", "lits-46", "liver_47"])
    assert found == {"volume-46": "lits-46", "lits-46": "lits-46"}


def test_groups_of_the_table_that_a_known_person_touches_become_one(tmp_path):
    rows = {"volume-28": "A", "x": "A", "3Dircadb1.1": "B", "y": "B", "volume-5": "C", "z": "D"}
    touch(tmp_path, *(f"{name}.nii" for name in rows))
    lines = [f"{name} {name}.nii {group}" for name, group in rows.items()]
    cohort = read(sheet(tmp_path, "patient image group", *lines))
    group = {p.patient: p.group for p in cohort.patients}
    assert len({group[name] for name in ("volume-28", "x", "3Dircadb1.1", "y")}) == 1
    assert len(set(group.values())) == 3
    assert [(r.patient, r.finding.remedy.split(",")[0]) for r in cohort.remarks] == [
        ("3Dircadb1.1", "correct the group column"),
        ("volume-28", "correct the group column"),
    ]


def test_group_is_named_by_its_first_patient_who_may_also_name_it(tmp_path):
    touch(tmp_path, "a.nii")
    lines = ("p4 a.nii 4711", "p3 a.nii 4711", "p1 a.nii p2", "p2 a.nii ")
    cohort = read(sheet(tmp_path, "patient image group", *lines))
    assert {p.patient: p.group for p in cohort.patients} == {
        "p1": "p1",
        "p2": "p1",
        "p3": "p3",
        "p4": "p3",
    }


def test_lits_alone_is_one_person_a_case(tmp_path):
    touch(tmp_path, *(f"volume-{n}.nii" for n in range(44, 50)))
    assert all(p.group == p.patient for p in read(tmp_path).patients)


def test_quote_in_a_cell_between_tabs_is_a_character(tmp_path):
    touch(tmp_path, '12".nii', "b.nii")
    assert list(pairs(read(sheet(tmp_path, "patient image", 'p1 12".nii', "p2 b.nii")))) == [
        "p1",
        "p2",
    ]
    table = sheet(tmp_path, "patient image", 'p1 "b.nii', "p2 b.nii")
    cohort = read(table)
    assert (refusals(cohort), list(pairs(cohort))) == ({"p1": "file_missing"}, ["p2"])


def test_quotes_of_a_csv_are_read_and_an_unpaired_one_named_by_its_line(tmp_path):
    touch(tmp_path, "a,b.nii")
    (patient,) = read(sheet(tmp_path, "patient,image", 'p1,"a,b.nii"', name="p.csv")).patients
    assert patient.image.name == "a,b.nii"
    lines = ("patient,image", "p0,c.nii", 'p1,"a.nii', 'p2,b"')
    with pytest.raises(LiversegError, match="line 3 with a quote"):
        read(sheet(tmp_path, *lines, name="p.csv"))


@pytest.mark.parametrize("line", ["p2,a.nii", "p2,a.nii,,", "p2,a.nii,x,y"])
def test_line_with_other_cells_than_the_heading_stops(tmp_path, line):
    touch(tmp_path, "a.nii", "b.nii")
    lines = ("patient,image,label", "p1,b.nii,", "", ",,,,", line)
    with pytest.raises(LiversegError, match=rf"line 5 with {line.count(',') + 1} cells"):
        read(sheet(tmp_path, *lines, name="p.csv"))


@pytest.mark.parametrize("name", ["ct.nii.gz", "ct.NRRD", "slice.dcm"])
def test_image_in_place_of_a_table_is_said_to_be_one(tmp_path, name):
    with pytest.raises(LiversegError, match="this is an image: give its folder or a table"):
        read(touch(tmp_path, name) / name)


@pytest.mark.parametrize("closed", ["p.tsv", "data", "inner"])
def test_what_may_not_be_read_is_a_fault(tmp_path, closed):
    touch(tmp_path, "data/a.nii.gz", "inner/data/a.nii.gz", "p.tsv")
    opened_to_strangers(tmp_path)
    (tmp_path / closed).chmod(0)
    place = tmp_path / (f"{closed}/data" if closed == "inner" else closed)
    try:
        with as_stranger(), pytest.raises(LiversegError, match=r"(may not|can) be read"):
            read(place)
    finally:
        (tmp_path / closed).chmod(0o755)


def test_file_in_a_closed_folder_is_refused_like_a_closed_file(tmp_path):
    touch(tmp_path, "inner/a.nii.gz")
    table = sheet(tmp_path, "patient image", "p1 inner/a.nii.gz")
    opened_to_strangers(tmp_path)
    (tmp_path / "inner").chmod(0)
    try:
        with as_stranger():
            assert refusals(read(table)) == {"p1": "file_unreadable"}
    finally:
        (tmp_path / "inner").chmod(0o755)


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_split_that_needs_a_label_is_remarked_where_there_is_none(tmp_path, split):
    touch(tmp_path, "a.nii", "l.nii", "b.nii")
    lines = ("patient,image,label,split", f"p1,a.nii,,{split}", f"p2,b.nii,l.nii,{split}")
    cohort = read(sheet(tmp_path, *lines, "p3,l.nii,,predict", name="p.csv"))
    assert remarks(cohort) == [("p1", "split_without_label")]
    assert list(pairs(cohort)) == ["p1", "p2", "p3"]
