"""ATen's attention of several heads, alone and in an encoder's layer, as ONNX's nodes.

``nn.MultiheadAttention`` and ``nn.TransformerEncoderLayer`` call these operators at inference (``aten/src/ATen/native/transformers``).
"""

from typing import Any

from ..from_onnx.writer import Ref, Writer
from .recurrent import Handler


def _linear(w: Writer, x: Ref, weight: Ref, bias: Ref) -> Ref:
    return w.one("Add", w.one("MatMul", x, w.one("Transpose", weight, perm=[1, 0]), rank=x.rank), bias)


def _attended(w: Writer, x: Ref, heads: int, parts: tuple[Ref, Ref, Ref, Ref], mask: Ref | None, mask_type: int | None) -> Ref:
    """What rows (batch, steps, numbers) look at in each other. parts: weight and bias of queries, keys and values together, and behind."""
    w.require(mask_type != 1, "has a mask of padding")
    joint, joint_bias, behind, behind_bias = parts
    q, k, v = w.several("Split", [_linear(w, x, joint, joint_bias)], 3, [x.rank] * 3, axis=2, num_outputs=3)
    kept = None if mask is None else w.one("Equal", mask, 0.0)  # true, and minus infinity, leave a row out
    found = w.one("Attention", q, k, v, kept, rank=x.rank, q_num_heads=heads, kv_num_heads=heads, is_causal=0)
    return _linear(w, found, behind, behind_bias)


def _multi_head(
    w: Writer,
    query: Ref,
    key: Ref,
    value: Ref,
    embed_dim: int,
    num_head: int,
    qkv_weight: Ref,
    qkv_bias: Ref,
    proj_weight: Ref,
    proj_bias: Ref,
    mask: Ref | None = None,
    need_weights: bool = True,
    average_attn_weights: bool = True,
    mask_type: int | None = None,
) -> list[Ref]:
    w.require(query == key == value, "looks at another sequence")
    parts = (qkv_weight, qkv_bias, proj_weight, proj_bias)
    return [_attended(w, query, int(num_head), parts, mask, mask_type)]


def _encoder_layer(
    w: Writer,
    src: Ref,
    embed_dim: int,
    num_heads: int,
    qkv_weight: Ref,
    qkv_bias: Ref,
    proj_weight: Ref,
    proj_bias: Ref,
    use_gelu: bool,
    norm_first: bool,
    eps: float,
    *rest: Any,
) -> Ref:
    """Attention and two dense layers, each added to what it reads, with a norm before or behind."""
    norms, (in_weight, in_bias, out_weight, out_bias), last = (rest[:2], rest[2:4]), rest[4:8], [*rest[8:], None, None]

    def norm(x: Ref, n: int) -> Ref:
        return w.one("LayerNormalization", x, *norms[n], axis=-1, epsilon=float(eps))

    def attended(x: Ref) -> Ref:
        return _attended(w, x, int(num_heads), (qkv_weight, qkv_bias, proj_weight, proj_bias), last[0], last[1])

    def dense(x: Ref) -> Ref:
        inner = _linear(w, x, in_weight, in_bias)
        return _linear(w, w.one("Gelu", inner, approximate="none") if use_gelu else w.one("Relu", inner), out_weight, out_bias)

    x = src
    for n, part in enumerate((attended, dense)):
        x = w.one("Add", x, part(norm(x, n))) if norm_first else norm(w.one("Add", x, part(x)), n)
    return x


ATTENTION: dict[str, Handler] = {"_native_multi_head_attention": _multi_head, "_transformer_encoder_layer_fwd": _encoder_layer}
