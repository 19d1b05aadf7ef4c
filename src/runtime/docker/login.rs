//! Logins for registries, as Docker's own `config.json` and credential helpers have them.
//!
//! Only read, and only when an image is pulled. Nothing here is ever logged.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::auth::DockerCredentials;
use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential_from_reader};

use crate::domain::template::{HUB, ImageRef};
use crate::patience::Patience;

/// Docker Hub's name in `config.json`.
const HUB_SERVER: &str = "https://index.docker.io/v1/";

/// How long a helper may take, and for how many registries one is asked at once.
const HELPERS: (Duration, usize) = (Duration::from_secs(30), 32);

/// Where logins are read.
#[derive(Debug)]
pub(super) struct Logins {
    /// The directory of `config.json`; `None`: there are none.
    config: Option<PathBuf>,
    /// A helper is a program of somebody else's, and may ask a person who is not there.
    patience: Patience,
}

impl Logins {
    pub(super) fn new(config: Option<PathBuf>) -> Self {
        Self { config, patience: Patience::new(HELPERS.0, HELPERS.1) }
    }

    /// The login for the image's registry; `None`: there is none.
    ///
    /// # Errors
    /// In a sentence, without the login itself: the configuration can't be read, or its helper
    /// failed or does not end.
    pub(super) async fn of(&self, image: &ImageRef) -> Result<Option<DockerCredentials>, String> {
        let Some(directory) = &self.config else { return Ok(None) };
        let path = directory.join("config.json");
        let server = server_of(image).to_owned();
        let subject = server.clone();
        match self.patience.run(&subject, move || read(&path, &server)).await {
            Ok(login) => login,
            Err(error) => Err(format!("the credential helper for {subject} does not end: {error}")),
        }
    }
}

fn read(path: &Path, server: &str) -> Result<Option<DockerCredentials>, String> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("{}: {error}", path.display())),
    };
    let mut login = DockerCredentials {
        serveraddress: Some(server.to_owned()),
        ..DockerCredentials::default()
    };
    match get_credential_from_reader(BufReader::new(file), server) {
        Ok(DockerCredential::IdentityToken(token)) => login.identitytoken = Some(token),
        Ok(DockerCredential::UsernamePassword(user, password)) => {
            login.username = Some(user);
            login.password = Some(password);
        }
        Err(CredentialRetrievalError::NoCredentialConfigured) => return Ok(None),
        Err(CredentialRetrievalError::HelperFailure { helper, stdout, stderr }) => {
            // That is how helpers say that they have none.
            if stdout.contains("credentials not found") || stderr.contains("credentials not found")
            {
                return Ok(None);
            }
            return Err(format!("the credential helper {helper} failed for {server}"));
        }
        Err(error) => return Err(format!("the login for {server} in {}: {error}", path.display())),
    }
    Ok(Some(login))
}

/// The registry of an image as `config.json` names it.
fn server_of(image: &ImageRef) -> &str {
    match image.registry() {
        HUB => HUB_SERVER,
        host => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_is_what_looks_like_a_host() {
        for (image, server) in [
            ("web", HUB_SERVER),
            ("library/web:1", HUB_SERVER),
            ("docker.io/library/web", HUB_SERVER),
            ("localhost/web", "localhost"),
            ("host:5000/web:1", "host:5000"),
            ("ghcr.io/a/b@sha256:0", "ghcr.io"),
        ] {
            assert_eq!(server_of(&ImageRef::checked(image)), server, "{image}");
        }
    }

    /// The helper's program is there by a configuration that is a pipe nobody writes to.
    #[tokio::test]
    async fn a_helper_that_hangs_must_be_waited_for_only_so_long() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.json");
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        let patience = Patience::new(Duration::from_millis(1), 1);
        let logins = Logins { config: Some(directory.path().to_owned()), patience };
        for _ in 0..100 {
            let said = logins.of(&ImageRef::checked("host:5000/web:1")).await.err().unwrap();
            assert!(said.contains("helper for host:5000 does not end"), "{said}");
        }
        // Whoever hangs there goes on, so that the test can end.
        let _nobody = std::fs::File::options().read(true).write(true).open(&path).unwrap();
    }

    #[test]
    fn a_login_is_read_from_the_configuration() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.json");
        assert_eq!(read(&path, "host:5000"), Ok(None));
        // "user:p>>>???p" in base64.
        let auths = r#"{"auths":{"host:5000":{"auth":"dXNlcjpwPj4+Pz8/cA=="}}}"#;
        std::fs::write(&path, auths).unwrap();
        let login = read(&path, "host:5000").unwrap().unwrap();
        assert_eq!(login.username.as_deref(), Some("user"));
        assert_eq!(login.password.as_deref(), Some("p>>>???p"));
        assert_eq!(read(&path, "other:5000"), Ok(None));
        std::fs::write(&path, "{").unwrap();
        assert!(read(&path, "host:5000").is_err());
    }
}
