"""What every part of a record is."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A part of a record: it cannot be changed, and keys of a later version are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")
