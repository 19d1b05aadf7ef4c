//! A status for each phase and each reason.
