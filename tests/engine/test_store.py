"""What is done survives; a resumed directory holds nothing half-made."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from auditor.engine.store import Store, batch_key
from auditor.errors import RunError, UsageError
from auditor.result.evidence import Shard, read_evidence
from auditor.types import Norm, Threat
from tests.children import started

THREAT = Threat(norm=Norm.LINF, eps=0.1)


def shard(*indices: int) -> Shard:
    index = np.array(indices)
    x = np.repeat(index.astype(np.float32) / 255.0, 4).reshape(-1, 1, 2, 2)
    return Shard(index, index % 2, x, x + np.float32(0.05))


def test_a_batch_is_remembered_across_processes(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put("a", {"broken": [1]}, ("m", THREAT), shard(1, 2))
    store.close()
    again = Store(tmp_path)
    assert again.get("a") == {"broken": [1]}
    assert again.get("b") is None
    (kept,) = read_evidence(tmp_path, "m", "linf", 0.1)
    assert kept.index.tolist() == [1, 2]
    assert np.array_equal(kept.adversarial, shard(1, 2).adversarial)


def test_8_bit_originals_come_back_exactly(tmp_path: Path) -> None:
    store = Store(tmp_path, eight_bit=True)
    store.put("a", {}, ("m", THREAT), shard(3, 200))
    store.close()
    (kept,) = read_evidence(tmp_path, "m", "linf", 0.1)
    assert np.array_equal(kept.original, shard(3, 200).original)
    assert next((tmp_path / "evidence").glob("**/*.safetensors")).stat().st_size < 600


def test_what_no_manifest_names_is_swept_away_once_the_run_is_known(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.claim({"seed": 0})
    store.put("a", {}, ("m", THREAT), shard(1))
    store.close()
    place = next((tmp_path / "evidence").glob("**/*.safetensors")).parent
    (place / "00001.safetensors").write_bytes(b"half")
    (place / "00002.safetensors.tmp").write_bytes(b"half")
    Store(tmp_path).claim({"seed": 0})
    assert [path.name for path in place.iterdir()] == ["00000.safetensors"]


def test_a_directory_belongs_to_one_run(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.claim({"seed": 0, "suite": "quick"})
    store.claim({"seed": 0, "suite": "quick"})
    with pytest.raises(UsageError, match="seed"):
        store.claim({"seed": 1, "suite": "quick"})


def test_a_choice_made_once_is_kept(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.remember("batch size", 64) == 64
    assert store.remember("batch size", 32) == 64


def test_a_directory_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where a folder should be")
    with pytest.raises(RunError, match="cannot be written"):
        Store(tmp_path)


def test_a_full_disk_is_a_sentence_and_loses_nothing_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    store.put("a", {"n": 1}, ("m", THREAT), shard(1))
    store.flush()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("auditor.engine.store.write_shard", full)
    store.put("b", {"n": 2}, ("m", THREAT), shard(2))
    with pytest.raises(RunError, match="--resume"):
        store.flush()
    monkeypatch.undo()
    store._pending.clear()
    store.close()
    again = Store(tmp_path)
    assert again.get("a") == {"n": 1}
    assert again.get("b") is None


def test_keys_tell_all_parts_apart() -> None:
    assert batch_key("a", 1) == batch_key("a", 1)
    assert len({batch_key("a", 1), batch_key("a", 2), batch_key("a1"), batch_key("a", [1])}) == 4


def test_kill_9_leaves_a_whole_manifest_that_names_whole_shards(tmp_path: Path) -> None:
    code = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        import numpy as np
        from auditor.engine.store import Store
        from auditor.result.evidence import Shard
        from auditor.types import Norm, Threat
        store = Store(Path(sys.argv[1]))
        for i in range(10_000):
            x = np.full((2, 1, 64, 64), i, dtype=np.float32)
            shard = Shard(np.array([i, i]), np.array([0, 0]), x, x)
            store.put(str(i), {"i": i}, ("m", Threat(norm=Norm.LINF, eps=0.1)), shard)
            store.flush()
            print(i, flush=True)
        """
    )
    last = 0
    with started([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for line in process.stdout:
            last = int(line)
            if last >= 25:
                break
        process.kill()
    store = Store(tmp_path)
    assert all(store.get(str(i)) == {"i": i} for i in range(last + 1))
    for kept in read_evidence(tmp_path, "m", "linf", 0.1):
        assert store.get(str(int(kept.index[0]))) is not None
        assert (kept.adversarial == kept.index[0]).all()


def test_one_scan_a_directory(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.claim({"seed": 0})
    with pytest.raises(RunError, match="Another scan"):
        Store(tmp_path)
    store.close()
    Store(tmp_path).close()


def test_evidence_without_its_state_is_not_swept_but_refused(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.claim({"seed": 0})
    store.put("a", {}, ("m", THREAT), shard(1))
    store.close()
    for path in (tmp_path / "state").iterdir():
        path.unlink()
    with pytest.raises(RunError, match="state is gone"):
        Store(tmp_path).claim({"seed": 0})
    assert len(list(read_evidence(tmp_path, "m", "linf", 0.1))) == 1


def test_links_are_not_followed(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "mine.safetensors").write_bytes(b"precious")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "evidence").symlink_to(foreign)
    with pytest.raises(RunError, match="is a link"):
        Store(tmp_path / "run")
    assert (foreign / "mine.safetensors").exists()
