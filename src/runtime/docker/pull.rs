//! Having an image there.
//!
//! An engine can end a pull without an error and without the image, so the image is looked at
//! afterwards, and a pull counts only if the engine said that it is up to date.

use std::time::Duration;

use bollard::Docker as Engine;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::StreamExt;
use tokio::time::{Instant, timeout};

use super::ask::get;
use super::classify::Failure;
use super::connect::Address;
use super::login::Logins;
use super::observe::text;
use crate::domain::outcome::{Cause, Outcome, Rejection, Retry};
use crate::domain::template::{ImageRef, PullPolicy};

/// How long a pull may say nothing: the engine tries a layer again for more than a minute.
const IDLE_DEADLINE: Duration = Duration::from_secs(120);
/// How long a pull may take.
const PULL_DEADLINE: Duration = Duration::from_secs(60 * 60);

/// Has the image there and tells its id.
pub(super) async fn pull(
    address: &Address,
    engine: &Engine,
    logins: &Logins,
    image: &ImageRef,
    policy: PullPolicy,
) -> Outcome<String> {
    if policy != PullPolicy::Always {
        match find(address, image).await {
            Outcome::Rejected(missing)
                if missing.cause == Cause::ImageMissing && policy == PullPolicy::IfNotPresent => {}
            found => return found,
        }
    }
    match fetch(engine, logins, image).await {
        Outcome::Done(()) => find(address, image).await,
        Outcome::Rejected(rejection) => Outcome::Rejected(rejection),
        Outcome::Unknown(message) => Outcome::Unknown(message),
    }
}

/// The id of an image that is there.
async fn find(address: &Address, image: &ImageRef) -> Outcome<String> {
    let missing = |message| rejected(Cause::ImageMissing, message);
    match get(address, &format!("/images/{image}/json")).await {
        Err(unreachable) => Outcome::Unknown(unreachable.0),
        Ok(None) => missing(format!("the engine has no image {image}")),
        Ok(Some(found)) => match text(&found["Id"]) {
            id if id.starts_with("sha256:") => Outcome::Done(id),
            id => Outcome::Unknown(format!("the image {image} has the id {id:?}")),
        },
    }
}

async fn fetch(engine: &Engine, logins: &Logins, image: &ImageRef) -> Outcome {
    let login = match logins.of(image).await {
        Ok(login) => login,
        Err(message) => return rejected(Cause::PullFailed, message),
    };
    let options = CreateImageOptionsBuilder::new().from_image(&with_tag(image.as_str())).build();
    let mut progress = Box::pin(engine.create_image(Some(options), None, login));
    let deadline = Instant::now() + PULL_DEADLINE;
    let mut complete = false;
    loop {
        let idle = IDLE_DEADLINE.min(deadline.saturating_duration_since(Instant::now()));
        match timeout(idle, progress.next()).await {
            Err(_) => return Outcome::Unknown(format!("the pull of {image} came to a standstill")),
            Ok(None) if complete => return Outcome::Done(()),
            Ok(None) => {
                let message = format!("the pull of {image} ended before it was complete");
                return rejected(Cause::PullFailed, message);
            }
            Ok(Some(Ok(step))) => {
                let status = step.status.unwrap_or_default();
                // An error that has only its older form comes as a line that says nothing.
                complete = status.starts_with("Status: ");
                tracing::trace!(%image, id = step.id, status, "pull");
            }
            Ok(Some(Err(error))) => return refusal(image, &Failure::from(error)),
        }
    }
}

/// What a pull that failed means. Whatever the engine says of it, the registry is behind it, and
/// nothing changed.
fn refusal(image: &ImageRef, failure: &Failure) -> Outcome {
    match failure.clone().outcome::<()>() {
        Outcome::Rejected(rejection)
            if matches!(rejection.cause, Cause::NoSpace | Cause::Forbidden) =>
        {
            Outcome::Rejected(rejection)
        }
        Outcome::Done(()) | Outcome::Rejected(_) => {
            let message = format!("{image}: {failure}");
            let lower = message.to_ascii_lowercase();
            let missing = ["manifest unknown", "not found", "no such image"];
            if missing.iter().any(|words| lower.contains(words)) {
                return rejected(Cause::ImageMissing, message);
            }
            rejected(Cause::PullFailed, message)
        }
        Outcome::Unknown(message) => Outcome::Unknown(message),
    }
}

fn rejected<T>(cause: Cause, message: String) -> Outcome<T> {
    Outcome::Rejected(Rejection { cause, retry: Retry::Later, message })
}

/// Without a tag the engine would pull every tag there is.
fn with_tag(image: &str) -> String {
    let name = image.rsplit('/').next().unwrap_or(image);
    if name.contains([':', '@']) { image.to_owned() } else { format!("{image}:latest") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_without_a_tag_is_one_image() {
        for (image, pulled) in [
            ("web", "web:latest"),
            ("host:5000/web", "host:5000/web:latest"),
            ("host:5000/web:1", "host:5000/web:1"),
            ("web@sha256:0", "web@sha256:0"),
        ] {
            assert_eq!(with_tag(image), pulled);
        }
    }

    #[test]
    fn what_a_pull_says_is_of_the_image_or_of_the_registry() {
        let cause = |status, message: &str| {
            let failure = Failure::Refused { status, message: message.to_owned() };
            match refusal(&ImageRef::checked("web:1"), &failure) {
                Outcome::Rejected(rejection) => {
                    assert_eq!(rejection.retry, Retry::Later);
                    Some(rejection.cause)
                }
                Outcome::Done(()) | Outcome::Unknown(_) => None,
            }
        };
        assert_eq!(
            cause(404, "manifest for web:1 not found: manifest unknown: manifest unknown"),
            Some(Cause::ImageMissing)
        );
        assert_eq!(cause(500, "manifest unknown"), Some(Cause::ImageMissing));
        assert_eq!(cause(500, "toomanyrequests: slow down"), Some(Cause::PullFailed));
        assert_eq!(
            cause(500, "Get https://r/v2/: no basic auth credentials"),
            Some(Cause::PullFailed)
        );
        assert_eq!(cause(500, "no space left on device"), Some(Cause::NoSpace));
        assert_eq!(cause(502, "bad gateway"), None);
    }
}
