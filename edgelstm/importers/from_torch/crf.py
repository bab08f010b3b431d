"""Conditional random fields behind a network: what chooses tags by its scores, as pytorch-crf, AllenNLP and PyTorch's tutorial name it."""

from collections.abc import Mapping

from .tensors import Named

#: Tensors of a CRF over K tags, by how many axes of length K each has.
_TENSORS = {"transitions": 2, "trans_matrix": 2, "start_transitions": 1, "end_transitions": 1}

#: What AllenNLP keeps beside them: K tags, the start and the end.
_MASK = "_constraint_mask"


def without_crf(tensors: Mapping[str, Named]) -> tuple[dict[str, Named], list[str]]:
    """Tensors without those of a CRF, and a note that the scores which it decodes are the answer.

    It is left in where no Linear gives a score for each of its tags.
    """
    kept, notes = dict(tensors), list[str]()
    for name in [name for name in tensors if name.rpartition(".")[2] in ("transitions", "trans_matrix")]:
        scope = name.rpartition(".")[0]
        size = (*tensors[name].shape, 0)[0]
        own = {f"{scope}.{part}".removeprefix("."): (size,) * axes for part, axes in _TENSORS.items()}
        own[f"{scope}.{_MASK}".removeprefix(".")] = (size + 2,) * 2
        found = {part: shape for part, shape in own.items() if part in tensors}
        scores = any(key.endswith("bias") and tuple(tensor.shape) == (size,) for key, tensor in tensors.items())
        if size and scores and all(tuple(tensors[part].shape) == shape for part, shape in found.items()):
            kept = {key: tensor for key, tensor in kept.items() if key not in found}
            notes.append(f"{', '.join(found)}: a CRF, which chooses tags by the network's scores; the scores are the answer.")
    return kept, notes
