//! Not a bench: the table of what the benches have measured, each beside its floors, from criterion's folder. Cargo runs benches in the order
//! of their names, so this one is the last. It writes the table to reports/bench/ and prints it. What `cargo bench` left out this time has
//! the times of the last time.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use loadgen_report::compare::criterion::{Saved, saved};
use loadgen_report::units::time_of_nanos;

const FLOOR: &str = "floor: ";

/// What was measured and at what size, if it has one.
fn name_and_size(of: &Saved) -> (&str, &str) {
    of.name.split_once('/').unwrap_or((&of.name, ""))
}

fn is_floor_of(floor: &Saved, of: &Saved) -> bool {
    let same_size = name_and_size(floor).1 == name_and_size(of).1;
    floor.name.starts_with(FLOOR) && floor.group == of.group && same_size
}

/// The table: a row for each pair of a benchmark and a floor, and one for each benchmark without a floor.
fn table(mut measured: Vec<Saved>) -> String {
    // The sizes by number, where they are numbers.
    measured.sort_by_cached_key(|of| {
        let (name, size) = name_and_size(of);
        let number = size.parse().unwrap_or(0_u64);
        (of.group.clone(), name.to_owned(), number, size.to_owned())
    });
    let mut text = "| group | measured | size | time an iteration | its floor | the floor's time | times the floor |\n|---|---|---|---:|---|---:|---:|\n".to_owned();
    for one in measured.iter().filter(|m| !m.name.starts_with(FLOOR)) {
        let (name, size) = name_and_size(one);
        let time = time_of_nanos(one.median_ns);
        let head = format!("| {} | {name} | {size} | {time} |", one.group);
        let mut has_floor = false;
        for floor in measured.iter().filter(|m| is_floor_of(m, one)) {
            has_floor = true;
            let floor_name = name_and_size(floor).0.trim_start_matches(FLOOR);
            let ratio = one.median_ns / floor.median_ns;
            let floor_time = time_of_nanos(floor.median_ns);
            writeln!(text, "{head} {floor_name} | {floor_time} | {ratio:.2} |")
                .expect("a String takes all");
        }
        if !has_floor {
            writeln!(text, "{head} – | – | – |").expect("a String takes all");
        }
    }
    text
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let repository = package.parent().unwrap_or(package);
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| repository.join("target"), PathBuf::from);
    let table = table(saved(&target.join("criterion"), "new")?);
    let folder = repository.join("reports/bench");
    let path = folder.join("floors.md");
    println!("{table}\n{}", path.display());
    std::fs::create_dir_all(&folder)?;
    std::fs::write(&path, &table)?;
    Ok(())
}

fn main() {
    if let Err(error) = run() {
        eprintln!("the table of the benches: {error}");
        std::process::exit(1);
    }
}
