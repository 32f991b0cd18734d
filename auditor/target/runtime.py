"""ONNX Runtime as a network: torch tensors in, torch tensors out, on the device where the session runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import torch  # before onnxruntime, which then finds torch's CUDA libraries

# isort: split
import onnxruntime as ort
from torch.utils.dlpack import from_dlpack

from auditor.errors import ModelError, UsageError
from auditor.target.limits import too_long

T = TypeVar("T")
_PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
DTYPES = {
    "tensor(float)": torch.float32,
    "tensor(float16)": torch.float16,
    "tensor(bfloat16)": torch.bfloat16,
    "tensor(double)": torch.float64,
    "tensor(uint8)": torch.uint8,
    "tensor(int8)": torch.int8,
    "tensor(int16)": torch.int16,
    "tensor(int32)": torch.int32,
    "tensor(int64)": torch.int64,
}
_ON_GPU = {"CUDAExecutionProvider", "TensorrtExecutionProvider"}
_UNKNOWN_OPERATOR = re.compile(
    r"No Op registered for (\S+)|error: ([\w.:-]+)\(-?\d+\) is not a registered|an implementation for (\w+)\("
)
_UNKNOWN_OPSET = re.compile(r"Opset (\d+) is under development.*official support for domain \S+ is till opset (\d+)")
_FAILED_NODE = re.compile(r"Non-zero status code returned while running (\w+) node\. Name:'([^']*)' Status Message: ")
_UNNAMED = re.compile(r"Node \(\) Op \((\w+)\)")
_SOURCE_PLACE = re.compile(r"/\S+\.(?:h|cc):\d+ \S+.*?\) (?=\S)")


def open_session(model: Path | bytes, device: torch.device, providers: Sequence[str] = ()) -> ort.InferenceSession:
    """A session on `device`, or on the providers asked for (`tensorrt`, `cuda`, `cpu`, or ONNX Runtime's names).

    Where CUDA is wanted because of `device` alone and ONNX Runtime cannot have it, the session runs on the CPU;
    `session.get_providers()` tells.

    Raises:
        ModelError: ONNX Runtime refuses the model.
        UsageError: a provider was asked for by name that ONNX Runtime cannot have.
    """
    asked = [_provider(name) for name in providers]
    options = ort.SessionOptions()
    # What goes wrong comes as an exception, which says it once; the same on stderr would be noise.
    options.log_severity_level = 4
    options.intra_op_num_threads = torch.get_num_threads()
    # The twin's passes alternate with the session's: threads that spin while waiting would take its cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    wanted = asked or (["CUDAExecutionProvider"] if device.type == "cuda" else [])
    arguments = [(name, _provider_options(name, device)) for name in wanted if name != "CPUExecutionProvider"]
    try:
        source = model if isinstance(model, bytes) else str(model)
        # Its own fallback prints, and could move a session to another device in the middle of an audit.
        session = ort.InferenceSession(
            source, options, providers=[*arguments, "CPUExecutionProvider"], enable_fallback=0
        )
    except Exception as error:  # its classes share no base but Exception
        raise ModelError(f"ONNX Runtime cannot load the model: {_sentence(error)}") from error
    missing = [name for name in asked if name not in session.get_providers()]
    if missing:
        raise UsageError(
            f"ONNX Runtime has no {missing[0]} here; it has {', '.join(session.get_providers())}. "
            "Leave the provider out, or install the package of ONNX Runtime and the libraries that it needs."
        )
    return session


def _provider(name: str) -> str:
    if name.lower() in _PROVIDERS:
        return _PROVIDERS[name.lower()]
    if name in ort.get_all_providers():
        return name
    raise UsageError(f"There is no execution provider {name!r}; choose from {', '.join(sorted(_PROVIDERS))}.")


def _provider_options(name: str, device: torch.device) -> dict[str, str]:
    place = {"device_id": str(device.index or 0)} if name in _ON_GPU else {}
    # TF32 moves logits by a thousandth, more than the batch or the machine may change what is counted.
    return place | ({"use_tf32": "0"} if name == "CUDAExecutionProvider" else {})


@contextmanager
def full_precision() -> Iterator[None]:
    """Convolutions of torch on CUDA without TF32, as in the sessions that they are compared with."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def _nothing(x: torch.Tensor) -> Mapping[str, torch.Tensor]:
    return {}


class Runtime:
    """One input and one output of a session as a `Network`: `(N, …)` of any dtype and device to raw outputs there.

    Integers are rounded and kept inside their type's range. On the CPU inputs are not copied.

    Args:
        others: what the session's further inputs get beside a batch, by name.
        limit: seconds after which a pass is stopped; None for graphs that cannot but end.
    """

    def __init__(
        self,
        session: ort.InferenceSession,
        input_name: str,
        output_name: str,
        device: torch.device,
        others: Callable[[torch.Tensor], Mapping[str, torch.Tensor]] = _nothing,
        limit: float | None = None,
    ) -> None:
        self._session, self._limit = session, limit
        self._others = others
        self._input, self._output = input_name, output_name
        self.dtype = input_dtype(session, input_name)
        on_gpu = not _ON_GPU.isdisjoint(session.get_providers())
        self.device = torch.device("cuda", device.index or 0) if on_gpu else torch.device("cpu")

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Raw outputs for `x`, without a graph.

        Raises:
            ModelError: ONNX Runtime does not run on such inputs, or not within the limit.
        """
        value = self._cast(x.detach()).to(self.device).contiguous()
        try:
            raw = self._run(value)
        except ModelError:
            raise
        except Exception as error:  # its classes share no base but Exception
            shape = "x".join(map(str, x.shape))
            raise ModelError(f"ONNX Runtime does not run on inputs of shape {shape}: {_sentence(error)}") from error
        return raw.to(x.device)

    def _run(self, value: torch.Tensor) -> torch.Tensor:
        values = {self._input: value, **self._others(value)}
        if self.device.type == "cpu" and all(v.dtype is not torch.bfloat16 for v in values.values()):
            # Shares its memory with numpy as well, and costs a fifth of a binding: much where a batch is a loop.
            feeds = {name: given.numpy() for name, given in values.items()}
            return torch.from_numpy(self._limited(lambda how: self._session.run([self._output], feeds, how))[0])
        binding = self._session.io_binding()
        for name, given in values.items():
            binding.bind_ortvalue_input(name, ort.OrtValue.from_dlpack(given))
        binding.bind_output(self._output, self.device.type, self.device.index or 0)
        if self.device.type == "cuda":
            # The session computes on a stream of its own and does not wait for torch's.
            torch.cuda.current_stream(self.device).synchronize()
        self._limited(lambda how: self._session.run_with_iobinding(binding, how))
        # Cloned, since the memory belongs to the session, which may go before the answer does.
        return from_dlpack(binding.get_outputs()[0]).clone()

    def _limited(self, run: Callable[[ort.RunOptions | None], T]) -> T:
        return run(None) if self._limit is None else _stoppable(run, self._limit)

    def _cast(self, x: torch.Tensor) -> torch.Tensor:
        if not self.dtype.is_floating_point and x.is_floating_point():
            bounds = torch.iinfo(self.dtype)
            x = x.round().clamp(bounds.min, bounds.max)
        return x.to(self.dtype)


def _stoppable(run: Callable[[ort.RunOptions], T], seconds: float) -> T:
    """What `run` returns, which runs a session with the options that it is given; Ctrl-C and `seconds` stop it.

    A session never looks at signals. So it runs in a thread of its own, and is told to end between two nodes.

    Raises:
        TooLong: it took longer.
    """
    options = ort.RunOptions()
    options.log_severity_level = 4
    with ThreadPoolExecutor(1) as worker:
        running = worker.submit(run, options)
        try:
            return running.result(seconds)
        except TimeoutError:
            raise too_long(seconds) from None
        finally:
            options.terminate = True


def input_dtype(session: ort.InferenceSession, name: str) -> torch.dtype:
    """The dtype of an input.

    Raises:
        ModelError: it takes no numbers, but strings, booleans, sequences or such.
    """
    kind = next(argument.type for argument in session.get_inputs() if argument.name == name)
    if kind not in DTYPES:
        raise ModelError(f"The model's input {name!r} is a {kind}; auditor feeds numbers: {', '.join(DTYPES)}.")
    return DTYPES[kind]


def _sentence(error: Exception) -> str:
    """What ONNX Runtime complains about, in one line without the places in its source."""
    text = " ".join(str(error).split())
    if match := _UNKNOWN_OPERATOR.search(text):
        name = next(group for group in match.groups() if group)
        return f"it does not know the operator {name}, which may come from a custom library or a newer version."
    if match := _UNKNOWN_OPSET.search(text):
        return (
            f"the file uses opset {match[1]}, and ONNX Runtime {ort.__version__} reads up to {match[2]}; "
            "export it with an older opset or install a newer onnxruntime."
        )
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", text)
    text = re.sub(r"^Load model from .*? failed: ?", "", text)
    text = _UNNAMED.sub(r"a \1 node without a name:", _FAILED_NODE.sub(_failed_node, text))
    text = _SOURCE_PLACE.sub("", text).strip().rstrip(".")
    return (text[:400] + " …" if len(text) > 400 else text) + "."


def _failed_node(match: re.Match[str]) -> str:
    operator, name = match.groups()
    return f"its {operator} node {name!r} fails: " if name else f"a {operator} node without a name fails: "
