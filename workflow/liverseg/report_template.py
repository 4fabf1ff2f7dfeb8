"""The page's template, style and scripts: filled in, and closed to everything foreign.

The content-security policy names the page's one script and one style sheet by digest, so that
nothing that data could smuggle in would run; `strict-dynamic` lets that script load the data
files of patients from the folder beside the page, and images and scripts come from nowhere else.
"""

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

FOLDER = Path(__file__).resolve().parents[1] / "report" / "page"
SCRIPTS = ("page.js", "slices.js", "surface.js")


def template_digests() -> list[str]:
    """Digest of each file that the page is made of: a changed template makes a new page."""
    files = sorted(path for path in FOLDER.iterdir() if path.is_file())
    return [f"{path.name}:{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}" for path in files]


def fill(template: str, values: Mapping[str, Any]) -> str:
    """Fill a template of the page's folder; every value is escaped, an unknown name an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = (FOLDER / "page.css").read_text(encoding="utf-8")
    script = "\n".join((FOLDER / name).read_text(encoding="utf-8") for name in SCRIPTS)
    return environment.get_template(template).render(
        **values, policy=policy(style, script), style=Markup(style), script=Markup(script)
    )


def policy(style: str, script: str) -> str:
    """Content-security policy of a page with this one style sheet and this one script."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src '{_source(script)}' 'strict-dynamic'",
            f"style-src '{_source(style)}'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _source(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
