"""Messages between two processes: a kind, plain fields and tensors. Nothing that arrives is ever executed."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from typing import Any, BinaryIO

import torch
from torch import Tensor

_MOST = 1 << 31
"""Bytes of the fields, and of the tensors, of one message."""
_LENGTH = struct.Struct("<Q")
_TENSOR = "\0tensor"
_TYPES = {
    str(kind): kind
    for kind in (
        *(torch.float16, torch.bfloat16, torch.float32, torch.float64),
        *(torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
    )
}


class Nonsense(Exception):
    """What arrived is no message."""


class Channel:
    """Two streams of bytes without buffers of their own. Raises EOFError and OSError where the other side is gone.

    Args:
        wait: called with a stream before each read, and where a write found no room; may raise.
    """

    def __init__(self, read: BinaryIO, write: BinaryIO, wait: Callable[[BinaryIO], None] = lambda stream: None) -> None:
        self._read, self._write, self._wait = read, write, wait

    def send(self, kind: str, fields: dict[str, Any]) -> None:
        """Fields are what JSON can hold, and tensors, also those of another device or with a graph."""
        tensors: list[Tensor] = []

        def put(value: Any) -> Any:
            if not isinstance(value, Tensor):
                raise TypeError(f"{type(value).__name__} cannot be sent")
            tensors.append(value.detach().cpu().contiguous())
            return {_TENSOR: [str(value.dtype), list(value.shape)]}

        header = json.dumps([kind, fields], default=put).encode()
        self._put(_LENGTH.pack(len(header)) + header)
        for tensor in tensors:
            self._put(tensor.reshape(-1).view(torch.uint8).numpy() if tensor.numel() else b"")

    def receive(self) -> tuple[str, dict[str, Any]]:
        """The next message. Raises Nonsense."""
        (length,) = _LENGTH.unpack(self._get(_LENGTH.size))
        if length > _MOST:
            raise Nonsense(f"a message of {length} bytes")
        left = _MOST

        def take(value: dict[str, Any]) -> Any:
            nonlocal left
            if _TENSOR not in value:
                return value
            name, shape = value[_TENSOR]
            dtype = _TYPES[name]
            if not all(isinstance(size, int) and size >= 0 for size in shape):
                raise Nonsense(f"a tensor of shape {shape}")
            left -= (size := math.prod(shape) * dtype.itemsize)
            if left < 0:
                raise Nonsense(f"a tensor of {size} bytes")
            return (
                torch.frombuffer(self._get(size), dtype=dtype).view(shape) if size else torch.empty(shape, dtype=dtype)
            )

        try:
            kind, fields = json.loads(self._get(length), object_hook=take)
        except (ValueError, KeyError, TypeError, RuntimeError) as error:
            raise Nonsense(str(error)) from error
        if not (isinstance(kind, str) and isinstance(fields, dict)):
            raise Nonsense("no message")
        return kind, fields

    def _put(self, content: Any) -> None:
        rest = memoryview(content).cast("B")
        while rest:
            count = self._write.write(rest)
            if not count:
                self._wait(self._write)
            rest = rest[count or 0 :]

    def _get(self, size: int) -> bytearray:
        content = bytearray(size)
        rest = memoryview(content)
        while rest:
            self._wait(self._read)
            count = self._read.readinto(rest)  # type: ignore[attr-defined]
            if not count:
                raise EOFError
            rest = rest[count:]
        return content
