//! Not a bench: the table of what the benches have measured, each beside its floors, from criterion's folder. Cargo runs benches in the order
//! of their names, so this one is the last. It writes the table to reports/bench/ and prints it. What `cargo bench` left out this time has
//! the times of the last time.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

const FLOOR: &str = "floor: ";

/// The part of criterion's `benchmark.json` that is read.
#[derive(Deserialize)]
struct Benchmark {
    group_id: String,
    full_id: String,
}

/// The part of criterion's `estimates.json` that is read.
#[derive(Deserialize)]
struct Estimates {
    median: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    point_estimate: f64,
}

/// A benchmark of a group: what was measured, at what size, and its median, ns an iteration.
struct Measured {
    group: String,
    name: String,
    size: String,
    median_ns: f64,
}

impl Measured {
    fn read(folder: &Path) -> Option<Self> {
        let text = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
        let benchmark: Benchmark = serde_json::from_str(&text("benchmark.json")?).ok()?;
        let estimates: Estimates = serde_json::from_str(&text("estimates.json")?).ok()?;
        let Benchmark { group_id, full_id } = benchmark;
        let rest = full_id.strip_prefix(&group_id)?.trim_start_matches('/');
        let (name, size) = rest.split_once('/').unwrap_or((rest, ""));
        Some(Self {
            name: name.to_owned(),
            size: size.to_owned(),
            group: group_id,
            median_ns: estimates.median.point_estimate,
        })
    }

    fn is_floor_of(&self, other: &Self) -> bool {
        self.name.starts_with(FLOOR) && self.group == other.group && self.size == other.size
    }
}

/// Finds all that is measured below a folder.
fn find(folder: &Path, found: &mut Vec<Measured>) {
    found.extend(Measured::read(&folder.join("new")));
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.for_each(|entry| find(&entry.path(), found));
}

/// A time with three digits and its unit.
fn time(ns: f64) -> String {
    let (value, unit) = match ns {
        ns if ns < 1e3 => (ns, "ns"),
        ns if ns < 1e6 => (ns / 1e3, "µs"),
        ns if ns < 1e9 => (ns / 1e6, "ms"),
        ns => (ns / 1e9, "s"),
    };
    let digits = match value {
        value if value < 10.0 => 2,
        value if value < 100.0 => 1,
        _ => 0,
    };
    format!("{value:.digits$} {unit}")
}

/// The table: a row for each pair of a benchmark and a floor, and one for each benchmark without a floor.
fn table(mut measured: Vec<Measured>) -> String {
    // The sizes by number, where they are numbers.
    let order = |m: &Measured| {
        let number = m.size.parse().unwrap_or(0_u64);
        (m.group.clone(), m.name.clone(), number, m.size.clone())
    };
    measured.sort_by_cached_key(order);
    let mut text = "| group | measured | size | time an iteration | its floor | the floor's time | times the floor |\n|---|---|---|---:|---|---:|---:|\n".to_owned();
    for one in measured.iter().filter(|m| !m.name.starts_with(FLOOR)) {
        let Measured {
            group,
            name,
            size,
            median_ns,
        } = one;
        let head = format!("| {group} | {name} | {size} | {} |", time(*median_ns));
        let mut has_floor = false;
        for floor in measured.iter().filter(|m| m.is_floor_of(one)) {
            has_floor = true;
            let floor_name = floor.name.trim_start_matches(FLOOR);
            let ratio = median_ns / floor.median_ns;
            let floor_time = time(floor.median_ns);
            writeln!(text, "{head} {floor_name} | {floor_time} | {ratio:.2} |")
                .expect("a String takes all");
        }
        if !has_floor {
            writeln!(text, "{head} – | – | – |").expect("a String takes all");
        }
    }
    text
}

fn main() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let repository = package.parent().unwrap_or(package);
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| repository.join("target"), PathBuf::from);
    let mut measured = Vec::new();
    find(&target.join("criterion"), &mut measured);
    let table = table(measured);
    let folder = repository.join("reports/bench");
    let path = folder.join("floors.md");
    let written = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&path, &table));
    println!("{table}\n{}", path.display());
    if let Err(error) = written {
        eprintln!("{}: {error}", path.display());
        std::process::exit(1);
    }
}
