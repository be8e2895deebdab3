//! Tests comparing what `cargo bench` has saved.

use std::path::Path;

use serde_json::json;

use crate::{compare_report, text};

/// Writes a baseline as criterion saves it, with this many nanoseconds for an iteration and one disturbed sample.
fn save(folder: &Path, benchmark: &str, baseline: &str, ns: f64) {
    let place = folder.join(benchmark).join(baseline);
    std::fs::create_dir_all(&place).unwrap();
    let iters: Vec<f64> = (1..=9).map(f64::from).collect();
    let mut times: Vec<f64> = iters.iter().map(|n| n * ns).collect();
    times[8] *= 10.0;
    let sample = json!({"sampling_mode": "Linear", "iters": iters, "times": times});
    std::fs::write(place.join("sample.json"), sample.to_string()).unwrap();
    let id = json!({"group_id": "group", "full_id": format!("group/{benchmark}")});
    std::fs::write(place.join("benchmark.json"), id.to_string()).unwrap();
}

#[test]
fn saved_baselines_are_judged_by_processes_and_one_process_a_side_shows_ratios_only() {
    let folder = tempfile::tempdir().unwrap();
    for (i, noise) in [1.0, 1.01, 0.99].into_iter().enumerate() {
        for (side, slow) in [("base", 1.0), ("new", 1.3)] {
            let baseline = format!("{side}-{i}");
            save(folder.path(), "append", &baseline, 100.0 * noise * slow);
            save(folder.path(), "read", &baseline, 50.0 * noise);
        }
    }
    let compare = |a: &str, b: &str| {
        compare_report(&["--criterion", "--criterion-dir", text(folder.path()), a, b])
    };

    let several = compare("base-0,base-1,base-2", "new-0,new-1,new-2");
    let single = compare("base-0", "new-0");
    let missing = compare("base-0", "newest");
    let twice = compare("base-0", "base-0");

    assert_eq!(several.code, 1, "{}{}", several.out, several.problem);
    assert!(
        several.out.contains("group/append is worse: +30.0 %"),
        "{}",
        several.out
    );
    assert!(
        !several.out.contains("group/read is worse"),
        "{}",
        several.out
    );
    assert_eq!(single.code, 3, "{}{}", single.out, single.problem);
    assert!(
        single.out.contains("one process a side") && single.out.contains("+30.0 %"),
        "{}",
        single.out
    );
    assert_eq!(missing.code, 2, "{}", missing.out);
    assert!(
        missing.problem.contains("--save-baseline newest"),
        "{}",
        missing.problem
    );
    assert_eq!(twice.code, 2, "{}", twice.out);
}
