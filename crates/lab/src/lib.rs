//! Test kit: a network that delays, drops, cuts and goes half-open, and a scanner of process memory.
