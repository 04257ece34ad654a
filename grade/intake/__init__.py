"""From what somebody handed in to a kernel."""
