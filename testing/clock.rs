//! A wall clock that a test sets back, for a program that it starts. Only on Linux, and only for a program that is linked dynamically.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// What is loaded into the program.
const SOURCE: &str = include_str!("clock.c");

/// The clock of the programs that are started with its variables.
pub struct Clock(TempDir);

impl Clock {
    /// A clock that is right; `None` where no program can have it.
    pub fn new() -> Option<Self> {
        if !cfg!(target_os = "linux") {
            println!("skipped: only on Linux can a test set a program's clock back");
            return None;
        }
        let clock = Self(TempDir::new().unwrap());
        // Whoever builds Rust has a C compiler: it links.
        let mut cc = Command::new("cc")
            .args(["-shared", "-fPIC", "-x", "c", "-", "-o"])
            .arg(clock.file("clock.so"))
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut source = cc.stdin.take().unwrap();
        source.write_all(SOURCE.as_bytes()).unwrap();
        drop(source);
        assert!(cc.wait().unwrap().success());
        clock.set_back(Duration::ZERO);
        Some(clock)
    }

    /// Sets it back, to so much before the right time.
    pub fn set_back(&self, by: Duration) {
        let behind = std::fs::File::create(self.file("behind")).unwrap();
        behind.set_len(by.as_secs()).unwrap();
    }

    /// The variables of a program that is to have it.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("LD_PRELOAD", self.file("clock.so")),
            ("CLOCK_BEHIND", self.file("behind")),
        ]
    }

    fn file(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }
}
