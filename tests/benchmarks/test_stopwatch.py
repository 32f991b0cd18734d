"""The stopwatch runs what the pages say, all of it and in their order."""

from __future__ import annotations

from pathlib import Path

from benchmarks.stopwatch import ways


def test_each_way_is_the_commands_of_its_page() -> None:
    gate, plugin = (commands for _, commands in ways(Path("auditor.whl"), None))
    assert [line.split()[0] for line in gate] == ["python3", "pip", "python", "mv", "auditor"]
    assert "--min-robust-accuracy 0.5 --out runs/both" in gate[-1]
    assert plugin == [
        "auditor plugins new my-attack --kind attack",
        "pip install -e auditor-my-attack",
        "auditor plugins",
        "auditor plugins check my-attack",
    ]
