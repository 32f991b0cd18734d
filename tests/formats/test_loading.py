from __future__ import annotations

import subprocess
import sys

import pytest

from auditor.formats import auditor_formats
from auditor.plugins import load_plugins


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = (
        "import sys, auditor.formats; "
        "print(sorted({'torch', 'pydantic', 'jinja2', 'numpy', 'rich', 'PIL'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_formats_come_through_the_plugin_door() -> None:
    available = load_plugins().formats()
    assert {name: form.filename for name, form in available.items()} == {
        "html": "report.html",
        "json": "result.json",
        "junit": "junit.xml",
        "markdown": "summary.md",
        "sarif": "results.sarif",
        "badge": "badge.svg",
        "shields": "shields.json",
        "metrics": "metrics.txt",
        "model-card": "model-card.md",
    }


@pytest.mark.parametrize("form", auditor_formats(), ids=lambda form: form.name)
def test_every_format_says_what_it_is_for(form: object) -> None:
    assert str(getattr(form, "help", "")).endswith((".", "1."))
