//! Checks what a program offers to Prometheus: its metrics by Prometheus's own promtool, and that every name in the dashboards and alert
//! rules of `deploy/` is one of its metrics. A check that fails panics.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

#[path = "../../not_tested.rs"]
mod not_tested;

use not_tested::not_tested;

/// Checks metrics in Prometheus text. Without promtool it prints that they were not checked, or panics where every tool must be there.
pub fn accepts_metrics(text: &str) {
    promtool(&["check", "metrics"], text);
}

/// The metrics' names begin with this for either program.
const NAMES: &str = r"\b(?:ordershop|loadgen)_[a-z0-9_]+";

/// Checks that every metric that the dashboards and rules of `deploy/` name after this program is in its metrics, and that promtool takes
/// its rules.
pub fn names_exist(program: &str, metrics: &str) {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
    let rules = deploy.join(format!("prometheus/{program}-rules.yml"));
    let dashboard = deploy.join(format!("grafana/{program}.json"));
    let names = regex_lite::Regex::new(NAMES).expect("it is a regular expression");
    let told = series(metrics);
    let [rules_text, dashboard_text] = [&rules, &dashboard]
        .map(|file| std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{file:?}: {e}")));
    for (file, text) in [(&rules, &rules_text), (&dashboard, &dashboard_text)] {
        let found = names.find_iter(text);
        let named: BTreeSet<String> = found.map(|found| found.as_str().to_owned()).collect();
        assert!(named.len() >= 5, "{file:?} names only {named:?}");
        let unknown: Vec<&String> = named.difference(&told).collect();
        assert!(
            unknown.is_empty(),
            "{file:?} names {unknown:?}, but the metrics are {told:?}"
        );
    }
    let read: Result<serde_json::Value, _> = serde_json::from_str(&dashboard_text);
    let panels = read
        .as_ref()
        .map(|board| board["panels"].as_array().map(Vec::len));
    assert!(
        panels.is_ok_and(|panels| panels > Some(0)),
        "{dashboard:?}: {read:?}"
    );
    promtool(&["check", "rules", &rules.display().to_string()], "");
}

/// The names of the series of these metrics, also of those that have no series yet.
fn series(metrics: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for line in metrics.lines() {
        match line
            .strip_prefix("# TYPE ")
            .map(|said| said.split_once(' '))
        {
            Some(Some((name, "histogram"))) => {
                names.extend(["_bucket", "_sum", "_count"].map(|end| format!("{name}{end}")));
            }
            Some(Some((name, _))) => drop(names.insert(name.to_owned())),
            _ => {}
        }
    }
    names
}

fn promtool(arguments: &[&str], input: &str) {
    let Some(program) = find() else {
        let what = arguments.join(" ");
        return not_tested(&format!(
            "promtool {what}: no promtool found (make promtool)"
        ));
    };
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.expect("promtool can be started");
    let mut stdin = child.stdin.take().expect("its input is a pipe");
    // It prints only once it has read everything.
    stdin
        .write_all(input.as_bytes())
        .expect("promtool reads its input");
    drop(stdin);
    let output = child.wait_with_output().expect("promtool ends");
    // promtool exits with 3 for what is only bad style.
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}\n{input}");
}

/// The promtool on PATH, else the one that `make promtool` has installed.
fn find() -> Option<PathBuf> {
    let tools = std::env::var_os("TOOLS_DIR").map(PathBuf::from);
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).collect::<Vec<_>>();
    let folders = on_path
        .into_iter()
        .chain([tools.unwrap_or(here).join("bin")]);
    folders
        .map(|folder| folder.join("promtool"))
        .find(|program| program.is_file())
}
