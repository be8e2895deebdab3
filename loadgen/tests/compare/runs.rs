//! Runs to compare: one real run, and copies of it with changed figures.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Loadgen, SmallSystem, open};

/// One short run against the small system, made once.
pub fn original() -> &'static Path {
    static RUN: OnceLock<PathBuf> = OnceLock::new();
    RUN.get_or_init(|| {
        let system = SmallSystem::start();
        let ended = Loadgen::scenario(&open(50, "1s", "")).target(&system).run();
        assert!(ended.out.join("report.json").is_file(), "{}", ended.stderr);
        // The folder of `ended` is deleted with it, so the run is copied.
        let kept = tempfile::tempdir().unwrap().keep();
        copy(&ended.out, &kept);
        kept
    })
}

/// Copies a run's files.
pub fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        if entry.path().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// Changes the report in a run's folder.
pub fn change(folder: &Path, change: impl FnOnce(&mut Value)) {
    let file = folder.join("report.json");
    let mut report = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    change(&mut report);
    std::fs::write(&file, report.to_string()).unwrap();
}

/// The cost of a journey in a run: CPU in µs, and Redis commands.
pub fn resources(cpu_us: f64, commands: f64) -> Value {
    json!({
        "journeys": 50,
        "cpu_us_per_journey": {"system": cpu_us * 0.7, "redis": cpu_us * 0.3, "both": cpu_us},
        "redis": {"commands_per_journey": commands, "input_bytes_per_journey": 9000.0,
            "output_bytes_per_journey": 8000.0, "memory_bytes": 1e6},
        "events_per_append": 3.0, "messages_per_take": 2.0,
    })
}

/// How many runs were added, of all tests.
static ADDED: AtomicU32 = AtomicU32::new(1);

/// Folders of runs, deleted when the value is dropped.
pub struct Runs(TempDir);

impl Runs {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A copy of the original under `side/number`, with its report changed.
    pub fn add(&self, side: &str, number: usize, change: impl Fn(&mut Value)) -> PathBuf {
        let folder = self.path(side).join(format!("{number:02}"));
        std::fs::create_dir_all(&folder).unwrap();
        copy(original(), &folder);
        self::change(&folder, |report| {
            // A millisecond later each, or it would be a copy.
            let later_s = ADDED.fetch_add(1, Ordering::Relaxed) as f64 / 1e3;
            report["started_at"] = json!(report["started_at"].as_f64().unwrap() + later_s);
            report["verdict"] = json!({"result": "PASS", "reasons": []});
            report["environment"]["durability"] = json!("none");
            report["resources"] = resources(3_000.0, 100.0);
            change(report);
        });
        folder
    }

    /// Writes six runs of a side with this CPU cost of a journey, plus or minus one percent.
    pub fn side(&self, side: &str, cpu_us: f64) -> PathBuf {
        for (i, noise) in [1.0, 1.01, 0.99, 1.006, 0.995, 1.003]
            .into_iter()
            .enumerate()
        {
            self.add(side, i + 1, |report| {
                report["resources"] = resources(cpu_us * noise, 100.0 * noise);
            });
        }
        self.path(side)
    }
}
