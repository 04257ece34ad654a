"""From a machine to a verdict: what the tests of the labs are written with."""
