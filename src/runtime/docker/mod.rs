//! Docker Engine, through bollard.
