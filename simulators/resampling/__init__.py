"""What `simulators.resample` is made of: filters, their use on rows of samples, and fits to irregular times."""
