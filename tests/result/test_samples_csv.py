"""`samples.csv` is read back as it was written, older tables included."""

from dataclasses import replace
from pathlib import Path

from auditor.result.samples_csv import Row, read_rows, write_rows

ROW = Row(
    model="m",
    norm="linf",
    eps=0.1,
    index=0,
    label=3,
    clean_prediction=3,
    clean_correct=True,
    outcome="broken",
    broken_by="pgd",
    adversarial_prediction=5,
    adversarial_confidence=0.1 + 0.2,
    distance=0.1,
    clean_confidence=1 / 3,
    name="three.png",
    passes=1234,
    digest="0f" * 12,
)


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    rows = [ROW, replace(ROW, index=1, passes=0), replace(ROW, index=2, passes=None, distance=None)]
    write_rows(tmp_path / "samples.csv", rows)
    assert list(read_rows(tmp_path / "samples.csv")) == rows


def test_a_table_from_before_passes_were_counted_and_samples_had_digests_is_still_read(tmp_path: Path) -> None:
    path = tmp_path / "samples.csv"
    write_rows(path, [ROW])
    lines = [line.rsplit(",", 3)[0] for line in path.read_text().splitlines()]
    path.write_text("\n".join(lines) + "\n")
    assert "passes" not in path.read_text()
    assert list(read_rows(path)) == [replace(ROW, passes=None, digest="")]
