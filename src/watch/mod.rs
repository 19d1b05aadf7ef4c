//! A directory to a snapshot.
