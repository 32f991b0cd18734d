"""Results as lines of JSON: what a stopped run has measured stands, and a later line replaces an earlier one."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

Record = dict[str, Any]


class Store:
    """The records of one cache folder, by key."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "results.jsonl"
        self._lock = threading.Lock()
        self.records: dict[str, Record] = {}
        if self._path.exists():
            for line in self._path.read_text().splitlines():
                try:
                    record = json.loads(line)
                except json.JSONDecodeError:  # the line at which a run was killed
                    continue
                self.records[record["key"]] = record

    def add(self, key: str, **fields: Any) -> None:
        record = {"key": key, "time": round(time.time()), **fields}
        with self._lock, self._path.open("a") as file:
            self.records[key] = record
            file.write(json.dumps(record) + "\n")

    def forget(self, part: str) -> None:
        """Measure again whatever has `part` in its key."""
        self.records = {key: record for key, record in self.records.items() if part not in key}
