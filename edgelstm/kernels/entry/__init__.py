"""What stands around the layers in compiled code: blocks, checks, the call from Python, the state."""
