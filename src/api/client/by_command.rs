//! What is asked of one task by command.

use serde::de::DeserializeOwned;

use super::{Client, ClientError};
use crate::api::TASKS;
use crate::api::by_command::Asker;
use crate::domain::name::TaskName;
use crate::domain::record::Restart;
use crate::worker::command::task::Suspension;

impl Client {
    /// Suspends a task, whatever its manifest says.
    ///
    /// # Errors
    /// If there is no such task, or it is being removed.
    pub async fn suspend(&self, task: &TaskName, asker: &Asker) -> Result<Suspension, ClientError> {
        self.ask_of(task, "suspend", asker).await
    }

    /// Takes back that a task was suspended by command.
    ///
    /// # Errors
    /// If there is no such task, or it is being removed.
    pub async fn resume(&self, task: &TaskName, asker: &Asker) -> Result<Suspension, ClientError> {
        self.ask_of(task, "resume", asker).await
    }

    /// Has all instances of a service replaced.
    ///
    /// # Errors
    /// If there is no such task, or none of its instances is to be replaced.
    pub async fn restart(&self, task: &TaskName, asker: &Asker) -> Result<Restart, ClientError> {
        self.ask_of(task, "restart", asker).await
    }

    async fn ask_of<T: DeserializeOwned>(
        &self,
        task: &TaskName,
        what: &str,
        asker: &Asker,
    ) -> Result<T, ClientError> {
        let path = format!("{}/{}/{}/{what}", TASKS, task.namespace, task.name);
        let asker = serde_json::to_vec(asker).map_err(ClientError::Unreadable)?;
        let body = self.exchange("POST", &path, Some(asker)).await?;
        serde_json::from_slice(&body).map_err(ClientError::Unreadable)
    }
}
