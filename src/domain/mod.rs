//! What is wanted, what is, and what follows from it: ordinary synchronous code.
//!
//! Architecture invariant: nothing here is `async`, reads a clock, a file or the network, draws a
//! random number or writes a log. Time comes in as a value. A test parses these files and says so.

pub mod blueprint;
pub mod by_command;
pub mod container;
pub mod decide;
pub mod desired;
pub mod diagnostic;
pub mod difference;
pub mod enact;
pub mod engine;
pub mod event;
pub mod exclusive;
pub mod fingerprint;
pub mod happening;
pub mod health;
pub mod instance;
pub mod judge;
pub mod loose;
pub mod name;
pub mod once;
pub mod outcome;
pub mod plan;
pub mod policy;
pub mod probe;
pub mod pull;
pub mod quantity;
pub mod ready;
pub mod record;
pub mod registry;
pub mod repair;
pub mod settle;
pub mod source;
pub mod status;
pub mod subnet;
pub mod task;
pub mod template;
pub mod time;
pub mod usage;
pub mod waits;
pub mod words;
pub mod world;
