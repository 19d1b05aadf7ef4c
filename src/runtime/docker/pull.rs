//! Having an image there.
//!
//! An engine can end a pull without an error and without the image, so the image is looked at
//! afterwards, and a pull counts only if the engine said that it is up to date.

use std::time::Duration;

use bollard::Docker as Engine;
use bollard::models::CreateImageInfo;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::StreamExt;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::ask::get;
use super::classify::Failure;
use super::connect::Address;
use super::login::Logins;
use super::observe::text;
use crate::domain::outcome::{Cause, Outcome, Rejection, Retry};
use crate::domain::pull::{LayerNews, Layers, PullProgress};
use crate::domain::template::{ImageRef, PullPolicy};

/// How long a pull may say nothing: the engine tries a layer again for more than a minute.
const IDLE_DEADLINE: Duration = Duration::from_secs(120);
/// How long a pull may take.
const PULL_DEADLINE: Duration = Duration::from_secs(60 * 60);

/// Has the image there and tells its id.
pub(super) async fn pull(
    address: &Address,
    from: (&Engine, &Logins),
    (image, policy): (&ImageRef, PullPolicy),
    progress: &watch::Sender<PullProgress>,
) -> Outcome<String> {
    if policy != PullPolicy::Always {
        match find(address, image).await {
            Outcome::Rejected(missing)
                if missing.cause == Cause::ImageMissing && policy == PullPolicy::IfNotPresent => {}
            found => return found,
        }
    }
    match fetch(from, image, progress).await {
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

async fn fetch(
    (engine, logins): (&Engine, &Logins),
    image: &ImageRef,
    progress: &watch::Sender<PullProgress>,
) -> Outcome {
    let mut layers = Layers::default();
    progress.send_replace(layers.progress());
    let login = match logins.of(image).await {
        Ok(login) => login,
        Err(message) => return rejected(Cause::PullFailed, message),
    };
    let options = CreateImageOptionsBuilder::new().from_image(&with_tag(image.as_str())).build();
    let mut steps = Box::pin(engine.create_image(Some(options), None, login));
    let deadline = Instant::now() + PULL_DEADLINE;
    let mut complete = false;
    loop {
        let idle = IDLE_DEADLINE.min(deadline.saturating_duration_since(Instant::now()));
        match timeout(idle, steps.next()).await {
            Err(_) => return Outcome::Unknown(format!("the pull of {image} came to a standstill")),
            Ok(None) if complete => return Outcome::Done(()),
            Ok(None) => {
                let message = format!("the pull of {image} ended before it was complete");
                return rejected(Cause::PullFailed, message);
            }
            Ok(Some(Ok(step))) => {
                if let Some((id, news)) = layer_news(&step) {
                    layers.take(id, news);
                    progress.send_replace(layers.progress());
                }
                let status = step.status.unwrap_or_default();
                // An error that has only its older form comes as a line that says nothing.
                complete = status.starts_with("Status: ");
                tracing::trace!(%image, id = step.id, status, "pull");
            }
            Ok(Some(Err(error))) => return refusal(image, &Failure::from(error)),
        }
    }
}

/// What a step of a pull says of a layer; `None`: nothing, or of one that was there before.
fn layer_news(step: &CreateImageInfo) -> Option<(&str, LayerNews)> {
    let known = step.progress_detail.as_ref();
    let bytes = |count: Option<i64>| count.and_then(|count| u64::try_from(count).ok());
    let current = bytes(known.and_then(|it| it.current));
    let total = bytes(known.and_then(|it| it.total)).filter(|total| *total > 0);
    let news = match step.status.as_deref()? {
        "Pulling fs layer" | "Waiting" => LayerNews::Wanted,
        "Downloading" => LayerNews::Fetching(current?, total),
        "Verifying Checksum" | "Download complete" => LayerNews::Fetched,
        // Some engines count seconds here, and tell no total.
        "Extracting" => LayerNews::Unpacking(current?, total?),
        "Pull complete" => LayerNews::Done,
        _ => return None,
    };
    Some((step.id.as_deref()?, news))
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
        Outcome::Rejected(rejection) if rejection.cause == Cause::RateLimited => {
            rejected(Cause::RateLimited, format!("{image}: {failure}"))
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
    fn what_the_engine_tells_of_layers_is_how_far_a_pull_has_come() {
        let mut layers = Layers::default();
        let mut after = |told: &[&str]| {
            for line in told {
                let step: CreateImageInfo = serde_json::from_str(line).unwrap();
                if let Some((id, news)) = layer_news(&step) {
                    layers.take(id, news);
                }
            }
            let it = layers.progress();
            (it.layers, it.layers_done, it.fetched_bytes, it.total_bytes, it.unpacked_bytes)
        };
        // As Docker 20.10 tells it; of what is there already nothing has to come.
        let begun = after(&[
            r#"{"status":"Pulling from big","id":"1"}"#,
            r#"{"status":"Already exists","progressDetail":{},"id":"14fc89eeab84"}"#,
            r#"{"status":"Pulling fs layer","progressDetail":{},"id":"9315303e4415"}"#,
            r#"{"status":"Pulling fs layer","progressDetail":{},"id":"beef104e2949"}"#,
            r#"{"status":"Waiting","progressDetail":{},"id":"beef104e2949"}"#,
            r#"{"status":"Downloading","progressDetail":{"current":167516,"total":15004769},"id":"9315303e4415"}"#,
        ]);
        assert_eq!(begun, (2, 0, 167_516, None, 0));
        let come = after(&[
            r#"{"status":"Verifying Checksum","progressDetail":{},"id":"9315303e4415"}"#,
            r#"{"status":"Download complete","progressDetail":{},"id":"9315303e4415"}"#,
            r#"{"status":"Downloading","progressDetail":{"current":40,"total":60},"id":"beef104e2949"}"#,
            r#"{"status":"Retrying in 5 seconds","progressDetail":{},"id":"beef104e2949"}"#,
            r#"{"status":"Extracting","progressDetail":{"current":163840,"total":15004769},"id":"9315303e4415"}"#,
        ]);
        assert_eq!(come, (2, 0, 15_004_809, Some(15_004_829), 163_840));
        let done = after(&[
            // As Docker 29 tells it, whose images are containerd's.
            r#"{"status":"Extracting","progressDetail":{"current":1,"units":"s"},"id":"beef104e2949"}"#,
            r#"{"status":"Pull complete","progressDetail":{},"id":"9315303e4415"}"#,
            r#"{"status":"Pull complete","progressDetail":{},"id":"beef104e2949"}"#,
            r#"{"status":"Digest: sha256:3f448cc6e0bdb11d7ab67c24dfc1212292d52ac0d65bca95c900f8a195b8443d"}"#,
            r#"{"status":"Status: Downloaded newer image for 127.0.0.1:5599/big:1"}"#,
        ]);
        assert_eq!(done, (2, 2, 15_004_829, Some(15_004_829), 15_004_829));
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
        assert_eq!(cause(500, "toomanyrequests: slow down"), Some(Cause::RateLimited));
        assert_eq!(
            cause(500, "Get https://r/v2/: no basic auth credentials"),
            Some(Cause::PullFailed)
        );
        assert_eq!(cause(500, "no space left on device"), Some(Cause::NoSpace));
        assert_eq!(cause(502, "bad gateway"), None);
    }
}
