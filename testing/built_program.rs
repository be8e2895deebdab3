//! A program of this workspace for another package's tests: as cargo has built it last, unless its sources are newer. Cargo itself, asked in
//! between, would build it anew with fewer features than the tests were built with, and in the place of theirs.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

/// The program `name` of the package `name`, whose sources are in the workspace's folder `sources`; it stands beside the program `beside`.
pub fn built_program(name: &str, sources: &str, beside: &str) -> PathBuf {
    static CHECKED: OnceLock<()> = OnceLock::new();
    let program = Path::new(beside).with_file_name(name);
    CHECKED.get_or_init(|| {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
        let workspace = workspace.filter(|folder| folder.join("Cargo.lock").exists());
        let workspace = workspace.last().unwrap();
        if changed(&program) < newest(&workspace.join(sources)) {
            build(name);
        }
    });
    program
}

fn changed(file: &Path) -> SystemTime {
    let changed = file.metadata().and_then(|about| about.modified());
    changed.unwrap_or(SystemTime::UNIX_EPOCH)
}

/// When the newest file in the folder, tests left out, was changed.
fn newest(folder: &Path) -> SystemTime {
    let entries = std::fs::read_dir(folder).unwrap();
    let entries = entries.map(|entry| entry.unwrap().path());
    let files = entries.filter(|path| !path.ends_with("tests"));
    let times = files.map(|path| match path.is_dir() {
        true => newest(&path),
        false => changed(&path),
    });
    times.max().unwrap_or(SystemTime::UNIX_EPOCH)
}

fn build(package: &str) {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--all-features"])
        .args(["--package", package, "--bin", package])
        .args((!cfg!(debug_assertions)).then_some("--release"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .unwrap();
    assert!(built.success(), "{package} could not be built");
}
