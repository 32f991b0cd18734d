"""ONNX tensors and element types in torch's terms."""

from __future__ import annotations

import numpy as np
import onnx
import torch
from onnx import TensorProto, numpy_helper
from onnx.external_data_helper import uses_external_data

from auditor.errors import ModelError

_DTYPES: dict[int, torch.dtype] = {
    TensorProto.FLOAT: torch.float32,
    TensorProto.DOUBLE: torch.float64,
    TensorProto.FLOAT16: torch.float16,
    TensorProto.BFLOAT16: torch.bfloat16,
    TensorProto.BOOL: torch.bool,
    TensorProto.INT8: torch.int8,
    TensorProto.INT16: torch.int16,
    TensorProto.INT32: torch.int32,
    TensorProto.INT64: torch.int64,
    TensorProto.UINT8: torch.uint8,
    TensorProto.UINT16: torch.uint16,
    TensorProto.UINT32: torch.uint32,
    TensorProto.UINT64: torch.uint64,
    TensorProto.FLOAT8E4M3FN: torch.float8_e4m3fn,
    TensorProto.FLOAT8E4M3FNUZ: torch.float8_e4m3fnuz,
    TensorProto.FLOAT8E5M2: torch.float8_e5m2,
    TensorProto.FLOAT8E5M2FNUZ: torch.float8_e5m2fnuz,
}
# torch has no arithmetic on four bits: the values are held in eight, the range is kept apart (integer_range).
NARROW: dict[int, torch.dtype] = {TensorProto.INT4: torch.int8, TensorProto.UINT4: torch.uint8}


def torch_dtype(element_type: int) -> torch.dtype:
    """The torch dtype that holds an ONNX element type; ModelError for strings, complex and exotic types."""
    dtype = _DTYPES.get(element_type)
    if dtype is None:
        raise ModelError(f"The twin cannot hold tensors of the ONNX type {type_name(element_type)}.")
    return dtype


def type_name(element_type: int) -> str:
    """`FLOAT` for 1 and so on; the number itself where ONNX knows no name for it."""
    names: dict[int, str] = {number: name for name, number in TensorProto.DataType.items()}
    return names.get(element_type, str(element_type))


def to_torch(proto: onnx.TensorProto) -> torch.Tensor:
    """A tensor of its own memory with the proto's values; ModelError where the proto is damaged."""
    if uses_external_data(proto):
        raise ModelError(f"The tensor {proto.name!r} lies in another file, from where it was not loaded.")
    dtype = NARROW.get(proto.data_type) or torch_dtype(proto.data_type)
    try:
        array = numpy_helper.to_array(proto)
    except Exception as error:  # numpy, struct and onnx each raise their own on a damaged tensor
        raise ModelError(f"The tensor {proto.name!r} of the model file is damaged: {error}.") from error
    if dtype == torch.bfloat16 or (dtype.itemsize == 1 and dtype.is_floating_point):
        bits = array.view(np.uint8 if dtype.itemsize == 1 else np.uint16)
        return torch.from_numpy(np.array(bits)).view(dtype)
    if proto.data_type in NARROW:
        array = array.astype(np.int8 if dtype == torch.int8 else np.uint8)
    return torch.from_numpy(np.array(array, order="C"))


def integer_range(dtype: torch.dtype) -> tuple[int, int]:
    """The least and the greatest value of an integer type."""
    info = torch.iinfo(dtype)
    return info.min, info.max


def integer_range_of_type(element_type: int) -> tuple[int, int]:
    """As `integer_range`, for an ONNX type; it knows the types of four bits too."""
    if element_type == TensorProto.INT4:
        return -8, 7
    return (0, 15) if element_type == TensorProto.UINT4 else integer_range(torch_dtype(element_type))
