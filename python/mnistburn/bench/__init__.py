"""The comparison benchmark: mnistburn beside PyTorch, JAX, onnxruntime and Burn's own operations.

What is compared is in `peers`, one module for each; `controller` starts a process for every one of
them and asks them in turn; `table` shows what came out, and `machine` on what. The command
``mnistburn bench`` is the way in. Nothing here is imported by ``import mnistburn``.
"""
