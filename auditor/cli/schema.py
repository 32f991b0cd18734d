"""The JSON Schema of `auditor.toml`, made from the settings and from what the flags say of themselves."""

from __future__ import annotations

import re
import typing
from typing import Any

_TEXT = {"type": "string"}


def config_schema() -> dict[str, Any]:
    """What an editor needs to complete and check a settings file, named audits included; draft 2020-12."""
    from auditor.settings import Settings

    made = Settings.model_json_schema()
    keys = {key.replace("_", "-"): value for key, value in _properties(made["properties"]).items()}
    audits = {
        "type": "object",
        "description": "Named audits: each says what differs from the rest of the file.",
        "propertyNames": {"pattern": r"^[\w-][\w.-]*$"},
        "additionalProperties": {"$ref": "#/$defs/audit"},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Settings of auditor scan",
        "type": "object",
        "properties": {**keys, "audits": audits},
        "additionalProperties": False,
        "$defs": {"audit": {"type": "object", "properties": keys, "additionalProperties": False}},
    }


def _properties(fields: dict[str, Any]) -> dict[str, Any]:
    from auditor.sources import known_keys
    from auditor.types import Norm
    from auditor.values import PARSED

    helps, written = _helps(), _WRITTEN | {"norm": _one_or_more({"enum": [norm.value for norm in Norm]})}
    made: dict[str, Any] = {}
    for key in sorted(known_keys()):
        schema = written.get(key) or _plain(fields.get(key, {"type": "array", "items": _TEXT}))
        if schema == {"type": "array", "items": _TEXT} and key not in PARSED:
            schema = _one_or_more(_TEXT)
        if key in PARSED:
            schema = {"anyOf": [*schema.get("anyOf", [schema]), _TEXT]}
        made[key] = {**schema, **({"description": helps[key]} if key in helps else {})}
    return made


def _one_or_more(item: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [item, {"type": "array", "items": item, "minItems": 1}]}


# What a person writes in another form than the settings hold it.
_WRITTEN: dict[str, dict[str, Any]] = {
    "eps": _one_or_more({"type": ["string", "number"]}),
    "format": _one_or_more(_TEXT),
    "track": _one_or_more(_TEXT),
    "out": _TEXT,
    "quiet": {"type": "boolean"},
}


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """Without what only Python says: titles, and null, which TOML has not; an attack is written as a text."""
    if "$ref" in schema:
        return _TEXT
    left = {key: value for key, value in schema.items() if key not in ("title", "default")}
    if "items" in left:
        left["items"] = _plain(left["items"])
    choices = [_plain(each) for each in left.pop("anyOf", []) if each != {"type": "null"}]
    if len(choices) == 1:
        return {**left, **choices[0]}
    return {**left, "anyOf": choices} if choices else left


def _helps() -> dict[str, str]:
    """What each flag of `auditor scan` says of itself, by setting."""
    from typer.models import ParameterInfo

    from auditor.cli.scan import scan
    from auditor.sources import normal

    told: dict[str, str] = {}
    for name, hint in typing.get_type_hints(scan, include_extras=True).items():
        info = next((item for item in typing.get_args(hint) if isinstance(item, ParameterInfo)), None)
        if info is not None and info.help:
            key = "format" if name == "formats" else normal(name)
            told[key] = re.sub(r"\[default: (.*)\]", r"Default: \1.", info.help)
    return told
