"""The parts of the stack, one construct a capability. `infra.stack` puts them together and grants."""
