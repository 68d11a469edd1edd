"""Finite elements for magnets and iron of revolution, reduced once to multipoles and polarisabilities."""
