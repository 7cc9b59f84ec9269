"""OpenVINO, the engine on the CPU: running a bundle, and its INT8 networks."""
