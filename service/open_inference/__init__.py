"""The Open Inference Protocol v2: its messages, its tensors, and its binary tensor data extension."""
