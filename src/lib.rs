//! evenkeel keeps a Docker host as a directory of YAML says: continuously, whatever happens to the
//! files, to the engine or to evenkeel itself.
//!
//! This page is for who reads the source; the README is for who writes manifests.
//!
//! # The one idea
//!
//! Read everything, decide once in plain code, do exactly what was decided, look again.
//!
//! ```text
//!  files ──► watch ──► manifest ──► Desired ──► queue ──► worker ──► decide ──► Plan ──► runtime ──► engine
//!           (when to   (text to     (what the   (whose    ▲  │ ▲     (pure)    (steps,   (one call)     │
//!            read)      tasks)       files ask)  turn)    │  ▼ │                reasons)                │
//!                                                         │  db└──────────── observe ◄──────────────────┘
//!                                                         └── status ──► api ──► cli
//! ```
//!
//! An event of a file or of the engine, a timer, a step that has ended: each means only "look at
//! this task again". What is done follows from what is there at that moment, never from what was
//! told. So a lost event costs time and nothing else, a restart of evenkeel is no special case,
//! and a fault in the middle of anything is mended by the next look.
//!
//! Architecture invariant: nothing is done to a container but by a [`domain::plan::Plan`], and a
//! plan comes from [`domain::decide`] alone.
//!
//! # The words
//!
//! * A **manifest** is a YAML document; it declares a **task** and stands in a **source**, the
//!   directory that is kept.
//! * A **worker** is one daemon with its queue, its DB and its runtime. Its name and its source are
//!   on everything that it makes.
//! * An **instance** is one run of a task as one container: a UUID, a **slot** (which of the
//!   replicas, from 0), an **attempt** (which try at that slot, from 1) and a state. Slot and
//!   attempt together are its **seat**, written `0.1`.
//! * A **state** is `Pending` (wanted), `Scheduled` (its steps have begun), `Running`, `Completed`
//!   or `Failed`. An ended instance stays ended; a restart is a new instance.
//! * **Desired** is what the files ask for, **current** what the DB says is, **observed** what the
//!   engine said last. These are three things with three owners and are never mixed.
//! * A **generation** counts the accepted changes of a task; a **revision** is what a rollout is
//!   made from: the checked task and the image that its name meant when the rollout began.
//! * A **fingerprint** is the hash of what a container is made of. Only where it differs does a
//!   changed manifest replace a container.
//! * A **look** at a task ends in a **plan**: **steps**, each one call with one effect and a
//!   **reason**; what is **waited for**; and when to look again at the latest.
//! * An **outcome** is what came of a step: done, rejected (with whether trying again may help), or
//!   unknown, after which the engine is asked before anything else is done.
//!
//! # The modules, in the order to read them
//!
//! 1. [`domain`]: what is wanted, what is, and what follows. [`domain::task`], [`domain::instance`]
//!    and [`domain::plan`] are the nouns; [`domain::world`] is all that one look sees;
//!    [`domain::decide`] holds every rule of behaviour; [`domain::judge`] says what the operator lets
//!    be made; [`domain::settle`] and [`domain::enact`] bring what happened, and what is meant, into
//!    the record; [`domain::desired`] says what a file that is broken, gone or unreadable means;
//!    [`domain::status`] is what people see.
//! 2. [`manifest`]: text to tasks or diagnostics, each with its place and what to write instead.
//! 3. [`metrics`]: plain counters, handed in; [`patience`]: what may hang, waited for only so long.
//! 4. [`queue`]: whose turn it is.
//! 5. [`watch`]: a directory to a snapshot.
//! 6. [`db`]: the current-state DB.
//! 7. [`runtime`]: the trait of an engine; Docker Engine; the simulated engine of the tests.
//! 8. [`files`]: what mounts need on the host; [`save`]: manifest files, written; [`host`]: what it has
//!    and uses; [`probe`]: asks an instance once how it is.
//! 9. [`worker`]: the loop that joins them.
//! 10. [`http`], [`api`]: asking a worker that runs; [`status_dir`]: how things are, as files.
//! 11. [`cli`]: one file for each command.
//!
//! Architecture invariant: use goes one way, `domain` ← `manifest` ← {`metrics`, `patience`} ← `http` ←
//! {`queue`, `watch`, `db`, `runtime`, `files`, `save`, `host`, `probe`} ← `worker` ← {`api`,
//! `status_dir`} ← `cli` ← `main`, and those in braces never use one another. A test reads the sources
//! and fails on an arrow the other way.
//!
//! Architecture invariant: `domain` and `manifest` are pure. They are not `async` and have no clock,
//! no randomness, no file, no network and no log; time and a seed come in as values. A test parses
//! them and says so. So every rule can be tried with two values and a plan written as text.
//!
//! Architecture invariant: an outside library is named in one module only, but for the few that are
//! everywhere (serde, schemars, tokio, tracing, uuid, thiserror, futures). Replacing one touches one place.
//!
//! # The ways that data goes
//!
//! **From a file to the queue.** [`watch`] reads what changed, has [`manifest`] make tasks or
//! diagnostics of it and publishes a whole [`domain::source::Snapshot`]; the latest one counts.
//! [`domain::desired`] turns it into desired state: a broken document keeps its last good version, a
//! deletion has to stay for some seconds, a deletion of many waits for a person, and a source that
//! can't be read says nothing at all. Where the links of host paths lead is in no file: the disk is
//! asked beside it, and a task that leads where the policy does not allow counts as broken. The
//! names of the tasks that changed go onto the queue.
//!
//! Architecture invariant: absent is not empty. What could not be read removes nothing.
//!
//! What people hand in through the API becomes files first, written by [`save`] where
//! [`manifest::incoming`] says, and comes in as those that they save.
//!
//! **From the engine to the record.** The worker keeps the engine's last answer about each
//! container, and asks again when an event or time says so. [`domain::settle`] brings it into the
//! record: the only place where an instance moves because of the engine. A container that the DB
//! does not know is taken over from its labels. How well an instance is comes from its probes, which
//! the worker asks between looks, or from the health check of its image: [`domain::health`] counts the
//! answers, and a task is looked at where they come to something else than before.
//!
//! Architecture invariant: a container is ours only if it has our worker's label and the name that
//! its labels derive, or an id that we wrote down. Nothing else is ever touched.
//!
//! **One look.** The worker takes a name off the queue and makes a [`domain::world::World`] of what
//! is desired, current and observed. [`domain::decide`] answers with a plan; [`domain::enact`]
//! writes down what is meant; then the steps begin, beside the worker, and the look ends. What came
//! of them is kept for the next look at that task.
//!
//! Architecture invariant: no effect without intent. An instance is in the DB before its container
//! is made, and the container's id before it is started; so whatever instant the process dies at,
//! the next start knows what may have been done.
//!
//! Architecture invariant: one owner. The worker alone holds and changes the state of tasks, one look
//! after the other; everybody else gets copies or asks through a channel. Every spawned task is
//! joined.
//!
//! **To people.** Status is made from the same world as the plan, so it never says something else
//! than what is done. The API hands it out on a unix socket, and the commands print it; the same text
//! goes into files, for who would rather read those.

#![cfg_attr(test, allow(clippy::disallowed_methods))]

pub mod api;
pub mod cli;
pub mod db;
pub mod domain;
pub mod files;
pub mod host;
pub mod http;
pub mod manifest;
pub mod metrics;
pub mod patience;
pub mod probe;
pub mod queue;
pub mod runtime;
pub mod save;
pub mod status_dir;
pub mod watch;
pub mod worker;
