"""Which named structure is the liver: whole names, then codes; nothing personal is repeated."""

import pytest

from tests.conftest import ROOT
from workflow.liverseg.findings import Rejection
from workflow.liverseg.settings import read_config
from workflow.liverseg.structure_names import choose

SHIPPED = read_config(ROOT / "config/config.yaml")["dicom"]["structures"]


def test_a_code_counts_where_no_name_fits():
    assert choose({1: ["Segment_1", "Liver"]}, SHIPPED)[0] == {1: 1}
    assert choose({1: ["Liver"], 2: ["PTV_Liver", "Liver"]}, SHIPPED)[0] == {1: 1}


@pytest.mark.parametrize("name", ["Tumor", "tumour 2", "Liver lesion", "Lesions", "HCC_3"])
def test_lesions_by_their_usual_names(name):
    assert choose({1: ["Leber"], 7: [name]}, SHIPPED)[0] == {1: 1, 7: 2}


def test_the_last_entry_that_fits_decides():
    entries = [{"name": ".*", "value": 1, "join": True}, {"name": "cyst", "value": 3}]
    assert choose({1: ["liver"], 2: ["cyst"]}, entries)[0] == {1: 1, 2: 3}


def test_of_a_name_only_words_of_the_trade_are_repeated():
    with pytest.raises(Rejection) as caught:
        choose({4: ["Liver Doe_Jane 1950-01-02 PTV"]}, SHIPPED)
    assert 'no. 4 "Liver …_… …-…-… PTV"' in caught.value.finding.found
