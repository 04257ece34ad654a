"""Recordings for people.

Going to and fro: timeline has the moments of a recording, server serves them to
GDB, rewind and session start it. Traces for the player: recorder finds the call,
follower says which way to go, stepper writes each step into a section, listing
notes what stands where, events what the CPU is told, and trace writes the file.
"""
