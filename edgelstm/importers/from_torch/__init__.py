"""PyTorch checkpoints and safetensors: `archive` and `pickle_reader` read, `state_dict` finds the model, `modules` and `chains` make it."""
