"""What runs on a device: no Numba, no compiler, no model. What `edgelstm.device` imports of it needs the standard library alone."""
