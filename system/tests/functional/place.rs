//! Where a shop's data lie: on a Redis of its own, in a folder.

use tempfile::TempDir;

use crate::deployment::Deployment;

pub struct Place(TempDir);

impl Place {
    pub async fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    /// Starts the system there, and waits until it is ready.
    pub async fn deploy(&self) -> Deployment {
        Deployment::in_folder(self.0.path()).await
    }
}
