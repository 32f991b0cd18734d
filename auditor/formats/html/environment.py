"""The Jinja2 environment: strict, escaping everything, with templates that plugins can override."""

from __future__ import annotations

import jinja2

from auditor.errors import PluginError
from auditor.formats import words

OWN = "auditor_templates"


def render(template: str, page: object, packages: tuple[str, ...] = ()) -> str:
    """Render a template with the context `page`, whose fields say what templates can use.

    A template of a package in `packages` takes the place of ours of the same name, the first package first; ours
    stays in reach as `default:NAME`, to be extended or included.

    Raises:
        PluginError: a package cannot be found, or a template is wrong.
    """
    try:
        return environment(packages).get_template(template).render(page=page)
    except jinja2.TemplateSyntaxError as error:
        raise PluginError(f"The template {error.name}, line {error.lineno}, is wrong: {error.message}.") from error
    except jinja2.TemplateError as error:
        raise PluginError(f"The templates {', '.join((*packages, OWN))} do not render: {error}.") from error


def environment(packages: tuple[str, ...] = ()) -> jinja2.Environment:
    """What templates are loaded and rendered with."""
    own = jinja2.PackageLoader(OWN, "")
    loader = jinja2.ChoiceLoader([*map(_package, packages), own, jinja2.PrefixLoader({"default": own}, delimiter=":")])
    made = jinja2.Environment(
        loader=loader,
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_visible,
    )
    made.filters["num"] = number
    return made


def _package(name: str) -> jinja2.PackageLoader:
    try:
        return jinja2.PackageLoader(name, "")
    except (ImportError, ValueError) as error:
        raise PluginError(f"The template package {name!r} cannot be found: {error}.") from error


def _visible(value: object) -> object:
    """Names come from files: characters that would reorder or hide text are shown as what they are."""
    plain = isinstance(value, str) and not hasattr(value, "__html__")
    return "\n".join(map(words.printable, str(value).split("\n"))) if plain else value


def number(value: float) -> str:
    """A coordinate with two digits at most: `12.5`, `100`."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
