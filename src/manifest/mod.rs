//! Text to tasks or diagnostics.
