//! Room for connections: each takes a descriptor, and the usual limit is lower than what the same user may ask for.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Takes as many descriptors as the system grants without being asked for rights. What is still too few shows as the run's own
/// errors.
pub fn take_all_granted() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).ok();
}
