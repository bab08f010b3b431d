"""The step functions that LLVM compiles, and nothing else.

A kernel takes memory and sizes and does arithmetic: everything has been checked before it is called.
"""
