//! The fingerprint of what a scenario asks of a target: it tells two scenarios of one name apart. It is made from the keys as they were
//! written, not from the types here, so that another version of this program makes the same one.

use std::io;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::scenario::Scenario;
use crate::toml_json::object;

/// The keys that say what is asked. A report tells parameters, targets, durability and the workloads' rates and times itself; the other
/// keys ask for nothing that is measured.
const ASKED: [&str; 7] = [
    "chaos", "faults", "feeders", "http", "journeys", "setup", "trace",
];
/// The keys of a workload that its description does not tell.
const ASKED_OF_WORKLOADS: [&str; 4] = ["idempotency_keys", "journeys", "name", "traceparent"];
/// Of 256 bits so many bytes are kept: enough to tell scenarios apart that nobody has forged.
const KEPT_BYTES: usize = 8;

impl Scenario {
    /// 16 hexadecimal digits that are the same for the same requests, checks, waits, set-up, feeders and HTTP options; files that the
    /// scenario names count with what they hold.
    ///
    /// # Errors
    /// A file that the scenario names can't be read any more.
    pub fn fingerprint(&self) -> Result<String, String> {
        let mut asked: toml::Table = toml::from_str(&self.read_from.text)
            .map_err(|e| format!("{}: {e}", self.read_from.file))?;
        let workloads = ["workload", "workloads"].map(|key| asked.remove(key));
        asked.retain(|key, _| ASKED.contains(&key));
        let mut asked = object(asked)?;
        let of_workloads = workloads
            .into_iter()
            .flatten()
            .flat_map(|value| match value {
                toml::Value::Array(several) => several,
                one => vec![one],
            });
        let of_workloads = of_workloads.map(|workload| {
            let mut workload = workload.try_into::<toml::Table>().unwrap_or_default();
            workload.retain(|key, _| ASKED_OF_WORKLOADS.contains(&key));
            object(workload).map(Value::Object)
        });
        asked.insert(
            "workloads".to_owned(),
            of_workloads.collect::<Result<_, _>>()?,
        );
        let mut asked = Value::Object(asked);
        asked.sort_all_objects();
        let mut digest = Sha256::new_with_prefix(asked.to_string());
        for path in &self.read_from.paths {
            let file = || -> io::Result<_> {
                // A pipe gives its text once only.
                match std::fs::metadata(path)?.is_file() {
                    true => Ok(Sha256::digest(std::fs::read(path)?)),
                    false => Ok(Sha256::digest("")),
                }
            };
            digest.update(file().map_err(|e| format!("{}: {e}", path.display()))?);
        }
        let bytes = digest.finalize();
        let kept = bytes.iter().take(KEPT_BYTES);
        Ok(kept.map(|byte| format!("{byte:02x}")).collect())
    }
}

#[cfg(test)]
mod tests {
    const TEXT: &str = r#"
name = "s"
description = "d"
thresholds = ["p(99) < 1s"]
[parameters]
size = 1
[limits]
cpu_pct_max = 50.0
[workload]
kind = "open"
rate = 10.0
duration = "1s"
[[feeders]]
name = "row"
csv = "rows.csv"
pick = "sequential"
[[journeys]]
name = "j"
[[journeys.steps]]
name = "post"
request = { method = "POST", path = "/{{row.a}}/{{size}}", query = { b = "1" } }
"#;

    fn of(folder: &std::path::Path, text: &str, rows: &str) -> String {
        std::fs::write(folder.join("rows.csv"), rows).unwrap();
        let file = folder.join("s.toml");
        let scenario = crate::read(file.to_str().unwrap(), text).unwrap();
        scenario.fingerprint().unwrap()
    }

    #[test]
    fn it_changes_with_what_is_asked_and_with_nothing_else() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let rows = "a\n1\n2\n";
        let first = of(folder.path(), TEXT, rows);
        assert_eq!(first.len(), 16, "{first}");
        assert_eq!(of(other.path(), TEXT, rows), first, "elsewhere");
        for (from, to, same) in [
            ("\"d\"", "\"another\"", true),
            ("name = \"s\"", "name = \"t\"", true),
            ("< 1s", "< 2s", true),
            ("size = 1", "size = 2", true),
            ("50.0", "60.0", true),
            ("rate = 10.0", "rate = 20.0", true),
            ("name = \"j\"", "name = 'j' # a comment", true),
            ("\"POST\"", "\"PUT\"", false),
            ("b = \"1\"", "b = \"2\"", false),
            ("sequential", "random", false),
            (
                "[[journeys]]",
                "[http]\nkeep_alive = false\n[[journeys]]",
                false,
            ),
            ("rate = 10.0", "rate = 10.0\ntraceparent = false", false),
            (
                "name = \"post\"",
                "name = \"post\"\nexpect = { status = 201 }",
                false,
            ),
        ] {
            let text = TEXT.replace(from, to);
            assert_ne!(text, TEXT, "{from}");
            let found = of(folder.path(), &text, rows);
            assert_eq!(found == first, same, "{from} -> {to}: {found}, {first}");
        }
        assert_ne!(of(folder.path(), TEXT, "a\n1\n3\n"), first, "other rows");
    }
}
