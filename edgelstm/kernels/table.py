"""Every kernel of a layer, and every check of inputs, by name."""

from .attention_f32 import attention_f32, attention_pool_f32, self_attention_f32, window_attention_f32
from .channelwise_f32 import batch_norm_f32, prelu_f32
from .conv1d_f32 import conv1d_f32, depthwise_conv1d_f32, dilated_conv1d_f32
from .conv1d_int8 import conv1d_int8_dynamic, conv1d_int8_weight
from .conv_lstm_f32 import conv_lstm_f32
from .dense_f32 import dense_columns_f32, dense_dot_f32
from .dense_int8 import dense_int8_dynamic, dense_int8_weight
from .dynamic_lstm_f32 import dynamic_lstm_f32
from .elementwise_f32 import activation_f32, add_f32, embedding_f32, log_softmax_f32, normalizer_f32, softmax_f32, softmax_groups_f32
from .entry.blocks import process
from .entry.checks import first_bad_index, first_bad_mixed, first_bad_vector
from .entry.generation import generate
from .entry.python_call import python_block, python_step
from .fake_quantize_f32 import dynamic_fake_quantize_f32, fake_quantize_f32, requantize_f32, rescale_f32
from .fourier_f32 import fourier_f32
from .frames_f32 import inter_rnn, intra_rnn
from .grouped_dense_f32 import grouped_dense_f32
from .gru_f32 import gru_f32
from .gru_f32_streams import gru_f32_streams
from .gru_norms import gru_norms_f32
from .hidden_int8 import gru_int8_dynamic, rnn_int8_dynamic
from .hidden_int8_weight import gru_int8_weight, rnn_int8_weight
from .joining_f32 import gather_f32, mul_f32, slice_f32
from .lstm_f32 import lstm_f32
from .lstm_f32_streams import lstm_f32_streams
from .lstm_int8 import lstm_int8_dynamic
from .lstm_int8_static import dense_int8_static, lstm_int8_static
from .lstm_int8_static_cells import lstm_int8_static_cell
from .lstm_int8_streams import lstm_int8_streams
from .lstm_int8_weight import lstm_int8_weight
from .magnitude_f32 import magnitude_f32
from .map_conv_f32 import depthwise_f32, map_conv_f32, map_conv_transpose_f32
from .map_pool_f32 import map_pool_f32
from .minimal_f32 import min_gru_f32, min_lstm_f32
from .norms_f32 import layer_norm_f32, recording_norm_f32, rms_norm_f32, unit_normalization_f32
from .overlap_add_f32 import overlap_add_f32
from .previous_f32 import kept_f32, recalled_f32
from .recordings import counted_sweep, last_f32, mask_f32, masked, process_recording, repeat_f32, restarted, reverse_f32, sweep
from .rnn_f32 import rnn_f32
from .sliding_f32 import average_pool_f32, global_average_f32, global_max_f32, max_pool_f32, window_f32
from .slstm_f32 import slstm_f32

#: Factories of layer kernels: sizes in, a function (w, x, y, s, z, n) out.
LAYER_KERNELS = {
    factory.__name__: factory
    for factory in (
        lstm_f32,
        gru_f32,
        gru_norms_f32,
        rnn_f32,
        min_gru_f32,
        min_lstm_f32,
        slstm_f32,
        dynamic_lstm_f32,
        gru_int8_dynamic,
        gru_int8_weight,
        rnn_int8_dynamic,
        rnn_int8_weight,
        lstm_int8_dynamic,
        lstm_int8_weight,
        lstm_int8_static,
        lstm_int8_static_cell,
        dense_dot_f32,
        dense_columns_f32,
        dense_int8_dynamic,
        dense_int8_weight,
        dense_int8_static,
        activation_f32,
        normalizer_f32,
        add_f32,
        softmax_f32,
        softmax_groups_f32,
        log_softmax_f32,
        embedding_f32,
        fourier_f32,
        magnitude_f32,
        overlap_add_f32,
        mul_f32,
        slice_f32,
        batch_norm_f32,
        prelu_f32,
        layer_norm_f32,
        recording_norm_f32,
        rms_norm_f32,
        unit_normalization_f32,
        grouped_dense_f32,
        intra_rnn,
        inter_rnn,
        conv_lstm_f32,
        map_conv_f32,
        map_conv_transpose_f32,
        depthwise_f32,
        map_pool_f32,
        gather_f32,
        recalled_f32,
        kept_f32,
        conv1d_f32,
        dilated_conv1d_f32,
        depthwise_conv1d_f32,
        conv1d_int8_dynamic,
        conv1d_int8_weight,
        max_pool_f32,
        average_pool_f32,
        global_max_f32,
        global_average_f32,
        window_f32,
        last_f32,
        repeat_f32,
        reverse_f32,
        mask_f32,
        attention_f32,
        attention_pool_f32,
        self_attention_f32,
        window_attention_f32,
        fake_quantize_f32,
        requantize_f32,
        rescale_f32,
        dynamic_fake_quantize_f32,
    )
}

#: By name of a layer kernel, the factory of the one that takes a timestep of a group of streams (`stream_blocks.SCRATCH`).
IN_GROUPS = {"lstm_f32": lstm_f32_streams, "gru_f32": gru_f32_streams, "lstm_int8_dynamic": lstm_int8_streams}

#: Factories of kernels that stand around another: its symbol as `kernel` and sizes in, the same function out.
AROUND = {factory.__name__: factory for factory in (masked, restarted, sweep, counted_sweep)}

#: Factories of input checks: the number of inputs in, a function (x, limit, n) out.
CHECKS = {factory.__name__: factory for factory in (first_bad_vector, first_bad_index, first_bad_mixed)}

__all__ = ["AROUND", "CHECKS", "IN_GROUPS", "LAYER_KERNELS", "generate", "process", "process_recording", "python_block", "python_step"]
