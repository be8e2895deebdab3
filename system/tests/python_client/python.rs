//! The Python that has gRPC, and how its scripts are run.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The Python with gRPC; without it, prints that `what` was not tested.
pub fn python(what: &str) -> Option<PathBuf> {
    let tools = std::env::var_os("TOOLS_DIR").map(PathBuf::from);
    let tools = tools.unwrap_or_else(|| root().join("../target/tools"));
    let python = tools.join("python-grpc/bin/python3");
    if !python.exists() {
        // Written directly to stderr, as the test harness hides the output of a passing test.
        let _ = writeln!(
            std::io::stderr(),
            "NOT TESTED: {what} from Python: no grpcio found (make python)"
        );
        return None;
    }
    Some(python)
}

/// The command `SCRIPT CONTRACTS STUBS EVENT_STORE MESSAGE_QUEUE`. The script generates its clients into `stubs`, which is created.
pub fn script(python: &Path, name: &str, stubs: &Path, addresses: [String; 2]) -> Command {
    std::fs::create_dir(stubs).unwrap();
    let mut command = Command::new(python);
    command
        .arg(root().join("tests/python").join(name))
        .arg(root().join("original/proto/original"))
        .arg(stubs)
        .args(addresses)
        // No compiled files may be left among the sources.
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    command
}
