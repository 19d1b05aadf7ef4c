//! The desired-state queue.
