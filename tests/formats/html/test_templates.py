from __future__ import annotations

import dataclasses
import re
import sys
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest

import auditor_templates
from auditor.errors import PluginError
from auditor.formats.html import Html, context
from auditor.result.run import Run


def contexts(cls: type = context.Page) -> Iterator[type]:
    """Every dataclass that templates can reach from `page`."""
    yield cls
    for hint in typing.get_type_hints(cls).values():
        yield from (found for inner in _classes_in(hint) for found in contexts(inner))


def _classes_in(hint: object) -> Iterator[type]:
    if dataclasses.is_dataclass(hint):
        yield typing.cast(type, hint)
    for part in typing.get_args(hint):
        yield from _classes_in(part)


@pytest.mark.parametrize("cls", sorted(set(contexts()), key=lambda c: c.__qualname__), ids=lambda c: c.__name__)
def test_every_field_of_the_context_says_what_it_holds_and_is_used(cls: type) -> None:
    assert cls.__dataclass_params__.frozen  # type: ignore[attr-defined]
    templates = "".join(path.read_text() for path in Path(auditor_templates.__file__).parent.glob("*.j2"))
    for name, hint in typing.get_type_hints(cls, include_extras=True).items():
        (help_,) = hint.__metadata__
        assert help_.endswith((".", "?"))
        assert re.search(rf"\.{name}\b", templates), f"no template shows {cls.__name__}.{name}"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package with templates of its own, as a plugin brings one."""
    folder = tmp_path / "house_style"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    sys.modules.pop("house_style", None)


def test_a_plugin_overrides_a_template_and_ours_stays_in_reach(run: Run, package: Path) -> None:
    (package / "_words.html.j2").write_text('<p>House words</p>{% include "default:_words.html.j2" %}')
    html = Html().render(run, ("house_style",))
    assert "<p>House words</p><section" in html.replace("\n", "")
    assert "Certified accuracy" in html


def test_a_plugin_extends_the_report_by_its_blocks(run: Run, package: Path) -> None:
    (package / "report.html.j2").write_text(
        '{% extends "default:report.html.j2" %}'
        "{% block words %}<p>{{ page.summary }}, {{ page.title }}</p>{% endblock %}"
    )
    html = Html().render(run, ("house_style",))
    assert "too low., auditor: fail</p>" in html
    assert 'id="words"' not in html


@pytest.mark.parametrize(
    ("template", "problem"),
    [("{{ page.nonsense }}", "nonsense"), ("{% if %}", r"_words\.html\.j2, line 1")],
)
def test_a_wrong_template_is_named(run: Run, package: Path, template: str, problem: str) -> None:
    (package / "_words.html.j2").write_text(template)
    with pytest.raises(PluginError, match=problem):
        Html().render(run, ("house_style",))


def test_a_package_that_is_not_there_is_named(run: Run) -> None:
    with pytest.raises(PluginError, match="no_such_style"):
        Html().render(run, ("no_such_style",))
