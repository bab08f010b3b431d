"""How int8 weights and their states are packed, for those who pack and for the kernels who read.

It imports nothing: packing runs on a warm start, which loads no compiler.
"""

#: Activations in a word, by form of dot product.
GROUP = {"vnni": 4, "sdot": 4, "smlal": 4, "generic": 4, "pmaddwd": 2}

#: What is added to activations, by form: sums of products then begin at minus so many times the sum of a row's weights.
OFFSET = {"vnni": 128, "sdot": 0, "smlal": 0, "generic": 0, "pmaddwd": 0}

#: Words of four bytes before the weights of a layer.
HEADER = 16

#: The same with the table of tanh behind them, which integer-only LSTM layers have.
TABLE_END = 544

#: What makes h and c of integer-only layers non-negative in the arena, where no state may look like a NaN.
H_OFFSET, C_OFFSET = 128, 32768

#: Places in the header of a layer of integers alone; `INPUT_STEPS` and `OUTPUT_SCALE` are float32.
INPUT_STEPS, OUTPUT_SCALE, INPUT_ZERO, OUTPUT_ZERO, MANTISSA_OUT, SHIFT_OUT, CELL_BITS, CELL_CLIP = range(8)

#: Behind them, of a layer with a projection.
GATED_ZERO, PROJECTION_CLIP = 8, 9
