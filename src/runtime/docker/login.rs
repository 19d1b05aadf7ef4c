//! Logins for registries, as Docker's own `config.json` and credential helpers have them.
//!
//! Only read, and only when an image is pulled. Nothing here is ever logged.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use bollard::auth::DockerCredentials;
use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential_from_reader};

use crate::domain::template::ImageRef;

/// Docker Hub's name in `config.json`.
const HUB: &str = "https://index.docker.io/v1/";

/// The login for the image's registry; `None`: there is none.
///
/// # Errors
/// In a sentence, without the login itself: the configuration can't be read, or its helper failed.
pub(super) async fn of(
    docker_config: Option<&Path>,
    image: &ImageRef,
) -> Result<Option<DockerCredentials>, String> {
    let Some(directory) = docker_config else { return Ok(None) };
    let path = directory.join("config.json");
    let server = registry(image.as_str()).to_owned();
    // A helper is a program that is waited for.
    let read = move || read(&path, &server);
    tokio::task::spawn_blocking(read).await.map_err(|error| error.to_string())?
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

/// The registry of an image as `config.json` names it: what is before the first `/`, if that looks
/// like a host.
fn registry(image: &str) -> &str {
    match image.split_once('/') {
        Some(("docker.io" | "index.docker.io", _)) => HUB,
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
        Some(_) | None => HUB,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_is_what_looks_like_a_host() {
        for (image, server) in [
            ("web", HUB),
            ("library/web:1", HUB),
            ("docker.io/library/web", HUB),
            ("localhost/web", "localhost"),
            ("host:5000/web:1", "host:5000"),
            ("ghcr.io/a/b@sha256:0", "ghcr.io"),
        ] {
            assert_eq!(registry(image), server, "{image}");
        }
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
