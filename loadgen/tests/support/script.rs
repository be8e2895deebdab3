//! Programs that tests write.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Writes a program for sh.
pub fn script(path: &Path, body: &str) {
    std::fs::write(path, format!("#!/bin/sh\n{body}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}
