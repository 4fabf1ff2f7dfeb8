"""Names that say nothing: keyed, and only for names that may say something."""

from concurrent.futures import ThreadPoolExecutor
from unittest.mock import Mock

import pytest

from workflow.liverseg.errors import LiversegError
from workflow.liverseg.pseudonyms import keyed, may_name, secret_at


@pytest.mark.parametrize(
    "name",
    [
        "DOE_JANE_19600101", "Mueller-Hans", "MuellerHans", "HansMueller_01", "li_wei",
        "Jane.Doe.ct", "case_01.02.1960", "scan-1960-02-01", "12311960", "patient_doe_jane",
        "ct_Doe_1_Jane",
    ],
)  # fmt: skip
def test_date_or_pair_of_words_may_name_a_person(name):
    assert may_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "liver_12", "volume-28", "3Dircadb1.1", "3D-IRCADb-01-1", "TCGA-DD-A1EG", "LIDC-IDRI-0001",
        "FLARE22_Tr_0001", "amos_0018", "BDMAP_00000001", "Pancreas-CT-CB_001", "AbdomenCT-1K_0001",
        "hepaticvessel_001", "CT-ORG_12", "TotalSegmentator_s0864", "img0001-0.61x0.61", "P01",
        "UKE-004_ct", "portal_venous_phase_01", "sub-01_ses-02", "1.2.840.113.20050101123", "a-007",
    ],
)  # fmt: skip
def test_codes_and_names_of_datasets_stay(name):
    assert not may_name(name)


def test_same_text_and_secret_give_the_same_name_another_secret_another(tmp_path):
    one, other = secret_at(tmp_path / "a"), secret_at(tmp_path / "b")
    assert secret_at(tmp_path / "a") == one != other
    assert keyed(one, "4711") == keyed(one, "4711") != keyed(other, "4711")


@pytest.mark.parametrize("links", [True, False])
def test_all_who_start_at_once_have_one_secret(tmp_path, monkeypatch, links):
    if not links:
        monkeypatch.setattr("os.link", Mock(side_effect=PermissionError))
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: secret_at(tmp_path / "s"), range(32)))
    assert len(found) == 1 and len(found.pop()) == 32
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_a_secret_that_was_cut_off_is_refused(tmp_path):
    (tmp_path / "s").write_bytes(b"0123")
    with pytest.raises(LiversegError, match="4 bytes"):
        secret_at(tmp_path / "s")
