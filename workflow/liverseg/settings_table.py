"""config/README.md, made from the schemas: `python -m workflow.liverseg.settings_table`."""

import json
from pathlib import Path
from typing import Any

from workflow.liverseg.files import write_text
from workflow.liverseg.settings import SCHEMAS, read_config

CONFIG = SCHEMAS.parents[1] / "config"
HEAD = """# Settings

`config.yaml` holds every setting as the demo uses it. Your own file holds only what differs and is
laid over it with `snakemake --configfile mine.yaml`; `examples/` has such files. Mappings are
merged key by key, lists are replaced, and a model that your file names is taken from it alone.
An unknown key stops the run, and the nearest known one is named.

This table is made from the schemas by `make docs`; do not edit it by hand.

| setting | shipped | what it is |
|---|---|---|
"""


def settings_table(schemas: Path, config: dict) -> str:
    """Markdown: one row a setting, with its shipped value, allowed values and description."""
    root = read_config(schemas / "config.schema.yaml")
    rows = [row for name, schema in root["properties"].items()
            for row in _rows(name, schema, config.get(name), schemas)]  # fmt: skip
    return HEAD + "\n".join(rows) + "\n"


def _rows(path: str, schema: dict, value: Any, schemas: Path) -> list[str]:
    if "$ref" in schema:
        name = schema["$ref"]
        if name.startswith("#"):
            return []
        schema = {**read_config(schemas / name), **{k: v for k, v in schema.items() if k != "$ref"}}
    inner = schema.get("properties")
    if inner and schema.get("type") == "object":
        own = [_row(path, None, schema)] if schema.get("description") else []
        given = value if isinstance(value, dict) else {}
        return own + [row for key, below in inner.items()
                      for row in _rows(f"{path}.{key}", below, given.get(key, below.get("default")),
                                       schemas)]  # fmt: skip
    return [_row(path, value, schema)]


def _row(path: str, value: Any, schema: dict) -> str:
    shown = "" if value is None else f"`{json.dumps(value, ensure_ascii=False)}`"
    if len(shown) > 70:
        shown = "see config.yaml"
    text = " ".join(str(schema.get("description", "")).split())
    if "enum" in schema:
        text += " One of " + ", ".join(f"`{choice}`" for choice in schema["enum"]) + "."
    return f"| `{path}` | {_cell(shown)} | {_cell(text)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    write_text(CONFIG / "README.md", settings_table(SCHEMAS, read_config(CONFIG / "config.yaml")))
