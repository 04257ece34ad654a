"""The entry stub, followed for all inputs at once."""
