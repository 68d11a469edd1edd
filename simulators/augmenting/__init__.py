"""What augmentation is made of: the layout of a batch, the operations, and their compiled kernels."""
