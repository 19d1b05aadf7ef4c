//! The locks of directories whose disk does not answer.

use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use evenkeel::worker::{Lock, LockError};

use super::host::millis;

/// A pipe, whose opening waits for its other end as that of a directory does for a disk that is away.
fn pipe(path: &Path) {
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
}

/// Lets those go on that wait for the other end of a pipe.
fn release(path: &Path) {
    const NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    // None may have come as far as to wait.
    let _ = fs::File::options().read(true).write(true).custom_flags(NONBLOCK).open(path);
}

#[tokio::test]
async fn a_directory_that_does_not_answer_must_be_given_up_in_time_and_be_free_once_it_does() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("source");
    pipe(&source);
    let error = Lock::source(&source, millis(50)).await.unwrap_err();
    assert!(matches!(error, LockError::Silent(..)), "{error}");
    assert!(error.to_string().contains("/source does not answer: no answer within"), "{error}");
    let state = dir.path().join("state");
    fs::create_dir(&state).unwrap();
    pipe(&state.join("lock"));
    let error = Lock::state(&state, millis(50)).await.unwrap_err();
    assert!(matches!(error, LockError::Silent(..)), "{error}");
    for path in [source, state.join("lock")] {
        release(&path);
        fs::remove_file(&path).unwrap();
    }
    let long = Duration::from_secs(60);
    fs::create_dir(dir.path().join("source")).unwrap();
    assert!(Lock::source(&dir.path().join("source"), long).await.unwrap().is_some());
    Lock::state(&state, long).await.unwrap();
}
