"""What is done survives: a SQLite manifest, and evidence shards that are written atomically before it names them.

A batch of work is known by a key made of everything that decides its outcome. A resumed run asks for each key and
does only what is missing, so it ends where an uninterrupted run would have ended. After `kill -9` the manifest is
whole, and a shard that it does not name is swept away.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auditor.errors import RunError, UsageError
from auditor.result.evidence import Shard, folder, write_shard

if TYPE_CHECKING:
    from auditor.types import Threat

MANIFEST = Path("state") / "manifest.sqlite"
# Flushing costs about 10 ms of waiting for the disk; more often than this would cost more than it could save.
_FLUSH_SECONDS = 2.0

_TABLES = """
create table if not exists meta (key text primary key, value text not null);
create table if not exists done (key text primary key, value text not null, shard text);
"""


@dataclass(frozen=True)
class _Pending:
    """A finished batch that is not on disk yet; `shard` is None where nothing was found."""

    key: str
    value: str
    place: tuple[str, Threat] | None
    shard: Shard | None


@dataclass
class Store:
    """The memory of one run directory."""

    run: Path
    eight_bit: bool = False
    _pending: list[_Pending] = field(default_factory=list)
    _flushed: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        path = self.run / MANIFEST
        for place in (self.run / "evidence", path.parent, path):
            if place.is_symlink():
                raise RunError(f"{place} is a link; a run lives in a directory of its own.")
        with self._guarded():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._base = sqlite3.connect(path, isolation_level=None, timeout=1.0)
            # Held until the store is closed, and freed by the system when the process dies: one scan a directory.
            self._base.execute("pragma locking_mode = exclusive")
            self._base.execute("pragma journal_mode = wal")
            self._base.execute("pragma synchronous = full")
            self._base.executescript("begin immediate;" + _TABLES + "commit;")

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """A full or read-only disk, or another scan at work, is a sentence."""
        try:
            yield
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise RunError(f"Another scan is writing to {self.run}; choose another --out.") from None
            raise RunError(self._lost(error)) from error
        except (OSError, sqlite3.Error) as error:
            raise RunError(self._lost(error)) from error

    def _lost(self, error: Exception) -> str:
        return (
            f"{self.run} cannot be written ({error}); "
            f"what was done before is safe: make room and continue with --resume."
        )

    def get(self, key: str) -> dict[str, Any] | None:
        """What is remembered of a batch, or None where it is still to do."""
        with self._guarded():
            row = self._base.execute("select value from done where key = ?", (key,)).fetchone()
        return None if row is None else json.loads(row[0])

    def put(
        self, key: str, value: Mapping[str, Any], place: tuple[str, Threat] | None = None, shard: Shard | None = None
    ) -> None:
        """Remember a finished batch and the evidence it found at `(model, threat)`; on disk within seconds."""
        self._pending.append(_Pending(key, json.dumps(value), place, shard))
        if time.monotonic() - self._flushed > _FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Bring everything to disk: first the shards, then, in one transaction, the manifest that names them.

        Raises:
            RunError: the disk is full or not writable; what was flushed before is safe.
        """
        if not self._pending:
            return
        with self._guarded():
            named = self._write_shards()
            with self._base:
                self._base.execute("begin")
                self._base.executemany(
                    "insert or replace into done values (?, ?, ?)",
                    [(p.key, p.value, named.get(i)) for i, p in enumerate(self._pending)],
                )
        self._pending.clear()
        self._flushed = time.monotonic()

    def _write_shards(self) -> dict[int, str]:
        import numpy as np

        groups: dict[tuple[str, Threat], list[int]] = {}
        for i, pending in enumerate(self._pending):
            if pending.place is not None and pending.shard is not None:
                groups.setdefault(pending.place, []).append(i)
        named: dict[int, str] = {}
        for (model, threat), members in groups.items():
            shards = [s for i in members if (s := self._pending[i].shard) is not None]
            path = self._next(folder(self.run, model, threat.norm, threat.eps))
            points = [s.points for s in shards if s.points is not None]
            joined = Shard(
                np.concatenate([s.index for s in shards]),
                np.concatenate([s.label for s in shards]),
                np.concatenate([s.original for s in shards]),
                np.concatenate([s.adversarial for s in shards]),
                np.concatenate(points) if points else None,
            )
            write_shard(path, joined, eight_bit=self.eight_bit)
            named.update(dict.fromkeys(members, path.relative_to(self.run).as_posix()))
        return named

    @staticmethod
    def _next(place: Path) -> Path:
        numbers = [int(path.stem) for path in place.glob("*.safetensors") if path.stem.isdigit()]
        return place / f"{max(numbers, default=-1) + 1:05d}.safetensors"

    def _sweep(self) -> None:
        """Remove what a killed run left half-way: temporary files, and shards that the manifest does not name."""
        named = {row[0] for row in self._base.execute("select distinct shard from done where shard is not null")}
        for path in (self.run / "evidence").glob("**/*"):
            unnamed = path.suffix == ".safetensors" and path.relative_to(self.run).as_posix() not in named
            if not path.is_symlink() and (path.suffix == ".tmp" or unnamed):
                path.unlink()

    def claim(self, facts: Mapping[str, Any]) -> None:
        """Tie the directory to what decides the outcome: settings, model and data digests, versions.

        Raises:
            UsageError: the directory belongs to a run that differs, with the names of what differs.
        """
        text = json.dumps(facts, sort_keys=True, default=str)
        with self._guarded():
            known = self._base.execute("select count(*) from meta where key = 'facts'").fetchone()[0]
            if not known and any((self.run / "evidence").glob("**/*.safetensors")):
                raise RunError(f"{self.run} holds the evidence of a run whose state is gone; choose another --out.")
        before, now = json.loads(self.remember("facts", text)), json.loads(text)
        if different := sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key)):
            raise UsageError(
                f"{self.run} was begun with other {', '.join(different)}; "
                f"resume it as it was begun, or choose another --out."
            )
        with self._guarded():
            self._sweep()

    def remember(self, key: str, value: Any) -> Any:
        """The value first remembered under `key`: a resumed run keeps it, whatever it would choose now."""
        if (known := self.recall(key)) is not None:
            return known
        with self._guarded():
            self._base.execute("insert into meta values (?, ?)", (key, json.dumps(value)))
        return value

    def recall(self, key: str) -> Any:
        """What is remembered under `key`, or None where nothing is yet."""
        with self._guarded():
            row = self._base.execute("select value from meta where key = ?", (key,)).fetchone()
        return None if row is None else json.loads(row[0])

    def close(self) -> None:
        """Flush and let go of the files."""
        try:
            self.flush()
        finally:
            self._base.close()


def batch_key(*parts: object) -> str:
    """A key of everything that decides what a batch of work gives."""
    return hashlib.sha256(json.dumps(parts, default=str, sort_keys=True).encode()).hexdigest()[:40]
