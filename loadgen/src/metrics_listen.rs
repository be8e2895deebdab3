//! Serves a run's figures so far to Prometheus during the run. Fed by run events, served by
//! a thread of its own. Must not know how load is driven.

mod figures;
mod server;

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};

pub use figures::{ExportedFigures, Histogram, WorkloadTotals};

use crate::run_event::{Listener, RunEvent};

/// The address can't be listened on.
#[derive(Debug, thiserror::Error)]
#[error(
    "--metrics-listen {address}: {error}; give an address of this machine with a free port, as in 127.0.0.1:9464 (port 0 takes any free one)"
)]
pub struct ListenError {
    address: String,
    error: std::io::Error,
}

/// Serves the figures of one run at `/metrics`.
pub struct MetricsListener {
    address: SocketAddr,
    figures: Arc<Mutex<ExportedFigures>>,
}

impl MetricsListener {
    /// Starts listening, so that an address in use is an error before the run starts. Serves until the program ends.
    ///
    /// # Errors
    /// If the address can't be listened on.
    pub fn bind(address: &str) -> Result<Self, ListenError> {
        let failed = |error| ListenError {
            address: address.to_owned(),
            error,
        };
        let listener = TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let figures = Arc::<Mutex<ExportedFigures>>::default();
        server::spawn(listener, figures.clone()).map_err(failed)?;
        Ok(Self {
            address: bound,
            figures,
        })
    }

    /// The URL of the figures.
    pub fn url(&self) -> String {
        format!("http://{}/metrics", self.address)
    }
}

impl Listener for MetricsListener {
    fn event(&mut self, event: &RunEvent) {
        let figures = self.figures.lock();
        figures.unwrap_or_else(PoisonError::into_inner).event(event);
    }
}
