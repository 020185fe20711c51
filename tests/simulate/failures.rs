//! Disks that fail once, at one place: what is refused, what latches, and what is left after the restart.
