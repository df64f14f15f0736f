"""The benchmarks that want an NVIDIA GPU, in the order of what users ask first."""
