"""Hardware: boards, cameras, outputs, inputs and clocks, real and simulated."""
