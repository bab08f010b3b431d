"""What importers of graphs share: a network of operators on arrays, followed element by element, becomes a list of layer records.

Every number that a network computes has an identity: the expression that makes it, the step, the sequence of the batch, and its place
in the expression's output. An array of a graph is an array of identities (`wires`). Operators that only move numbers (reshape, slice,
concatenate, split) move identities; those that compute make expressions (`expressions`, `tracing`). What each axis means is then read
off the identities, not guessed from shapes. At the end the expressions that the output needs become layers (`emitting`), and loops
through a state become LSTM, GRU and RNN layers (`cells`).
"""
