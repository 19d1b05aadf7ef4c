//! Whether there is something at a path of the engine's host.
//!
//! No call asks that. But before it makes a container the engine looks whether its mounts are there,
//! and only then for its image: of an image that is nowhere none is made, and the refusal tells.

use hyper::Method;
use serde_json::json;
use uuid::Uuid;

use super::ask::{READ_DEADLINE, exchange, within};
use super::classify::Failure;
use super::connect::Address;
use crate::domain::outcome::{Cause, Outcome, Rejection};
use crate::runtime::Unreachable;

/// Whether there is something; `None`: what the engine says tells nothing of that.
pub(super) async fn sees(address: &Address, path: &str) -> Result<Option<bool>, Unreachable> {
    let mount = json!({ "Type": "bind", "Source": path, "Target": "/path", "ReadOnly": true });
    let image = format!("evenkeel/none:{}", Uuid::now_v7());
    let body = json!({ "Image": image, "HostConfig": { "Mounts": [mount] } });
    let asked = exchange(address, Method::POST, "/containers/create", Some(&body));
    match within(READ_DEADLINE, "question for a path", asked).await {
        Ok(_) => Ok(None),
        Err(failure) => told(failure),
    }
}

fn told(failure: Failure) -> Result<Option<bool>, Unreachable> {
    match failure.outcome::<()>() {
        Outcome::Rejected(Rejection { cause: Cause::MountMissing, .. }) => Ok(Some(false)),
        Outcome::Rejected(Rejection { cause: Cause::ImageMissing, .. }) => Ok(Some(true)),
        Outcome::Rejected(_) | Outcome::Done(()) => Ok(None),
        Outcome::Unknown(message) => Err(Unreachable(message)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_must_be_read_for_what_it_tells_of_the_path() {
        let refused =
            |status, message: &str| told(Failure::Refused { status, message: message.to_owned() });
        let missing =
            r#"invalid mount config for type "bind": bind source path does not exist: /nowhere"#;
        assert_eq!(refused(400, missing), Ok(Some(false)));
        assert_eq!(refused(404, "No such image: evenkeel/none:1"), Ok(Some(true)));
        let denied = r#"invalid mount config for type "bind": stat /root/x: permission denied"#;
        assert_eq!(refused(400, denied), Ok(None));
        assert_eq!(refused(403, "authorization denied by plugin p: no"), Ok(None));
        assert!(refused(502, "<html>").is_err());
        assert!(told(Failure::Unclear("no answer".to_owned())).is_err());
    }
}
