//! Raises the limit of file descriptors: each connection takes one, and the default limit is lower than what a user may ask for.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the limit as far as the system allows without privileges. If it is still too low, that shows as the run's own
/// errors.
pub fn take_all_granted() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).ok();
}
