//! The environment of a system that is started here: made, not inherited. A variable that somebody has exported for something else, such
//! as `THREADS`, must not change what is measured.

use std::ffi::{OsStr, OsString};
use std::path::Path;

/// The variables that say where things are and how texts are written, not what a system does.
const KEPT: [&str; 13] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "TMPDIR",
    "TZ",
    "LANG",
    "LANGUAGE",
    // Without them a program may not find its libraries, or the authorities that this machine trusts.
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];
/// The prefix of the other variables of the locale.
const LOCALE: &str = "LC_";

/// The variables for a child; its programs are looked for in the folder `first` before PATH.
pub fn made(first: Option<&Path>) -> Vec<(OsString, OsString)> {
    let kept = |name: &OsStr| {
        let name = name.to_string_lossy();
        KEPT.contains(&&*name) || name.starts_with(LOCALE)
    };
    let mut made: Vec<_> = std::env::vars_os().filter(|(name, _)| kept(name)).collect();
    if let Some(first) = first {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(first.to_owned()).chain(std::env::split_paths(&path));
        // Can't fail: a temporary folder's name has no colon, nor has a folder that was split from PATH.
        if let Ok(path) = std::env::join_paths(folders) {
            made.retain(|(name, _)| name != "PATH");
            made.push(("PATH".into(), path));
        }
    }
    made
}
