//! The current-state DB.
