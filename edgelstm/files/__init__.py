"""Bytes and models: the `.elstm` file, its container, the probes that edgelstm makes."""
