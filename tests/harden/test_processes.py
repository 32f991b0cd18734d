"""Several processes that train one network, as `torchrun` starts them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import textwrap
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch

from auditor.errors import UsageError
from auditor.harden.crew import own_device, rank_here
from tests.children import started
from tests.harden.shared import CASES, trained

ROOT = Path(__file__).parents[2]


def together(script: str, *arguments: object, world: int = 2) -> list[subprocess.CompletedProcess[str]]:
    """Run a script in as many processes at once, which find each other as under `torchrun`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(world)}
    command = [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)]
    pipe, ended = subprocess.PIPE, []
    with ExitStack() as running:
        processes = []
        for rank in range(world):
            env = {**os.environ, **place, "RANK": str(rank), "LOCAL_RANK": str(rank)}
            processes.append(running.enter_context(started(command, cwd=ROOT, env=env, stdout=pipe, stderr=pipe)))
        for process in processes:
            out, err = process.communicate(timeout=60)
            ended.append(subprocess.CompletedProcess(process.args, process.returncode, out, err))
    return ended


def test_two_processes_train_what_one_trains_and_the_last_says_so_when_the_other_ends(tmp_path: Path) -> None:
    """One pair of processes for all of it: each of them has to import torch."""
    ended = together(
        """
        import sys
        from pathlib import Path
        import torch
        from auditor.errors import RunError
        from auditor.harden.crew import joined
        from tests.harden.shared import CASES, trained

        folder = Path(sys.argv[1])
        with joined() as crew:
            for name in CASES:
                progress, weights = trained(name, folder / name, crew)
                torch.save((progress.record(), weights), folder / f"{name}-{crew.rank}.pt")
            if crew.rank == 1:
                raise SystemExit(5)
            try:
                crew.wait()
            except RunError as error:
                raise SystemExit(f"said: {error}") from None
        """,
        tmp_path,
    )
    assert [each.returncode for each in ended] == [1, 5], "\n".join(each.stderr for each in ended)
    assert ended[0].stderr.startswith("said: Process 0 of 2 lost the others")
    for name in CASES:
        expected, weights = trained(name, tmp_path / f"{name}-alone")
        for rank in (0, 1):
            progress, found = torch.load(tmp_path / f"{name}-{rank}.pt")
            assert [e["score"] for e in progress["history"]] == [e.score.record() for e in expected.history], name
            losses = [e["loss"] for e in progress["history"]]
            assert losses == pytest.approx([e.loss for e in expected.history], rel=1e-4), name
            assert found.keys() == weights.keys()
            for key, value in weights.items():
                torch.testing.assert_close(found[key], value, rtol=1e-3, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}")
        # What both wrote is one file, made by the first.
        assert sorted(path.name for path in (tmp_path / name).iterdir()) == ["best.pt", "last.pt"]


def test_alone_unless_started_with_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert rank_here() == 0  # Others than torchrun set these two as well; where to meet is not said.
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", "1")
    assert rank_here() == 1
    monkeypatch.setenv("RANK", "first")
    with pytest.raises(UsageError, match="RANK='first', which is no whole number: start processes with torchrun"):
        rank_here()


def test_each_process_of_a_host_takes_its_own_device(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"RANK": 5, "WORLD_SIZE": 8, "LOCAL_RANK": 1, "MASTER_ADDR": "there", "MASTER_PORT": 1}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert own_device(torch.device("cpu")) == torch.device("cpu")
    assert own_device(torch.device("cuda")) == torch.device("cuda:1")
    with pytest.raises(UsageError, match="a CUDA device of its own, and here are 2"):
        own_device(torch.device("cuda:0"))
