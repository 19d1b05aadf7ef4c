//! Plain counters, handed in; used by all below.
