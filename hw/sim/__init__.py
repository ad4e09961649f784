"""Simulated parts that satisfy the same ports as the real ones, and the world they see."""
