//! What instances use, read from the engine when somebody asks, and never otherwise.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use futures_util::stream::{self, StreamExt};
use tokio::time::Instant;

use crate::domain::instance::ContainerId;
use crate::domain::usage::Usage;
use crate::runtime::Runtime;

/// How many containers are asked for at once. Each takes a connection of its own, and up to a second
/// in which nothing is done: the engine answers when it reads them the next time, all together.
const AT_ONCE: usize = 128;

/// How long a reading may take: who scrapes waits for 10 s mostly. What was not told by then is
/// left out.
const LIMIT: Duration = Duration::from_secs(5);

/// What containers used at one time, as far as the engine told.
pub type Reading = Arc<BTreeMap<ContainerId, Usage>>;

type Begun = BoxFuture<'static, Reading>;
type Ask = dyn Fn(ContainerId) -> BoxFuture<'static, Option<(ContainerId, Usage)>> + Send + Sync;

/// Reads what containers use. Who asks while a reading is under way shares it.
#[derive(Clone)]
pub struct Usages {
    ask: Arc<Ask>,
    /// It goes on only as long as somebody waits for it.
    under_way: Arc<Mutex<Option<WeakShared<Begun>>>>,
}

impl fmt::Debug for Usages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Usages")
    }
}

impl Usages {
    /// Reads from that engine.
    pub fn of<R: Runtime>(runtime: Arc<R>) -> Self {
        let ask = move |id: ContainerId| {
            let runtime = Arc::clone(&runtime);
            async move {
                match runtime.usage(&id).await {
                    Ok(usage) => Some((id, usage?)),
                    Err(error) => {
                        tracing::debug!(container = id.short(), %error, "its usage is not known");
                        None
                    }
                }
            }
            .boxed()
        };
        Self { ask: Arc::new(ask), under_way: Arc::default() }
    }

    /// What these containers use now. What does not run, and what the engine does not tell in time,
    /// is left out.
    pub async fn read(&self, ids: Vec<ContainerId>) -> Reading {
        self.join(ids).await
    }

    fn join(&self, ids: Vec<ContainerId>) -> Shared<Begun> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let known = under_way.as_ref().and_then(WeakShared::upgrade);
        if let Some(known) = known.filter(|it| it.peek().is_none()) {
            return known;
        }
        let begun = read(Arc::clone(&self.ask), ids).boxed().shared();
        *under_way = begun.downgrade();
        begun
    }
}

async fn read(ask: Arc<Ask>, ids: Vec<ContainerId>) -> Reading {
    let until = Instant::now() + LIMIT;
    let mut told = stream::iter(ids).map(|id| ask(id)).buffer_unordered(AT_ONCE);
    let mut reading = BTreeMap::new();
    while let Ok(Some(one)) = tokio::time::timeout_at(until, told.next()).await {
        reading.extend(one);
    }
    Arc::new(reading)
}
