"""Recordings of a run, for people: played, walked backwards, written as a trace."""
