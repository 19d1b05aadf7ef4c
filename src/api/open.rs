//! What of the API is told to everybody who can reach an address: metrics and health, nothing else.

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::server::{ApiError, Sources, answer, routes};
use super::visitor::Names;

/// What is told there.
const OPEN: [&str; 3] = [super::METRICS, super::HEALTHZ, super::READYZ];

/// Listens at an address.
///
/// # Errors
/// If that can't be: somebody else does, or the address is none of this host.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, ApiError> {
    let failed = |error| ApiError::ListenAt(address, error);
    TcpListener::bind(address).await.map_err(failed)
}

/// Answers until `stop`; without a listener, nobody.
pub async fn serve(listener: Option<TcpListener>, sources: Sources, stop: CancellationToken) {
    let Some(listener) = listener else {
        return stop.cancelled().await;
    };
    let names = listener.local_addr().map_or(Names::Local, Names::of);
    let open = routes().into_iter().filter(|route| OPEN.contains(&route.path)).collect();
    answer((listener, names), open, sources, stop).await;
}
