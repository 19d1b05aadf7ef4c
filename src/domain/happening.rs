//! What may be told of a task: the stable words of events, and which of them begin something.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error;

/// What may be told of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum Happening {
    /// A manifest was accepted, or another form of it.
    Accepted,
    /// A container was taken over as it was found.
    Adopted,
    /// What was known of the task is lost.
    StateLost,
    /// An instance ended by itself, with 0.
    Completed,
    /// An instance ended by itself, not with 0.
    Failed,
    /// The kernel ended an instance for its memory.
    #[serde(rename = "OOMKilled")]
    OomKilled,
    /// A container could not be made or started.
    StartError,
    /// A container is gone.
    Lost,
    /// An instance ended with the engine.
    Disrupted,
    /// A probe of an instance failed too often: it is replaced.
    ProbeFailed,
    /// A probe that is new to a running instance fails, and does not count yet.
    ProbeDoubtful,
    /// An instance that was ready is not ready now.
    NotReady,
    /// Something that is not known has the name of a container.
    NameTaken,
    /// An image could not be pulled.
    ImagePullFailed,
    /// A step failed, and is tried again.
    StepFailed,
    /// Something was changed by somebody else, and is mended.
    Drift,
    /// A container was restarted by somebody else, and is kept.
    RestartedByHand,
    /// A manifest is gone.
    ManifestGone,
    /// Everything is taken down.
    Down,
    /// Somebody suspended the task by command.
    SuspendAsked,
    /// Somebody resumed it by command.
    ResumeAsked,
    /// Somebody asked by command that its instances are replaced.
    RestartAsked,
    /// A revision failed and is gone back from.
    RolledBack,
    /// A host port is somebody else's.
    PortConflict,
    /// Something that is mounted is still written by another instance.
    VolumeInUse,
    /// The engine has been removing a container for long.
    StuckRemoving,
    /// The policy does not allow it.
    PolicyDenied,
    /// The engine does not share this host.
    NoSharedHost,
    /// A move that the table of states does not allow was refused.
    IllegalMove,
    /// A revision begins.
    Revision,
    /// The image of a revision is there.
    ImageReady,
    /// An instance is running.
    Running,
    /// A revision is ready.
    Ready,
    /// An instance that was not ready is ready again.
    ReadyAgain,
    /// An instance is wanted: the manifest asks for it.
    Wanted,
    /// An instance is wanted again.
    Resumed,
    /// An instance of another form is wanted.
    Changed,
    /// An instance is wanted after one that ended.
    Restarted,
    /// An instance is wanted in place of one that is restarted by command.
    Renewed,
    /// Fewer instances are wanted.
    ScaledDown,
    /// The task is suspended.
    Suspended,
    /// An instance is of a task that was removed before.
    OfRemovedTask,
    /// Another instance has taken over.
    Superseded,
    /// Another instance can start only after it.
    MakesWay,
    /// A step of an instance that was begun before.
    Begun,
    /// What has ended is not kept.
    Cleanup,
    /// A container is given other limits.
    Updated,
    /// An instance is being stopped.
    Stopping,
    /// An instance ended because it was no longer wanted.
    Stopped,
    /// An instance ended before it ran.
    Cancelled,
    /// A slot is not tried again.
    GivenUp,
    /// Nothing is left of the task.
    Removed,
    /// Containers of the task are left as they are.
    LetGo,
}

impl Happening {
    /// The stable CamelCase word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::Adopted => "Adopted",
            Self::StateLost => "StateLost",
            Self::Completed => "Completed",
            Self::Failed => "Failed",
            Self::OomKilled => "OOMKilled",
            Self::StartError => "StartError",
            Self::Lost => "Lost",
            Self::Disrupted => "Disrupted",
            Self::ProbeFailed => "ProbeFailed",
            Self::ProbeDoubtful => "ProbeDoubtful",
            Self::NotReady => "NotReady",
            Self::NameTaken => "NameTaken",
            Self::ImagePullFailed => "ImagePullFailed",
            Self::StepFailed => "StepFailed",
            Self::Drift => "Drift",
            Self::RestartedByHand => "RestartedByHand",
            Self::ManifestGone => "ManifestGone",
            Self::Down => "Down",
            Self::SuspendAsked => "SuspendAsked",
            Self::ResumeAsked => "ResumeAsked",
            Self::RestartAsked => "RestartAsked",
            Self::RolledBack => "RolledBack",
            Self::PortConflict => "PortConflict",
            Self::VolumeInUse => "VolumeInUse",
            Self::StuckRemoving => "StuckRemoving",
            Self::PolicyDenied => "PolicyDenied",
            Self::NoSharedHost => "NoSharedHost",
            Self::IllegalMove => "IllegalMove",
            Self::Revision => "Revision",
            Self::ImageReady => "ImageReady",
            Self::Running => "Running",
            Self::Ready => "Ready",
            Self::ReadyAgain => "ReadyAgain",
            Self::Wanted => "Wanted",
            Self::Resumed => "Resumed",
            Self::Changed => "Changed",
            Self::Restarted => "Restarted",
            Self::Renewed => "Renewed",
            Self::ScaledDown => "ScaledDown",
            Self::Suspended => "Suspended",
            Self::OfRemovedTask => "OfRemovedTask",
            Self::Superseded => "Superseded",
            Self::MakesWay => "MakesWay",
            Self::Begun => "Begun",
            Self::Cleanup => "Cleanup",
            Self::Updated => "Updated",
            Self::Stopping => "Stopping",
            Self::Stopped => "Stopped",
            Self::Cancelled => "Cancelled",
            Self::GivenUp => "GivenUp",
            Self::Removed => "Removed",
            Self::LetGo => "LetGo",
        }
    }

    /// What a word means; `None`: this release does not know it.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        let word = IntoDeserializer::<Error>::into_deserializer(word);
        Self::deserialize(word).ok()
    }

    /// Whether it begins something, and what is told after it follows from it. Else it follows from
    /// what was told before.
    #[must_use]
    pub fn is_cause(self) -> bool {
        match self {
            Self::Accepted
            | Self::Adopted
            | Self::StateLost
            | Self::Completed
            | Self::Failed
            | Self::OomKilled
            | Self::StartError
            | Self::Lost
            | Self::Disrupted
            | Self::ProbeFailed
            | Self::ProbeDoubtful
            | Self::NotReady
            | Self::NameTaken
            | Self::ImagePullFailed
            | Self::StepFailed
            | Self::Drift
            | Self::RestartedByHand
            | Self::ManifestGone
            | Self::Down
            | Self::SuspendAsked
            | Self::ResumeAsked
            | Self::RestartAsked
            | Self::RolledBack
            | Self::PortConflict
            | Self::VolumeInUse
            | Self::StuckRemoving
            | Self::PolicyDenied
            | Self::NoSharedHost
            | Self::IllegalMove => true,
            Self::Revision
            | Self::ImageReady
            | Self::Running
            | Self::Ready
            | Self::ReadyAgain
            | Self::Wanted
            | Self::Resumed
            | Self::Changed
            | Self::Restarted
            | Self::Renewed
            | Self::ScaledDown
            | Self::Suspended
            | Self::OfRemovedTask
            | Self::Superseded
            | Self::MakesWay
            | Self::Begun
            | Self::Cleanup
            | Self::Updated
            | Self::Stopping
            | Self::Stopped
            | Self::Cancelled
            | Self::GivenUp
            | Self::Removed
            | Self::LetGo => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn each_must_be_known_again_by_its_word() {
        let schema = schemars::schema_for!(Happening);
        let one_of = schema.get("oneOf").and_then(Value::as_array).unwrap();
        let words: Vec<&str> = one_of.iter().map(|it| it["const"].as_str().unwrap()).collect();
        assert!(words.contains(&"OOMKilled"), "{words:?}");
        for word in words {
            assert_eq!(Happening::of(word).map(Happening::word), Some(word));
        }
        assert_eq!(Happening::of("Bored"), None);
    }
}
