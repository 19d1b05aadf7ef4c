//! Who stands between the daemon and the engine, and hears every request.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// The first line of each request so far: `GET /containers/json?all=true HTTP/1.1`.
#[derive(Clone, Default)]
pub struct Requests(Arc<Mutex<Vec<String>>>);

impl Requests {
    /// Those from `mark` (a number of them) on.
    pub fn since(&self, mark: usize) -> Vec<String> {
        self.0.lock().unwrap()[mark..].to_vec()
    }

    pub fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// Passes on to `engine` what comes to `socket`; before that, each request's first line is given
/// to `hear`. Its threads end with the connections, or with the test.
pub fn pass_on(
    socket: &Path,
    engine: &Path,
    hear: impl Fn(&str) + Send + Sync + 'static,
) -> Requests {
    let requests = Requests::default();
    let listener = UnixListener::bind(socket).unwrap();
    let (written, engine, hear) = (requests.clone(), engine.to_owned(), Arc::new(hear));
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let Ok(server) = UnixStream::connect(&engine) else { continue };
            let (back_from, back_to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            let (written, hear) = (written.clone(), Arc::clone(&hear));
            std::thread::spawn(move || {
                copy(client, server, |chunk| {
                    if let Some(line) = request(chunk) {
                        written.0.lock().unwrap().push(line.clone());
                        hear(&line);
                    }
                });
            });
            std::thread::spawn(move || copy(back_from, back_to, |_| {}));
        }
    });
    requests
}

/// The first line, if a request begins here. Each comes on a connection of its own.
fn request(chunk: &[u8]) -> Option<String> {
    let verbs = [&b"GET /"[..], b"POST /", b"PUT /", b"DELETE /", b"HEAD /"];
    let line = chunk.split(|byte| *byte == b'\r').next()?;
    let begins = verbs.iter().any(|verb| line.starts_with(verb));
    begins.then(|| String::from_utf8_lossy(line).into_owned())
}

fn copy(mut from: UnixStream, mut to: UnixStream, mut look: impl FnMut(&[u8])) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(count) = from.read(&mut bytes) {
        look(&bytes[..count]);
        if count == 0 || to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
