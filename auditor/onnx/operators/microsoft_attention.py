"""Attention and embeddings of ONNX Runtime's own domain, as its optimiser for transformers writes them."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from auditor.onnx.node import Node
from auditor.onnx.operators.microsoft import DOMAIN
from auditor.onnx.operators.quantisation import along, dequantise
from auditor.onnx.registry import Kernel, operator

Attend = tuple[Tensor, Tensor, Tensor]


def _heads(x: Tensor, count: int) -> Tensor:
    """(batch, time, heads * size) to (batch, heads, time, size); four dimensions are in that order already."""
    return x if x.dim() == 4 else x.reshape(*x.shape[:2], count, -1).transpose(1, 2)


def _visible(node: Node, mask: Tensor, batch: int, queries: int, keys: int) -> Tensor:
    """Which keys each query may see, (batch, 1, queries or 1, keys), from any of the forms that a mask has."""
    if mask.dim() > 1:
        while mask.dim() < 4:
            mask = mask.unsqueeze(1)
        # A square mask of the longest sequence ever is cut to the rows and columns at hand.
        rows = mask if mask.shape[2] in (1, queries) else mask[:, :, keys - queries : keys]
        return rows[..., :keys] > 0
    place = torch.arange(keys, device=mask.device)
    if mask.shape[0] == batch:  # the number of keys of each row
        return (place < mask.unsqueeze(1))[:, None, None]
    if mask.shape[0] == 2 * batch:  # the ends of all rows, then their starts
        ends, starts = mask[:batch].unsqueeze(1), mask[batch:].unsqueeze(1)
        return ((place < ends) & (place >= starts))[:, None, None]
    raise node.error(f"has a mask of the shape {tuple(mask.shape)}, which fits no form of a mask that the twin knows")


class Attention:
    """Scaled dot-product attention with the masks and defaults of com.microsoft."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.heads = node.integer("num_heads", 1)
        self.causal = bool(node.integer("unidirectional", 0))
        self.scale = node.number("scale", 0.0)
        self.hidden = node.number("mask_filter_value", -10000.0)
        if node.integer("do_rotary", 0):
            raise node.error("rotates positions inside of the attention, which the twin does not do")
        if node.integer("past_present_share_buffer", 0):
            raise node.error("shares one buffer between past and present, which only text generation needs")

    def __call__(
        self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, bias: Tensor | None = None
    ) -> Tensor:
        """(batch, heads, time, size) each; the answer is (batch, time, heads * size)."""
        queries, keys = q.shape[2], k.shape[2]
        scores = (q * (self.scale or 1 / math.sqrt(q.shape[-1]))) @ k.mT
        if bias is not None:
            scores = scores + bias
        if mask is not None:
            visible = _visible(self.node, mask, q.shape[0], queries, keys)
            scores = scores + torch.where(visible, 0.0, self.hidden).to(scores.dtype)
        if self.causal:
            later = torch.ones(queries, keys, dtype=torch.bool, device=q.device).triu(keys - queries + 1)
            scores = scores.masked_fill(later, torch.finfo(scores.dtype).min)
        return (torch.softmax(scores, -1) @ v).transpose(1, 2).flatten(2)

    def with_past(self, k: Tensor, v: Tensor, past: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Keys and values behind those of the past, and both together as the next step's past."""
        if past is not None:
            k, v = torch.cat([past[0], k], 2), torch.cat([past[1], v], 2)
        return k, v, torch.stack([k, v]) if k.shape == v.shape else k.new_zeros(0)


@operator("Attention", domain=DOMAIN)
def attention(node: Node) -> Kernel:
    attend, sizes = Attention(node), node.integers("qkv_hidden_sizes")

    def run(
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        mask: Tensor | None = None,
        past: Tensor | None = None,
        attention_bias: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        projected = F.linear(x, weight.t(), bias)
        parts = projected.chunk(3, -1) if not sizes else torch.split(projected, sizes, -1)
        q, k, v = (_heads(part, attend.heads) for part in parts)
        k, v, present = attend.with_past(k, v, past)
        return attend(q, k, v, mask, attention_bias), present

    return run


@operator("QAttention", domain=DOMAIN)
def quantised_attention(node: Node) -> Kernel:
    plain = attention(node)

    def run(
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        x_scale: Tensor,
        weight_scale: Tensor,
        mask: Tensor | None = None,
        x_zero: Tensor | None = None,
        weight_zero: Tensor | None = None,
        past: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        zero = None if weight_zero is None else along(weight_zero, weight, -1)
        floats = dequantise(weight, along(weight_scale, weight, -1), zero)
        result: tuple[Tensor, Tensor] = plain(dequantise(x, x_scale, x_zero), floats, bias, mask, past)
        return result

    return run


def _separate(query: Tensor, key: Tensor | None, value: Tensor | None) -> Attend:
    """Query, key and value, which may come packed into five dimensions: (batch, time, heads, 3 or 2, size)."""
    if key is None:
        q, k, v = query.unbind(3)
        return q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
    if value is None:
        k, v = key.unbind(3)
        return query, k.transpose(1, 2), v.transpose(1, 2)
    return query, key, value


def _biased(parts: Attend, bias: Tensor | None, heads: int) -> Attend:
    """Heads apart, with the common bias added to each part that is not a finished cache."""
    q, k, v = (_heads(part, heads) for part in parts)
    if bias is None:
        return q, k, v
    width = q.shape[-1] * heads
    split = torch.split(bias, [width, width, bias.shape[0] - 2 * width])
    biases = [_heads(part.reshape(1, 1, -1), heads) for part in split]
    # Keys and values with four dimensions come from another attention, which has added its bias.
    q, k, v = (p if given.dim() == 4 else p + b for p, b, given in zip((q, k, v), biases, parts, strict=True))
    return q, k, v


@operator("MultiHeadAttention", domain=DOMAIN)
def multi_head_attention(node: Node) -> Kernel:
    attend = Attention(node)

    def run(
        query: Tensor,
        key: Tensor | None = None,
        value: Tensor | None = None,
        bias: Tensor | None = None,
        mask: Tensor | None = None,
        attention_bias: Tensor | None = None,
        past_key: Tensor | None = None,
        past_value: Tensor | None = None,
        *_: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v = _biased(_separate(query, key, value), bias, attend.heads)
        if past_key is not None and past_value is not None:
            k, v = torch.cat([past_key, k], 2), torch.cat([past_value, v], 2)
        return attend(q, k, v, mask, attention_bias), k, v

    return run


@operator("RotaryEmbedding", domain=DOMAIN)
def rotary_embedding(node: Node) -> Kernel:
    interleaved, heads = bool(node.integer("interleaved", 0)), node.integer("num_heads", 0)
    if node.integer("is_packed_batching", 0):
        raise node.error("rotates a packed batch, which the twin does not do")

    def run(x: Tensor, position: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
        width = 2 * cosines.shape[-1]
        size = x.shape[-1] if x.dim() == 4 else x.shape[-1] // heads if heads else width
        parts = _heads(x, x.shape[-1] // size)
        place = position if position.dim() == 2 else position + torch.arange(parts.shape[2], device=x.device)
        angle_cos, angle_sin = (F.embedding(place, table) for table in (cosines, sines))
        angle_cos, angle_sin = angle_cos.unsqueeze(-3), angle_sin.unsqueeze(-3)
        turned, rest = parts[..., :width], parts[..., width:]
        a, b = (turned[..., ::2], turned[..., 1::2]) if interleaved else turned.chunk(2, -1)
        new = (a * angle_cos - b * angle_sin, a * angle_sin + b * angle_cos)
        joined = torch.stack(new, -1).flatten(-2) if interleaved else torch.cat(new, -1)
        y = torch.cat([joined, rest], -1)
        return y if x.dim() == 4 else y.transpose(1, 2).flatten(2)

    return run


@operator("EmbedLayerNormalization", domain=DOMAIN)
def embed_layer_normalisation(node: Node) -> Kernel:
    eps = node.number("epsilon", 1e-12)

    def run(
        ids: Tensor,
        segments: Tensor | None,
        words: Tensor,
        positions: Tensor,
        segment_table: Tensor | None,
        scale: Tensor,
        shift: Tensor,
        mask: Tensor | None = None,
        place: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        place = torch.arange(ids.shape[1], device=ids.device) if place is None else place
        total = F.embedding(ids, words) + F.embedding(place, positions)
        if segments is not None and segment_table is not None:
            total = total + F.embedding(segments, segment_table)
        lengths = ids.new_zeros(ids.shape[0]) if mask is None else mask.sum(1)
        return F.layer_norm(total, scale.shape, scale, shift, eps), lengths.int(), total

    return run


@operator("QEmbedLayerNormalization", domain=DOMAIN)
def quantised_embed_layer_normalisation(node: Node) -> Kernel:
    plain = embed_layer_normalisation(node)

    def run(ids: Tensor, segments: Tensor | None, *rest: Tensor | None) -> tuple[Tensor, Tensor]:
        words, positions, segment_table, scale, shift, mask, *parameters = rest
        scales, zeros = parameters[:5], parameters[5:]
        tables = (words, positions, segment_table, scale, shift)
        floats = [
            None if table is None or factor is None else dequantise(table, factor, zero)
            for table, factor, zero in zip(tables, scales, zeros, strict=True)
        ]
        y, lengths, _ = plain(ids, segments, *floats, mask)
        return y, lengths

    return run
