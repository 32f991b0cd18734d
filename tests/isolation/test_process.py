"""However a process ends, what it was asked says so, in time, and nothing of it stays."""

from __future__ import annotations

import math
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from auditor.entry_points import Isolation
from auditor.isolation import process
from auditor.isolation.channel import Channel, Nonsense
from auditor.isolation.process import Lost, Process

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and process groups")

_READY = b'["ready", {}]'
_HELLO = f"import os, struct; os.write(1, struct.pack('<Q', {len(_READY)}) + {_READY!r}); os.read(0, 1); "

ENDS = {
    "leaves": ("os._exit(3)", "ended by itself, with exit status 3"),
    "crashes": ("import ctypes; ctypes.string_at(0)", "killed by SIGSEGV"),
    "aborts": ("os.abort()", "killed by SIGABRT"),
    "loops": ("\nwhile True: pass", "worked for more than 0.5 s and was stopped"),
    "sleeps in C": ("import ctypes; ctypes.CDLL(None).sleep(100)", "worked for more than 0.5 s and was stopped"),
    "speaks nonsense": ("os.write(1, b'nonsense' * 99); os.read(0, 99)", "sent what is no message"),
    "leaves others behind": ("p = os.fork(); import time; p or (os.setsid(), time.sleep(3)); os._exit(4)", "status 4"),
}
if sys.platform == "linux":
    ENDS["grows"] = ("a = []\nwhile True: a.append(bytearray(b'x' * 2**24))", "took more than 0.25 GiB of memory")


@pytest.mark.parametrize("how", ENDS)
def test_a_process_that_ends_or_takes_too_much_is_a_sentence(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_BOOT", _HELLO + ENDS[how][0])
    asked = Process("acme", Isolation(seconds=30.0 if how == "grows" else 0.5, memory=2.0**28))
    started = time.monotonic()
    with pytest.raises(Lost, match=ENDS[how][1]):
        asked.call("describe", {})
    assert time.monotonic() - started < 30


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_left_the_group_and_its_parents_is_ended_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    away = (
        "import time\nif not os.fork():\n os.setsid()\n if os.fork(): os._exit(0)\n"
        f" open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(60)\n"
        f"while not os.path.exists({str(tmp_path / 'pid')!r}): time.sleep(0.01)\n"
        "os._exit(4)"
    )
    monkeypatch.setattr(process, "_BOOT", _HELLO.rstrip("; ") + "\n" + away)
    with pytest.raises(Lost, match="status 4"):
        Process("acme", Isolation(seconds=30.0)).call("describe", {})
    stray = Path(f"/proc/{(tmp_path / 'pid').read_text()}/environ")
    until = time.monotonic() + 10

    def alive() -> bool:  # One that nobody has buried yet has no environment.
        with suppress(OSError):
            return bool(stray.read_bytes())
        return False

    while alive() and time.monotonic() < until:
        time.sleep(0.01)
    assert not alive()


def test_the_end_of_the_audits_own_time_is_told_from_a_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_BOOT", f"{_HELLO}\nwhile True: pass")
    monkeypatch.setattr(process, "_GRACE", 0.1)
    for deadline, late in ((time.monotonic() + 0.2, True), (math.inf, False)):
        with pytest.raises(Lost) as lost:
            Process("acme", Isolation(seconds=0.5)).call("describe", {}, deadline=deadline)
        assert lost.value.late is late


def test_a_process_that_never_starts_is_no_end_of_the_audits_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_BOOT", "while True: pass")
    monkeypatch.setattr(process, "_START", 0.3)
    with pytest.raises(Lost, match=r"worked for more than 0.3 s and was stopped") as lost:
        Process("acme", Isolation()).call("perturb", {}, deadline=math.inf)
    assert lost.value.late is False


def test_when_nobody_needs_it_any_more_the_process_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_BOOT", f"{_HELLO}\nwhile True: pass")
    life = Process("acme", Isolation())._started()
    pid = life._popen.pid
    os.kill(pid, 0)
    del life
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_tensors_arrive_as_they_were_sent(tmp_path: Path) -> None:
    told = {
        "image": torch.rand(2, 1, 3, 3).transpose(2, 3),
        "graph": torch.ones(2, requires_grad=True) * 2,
        "nobody": torch.empty(0, 4),
        "one": torch.tensor(3),
        "flags": torch.tensor([True, False]),
        "half": torch.ones(3, dtype=torch.bfloat16),
        "plain": [1, None, {"deep": math.inf}],
    }
    file = tmp_path / "pipe"
    with file.open("wb", 0) as write:
        Channel(write, write).send("kind", told)
    with file.open("rb", 0) as read:
        kind, got = Channel(read, read).receive()
    assert (kind, got["plain"]) == ("kind", told["plain"])
    for name, value in told.items():
        if isinstance(value, torch.Tensor):
            assert got[name].dtype is value.dtype
            assert torch.equal(got[name], value.detach())


@pytest.mark.parametrize(
    "text",
    ["7", '["kind", 7]', '["kind", {"x": {"\\u0000tensor": ["torch.float32", [-1]]}}]', "[", "\ufffd",
     '["kind", {"x": {"\\u0000tensor": ["torch.float32", [4000000000]]}}]',
     '["kind", {"x": {"\\u0000tensor": ["builtins.exec", [1]]}}]'],
)  # fmt: skip
def test_what_is_no_message_is_not_believed(tmp_path: Path, text: str) -> None:
    content = text.encode()
    (tmp_path / "pipe").write_bytes(len(content).to_bytes(8, "little") + content)
    with (tmp_path / "pipe").open("rb", 0) as read, pytest.raises(Nonsense):
        Channel(read, read).receive()
