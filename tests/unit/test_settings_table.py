"""config/README.md says what the schemas and the shipped configuration say."""

from tests.conftest import ROOT
from workflow.liverseg.settings import SCHEMAS, read_config
from workflow.liverseg.settings_table import settings_table


def test_config_readme_is_up_to_date() -> None:
    expected = settings_table(SCHEMAS, read_config(ROOT / "config/config.yaml"))
    found = (ROOT / "config/README.md").read_text(encoding="utf-8")
    assert found == expected, "run `make docs`"


def test_every_setting_is_described() -> None:
    table = settings_table(SCHEMAS, read_config(ROOT / "config/config.yaml"))
    bare = [line for line in table.splitlines() if line.startswith("| `") and line.endswith("|  |")]
    assert bare == []
