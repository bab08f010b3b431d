"""Attention and maxima that leave padding out, as PyTorch writes them to ONNX; against ONNX Runtime."""

import numpy as np
import pytest
from test_from_onnx import TOLERANCE, exported, imported
from test_onnx_graphs import Network, check, lstm

import edgelstm as el
from edgelstm import reference

ort = pytest.importorskip("onnxruntime")
torch = pytest.importorskip("torch")
nn = torch.nn


class Padded(nn.Module):
    """Tokens of which those that are 0 are padding: no weight goes to their rows, or they are no maximum."""

    def __init__(self, find, low):
        super().__init__()
        self.find, self.low = find, low
        self.table, self.rnn, self.score, self.head = nn.Embedding(9, 4), lstm(4, 3, bidirectional=True), nn.Linear(6, 1), nn.Linear(6, 2)

    def forward(self, tokens):
        y, padding = self.rnn(self.table(tokens))[0], (tokens == 0)[..., None]
        if self.find == "weights":
            return self.head((torch.softmax(self.score(torch.tanh(y)).masked_fill(padding, self.low), 1) * y).sum(1))
        return self.head(y.masked_fill(padding, self.low).max(1).values)


@pytest.mark.parametrize("low", [float("-inf"), float(np.finfo(np.float32).min), -1e9])
@pytest.mark.parametrize("find", ["weights", "maximum"])
def test_padding_is_far_below_all_others(tmp_path, find, low):
    torch.manual_seed(1)
    tokens = torch.tensor([[3, 0, 5, 8, 1, 0, 0, 2, 7, 0]])
    data = exported(torch, Padded(find, low), (tokens,))
    expected = ort.InferenceSession(data).run(None, {"x": tokens.numpy()})[0][0]
    found = reference.run(imported(tmp_path, data).model, tokens.numpy().T)[-1]
    assert np.abs(found - expected).max() <= TOLERANCE


def test_a_number_far_below_all_others_that_is_an_answer_is_refused(tmp_path):
    network = Network(lambda x, rnn: rnn(x)[0].masked_fill(x[..., :1] == 0, float("-inf")), lstm(3, 8))
    with pytest.raises(el.UnsupportedModelError, match="constants that are infinite"):
        check(tmp_path, network)
