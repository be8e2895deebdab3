//! Values for journeys: from a list, in order, at random, or by a popularity curve. Knows lists of JSON values; must not know
//! which requests they end up in.

use std::fmt;
use std::io::BufRead;
use std::path::Path;

use rand::RngExt;
use rand::rngs::SmallRng;
use rand_distr::{Distribution, Zipf};
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::as_written;
use crate::csv_quotes::WatchedQuotes;
use crate::expression::Vars;
use crate::share::Share;
use crate::sources::Files;
use crate::text_file::TextFile;
use crate::trace::Delimiter;
use crate::{AtEnd, Feeder, FeederSource, Pick};

/// The most values read from a file, because a feeder is held in memory.
const VALUES_MAX: usize = 5_000_000;

/// A feeder with its values.
pub struct FeederCursor {
    name: String,
    values: Vec<Value>,
    pick: Pick,
    curve: Option<Zipf<f64>>,
    count: Option<[usize; 2]>,
    stops: bool,
    next: usize,
    step: usize,
}

impl FeederCursor {
    /// Takes the feeder's values, or those of the list of set-up that it names. A sequential one gives every n-th value: its driver's share.
    /// Fails if there are no values.
    pub fn new(feeder: &Feeder, lists: &Vars, share: Share) -> Result<Self, String> {
        let values = match &feeder.source {
            FeederSource::Values(values) => values.clone(),
            FeederSource::List(list) => lists
                .get(list)
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default(),
        };
        if values.is_empty() {
            return Err(format!("feeder `{}`: its list has no values", feeder.name));
        }
        let curve = match feeder.pick {
            Pick::Zipf => Some(
                Zipf::new(values.len() as f64, feeder.exponent)
                    .map_err(|e| format!("feeder `{}`: {e}", feeder.name))?,
            ),
            _ => None,
        };
        Ok(Self {
            name: feeder.name.clone(),
            values,
            pick: feeder.pick,
            curve,
            count: feeder.count,
            stops: feeder.at_end == AtEnd::Stop,
            next: share.index,
            step: share.of,
        })
    }

    /// The variable that its values are assigned to.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Draws one value, or an array if the feeder has a count; `None` if a feeder that stops has no more values.
    pub fn draw(&mut self, rng: &mut SmallRng) -> Option<Value> {
        match self.count {
            None => self.one(rng),
            Some([from, to]) => {
                let count = rng.random_range(from..=to);
                let values: Option<Vec<Value>> = (0..count).map(|_| self.one(rng)).collect();
                values.map(Value::Array)
            }
        }
    }

    fn one(&mut self, rng: &mut SmallRng) -> Option<Value> {
        let last = self.values.len() - 1;
        let index = match (self.pick, &self.curve) {
            (Pick::Sequential, _) => {
                if self.stops && self.next > last {
                    return None;
                }
                let index = self.next % self.values.len();
                self.next = index + self.step;
                index
            }
            // Ranks start at 1, which is the most popular.
            (Pick::Zipf, Some(curve)) => (curve.sample(rng) as usize).saturating_sub(1).min(last),
            _ => rng.random_range(0..=last),
        };
        Some(self.values[index].clone())
    }
}

/// Reads a CSV file with a header: each row as an object of texts; and says how it was read, if that had to be guessed.
///
/// # Errors
/// The file can't be read, names a column twice, or has more rows than a feeder may have.
pub(crate) fn read_csv(
    files: &Files<'_>,
    path: &Path,
    delimiter: Delimiter,
) -> Result<(Vec<Value>, Option<String>), String> {
    read_csv_up_to(VALUES_MAX, files, path, delimiter)
}

fn read_csv_up_to(
    values_max: usize,
    files: &Files<'_>,
    path: &Path,
    delimiter: Delimiter,
) -> Result<(Vec<Value>, Option<String>), String> {
    let wrong = |e: csv::Error| format!("{}: {e}", path.display());
    let file = text(files, path)?;
    let mut reader = csv::ReaderBuilder::new();
    let mut reader = reader
        .delimiter(delimiter.byte())
        .from_reader(WatchedQuotes::new(file.text, delimiter.byte(), true));
    let header = reader.headers().map_err(wrong)?.clone();
    for (i, name) in header.iter().enumerate() {
        // Spreadsheets leave columns without a name at the end; nothing can read those.
        if !name.is_empty() && header.iter().take(i).any(|before| before == name) {
            return Err(format!(
                "{}: two columns have the name `{name}`, so that nobody knows which one is meant; rename one of them",
                path.display()
            ));
        }
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(wrong)?;
        if rows.len() == values_max {
            return Err(too_many(values_max, path));
        }
        let fields = header
            .iter()
            .zip(&record)
            .filter(|(name, _)| !name.is_empty())
            .map(|(name, value)| (name.to_owned(), Value::from(value)));
        rows.push(Value::Object(fields.collect()));
    }
    Ok((rows, file.guess))
}

fn too_many(values_max: usize, path: &Path) -> String {
    format!(
        "{}: more than {values_max} values, which a feeder holds in memory; use a part of the file",
        path.display()
    )
}

/// Reads one JSON value per line; skips empty lines.
///
/// # Errors
/// The file can't be read, a line is not JSON, or there are more values than a feeder may have.
pub(crate) fn read_json_lines(files: &Files<'_>, path: &Path) -> Result<Vec<Value>, String> {
    read_json_lines_up_to(VALUES_MAX, files, path)
}

fn text(files: &Files<'_>, path: &Path) -> Result<TextFile, String> {
    let opened = files.open(path);
    let read = opened.and_then(|file| TextFile::new(file, path));
    read.map_err(|e| format!("{}: {e}", path.display()))
}

fn read_json_lines_up_to(
    values_max: usize,
    files: &Files<'_>,
    path: &Path,
) -> Result<Vec<Value>, String> {
    let file = text(files, path)?;
    let mut values = Vec::new();
    for (i, line) in std::io::BufReader::new(file.text).lines().enumerate() {
        let line = line.map_err(|e| format!("{}: {e}", path.display()))?;
        // Some programs write a byte order mark first.
        let line = line.trim_start_matches('\u{feff}');
        if !line.trim().is_empty() {
            if values.len() == values_max {
                return Err(too_many(values_max, path));
            }
            let value = match line.trim_start().starts_with('{') {
                true => as_written::parse(line).map(|Fields(fields)| Value::Object(fields)),
                false => as_written::parse(line),
            };
            values.push(value.map_err(|e| format!("{}:{}: {e}", path.display(), i + 1))?);
        }
    }
    Ok(values)
}

/// An object that names each of its fields once.
struct Fields(Vars);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Self(Vars::new()))
    }
}

impl<'de> Visitor<'de> for Fields {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut read: A) -> Result<Self, A::Error> {
        while let Some((name, value)) = read.next_entry::<String, Value>()? {
            if self.0.contains_key(&name) {
                let problem = format!("two fields have the name `{name}`");
                return Err(A::Error::custom(problem));
            }
            self.0.insert(name, value);
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(name: &str, text: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn more_rows_than_a_feeder_holds_are_refused_instead_of_dropped() {
        let (_folder, csv) = written("n.csv", b"n\n1\n2\n3\n");
        let read = |max| read_csv_up_to(max, &Files::default(), &csv, Delimiter::default());
        assert_eq!(read(3).unwrap().0.len(), 3);
        assert!(read(2).unwrap_err().contains("more than 2 values"));
        let (_folder, lines) = written("n.jsonl", b"\xef\xbb\xbf1\n\n2\n3\n");
        assert_eq!(
            read_json_lines_up_to(3, &Files::default(), &lines)
                .unwrap()
                .len(),
            3
        );
        let refused = read_json_lines_up_to(2, &Files::default(), &lines).unwrap_err();
        assert!(refused.contains("more than 2 values"));
    }

    #[test]
    fn a_quote_that_is_never_closed_is_refused_instead_of_swallowing_rows() {
        let (_folder, csv) = written("n.csv", b"id,name\n1,n\n2,\"19 inch\n3,n\n4,n\n");
        let refused = read_csv(&Files::default(), &csv, Delimiter::default()).unwrap_err();
        assert!(refused.contains("n.csv: line 3 opens a quote"), "{refused}");
    }

    #[test]
    fn a_number_of_a_json_line_stays_as_it_is_written() {
        let lines = "12345678901234567890123\n{\"id\":1.10}\n";
        let (_folder, path) = written("n.jsonl", lines.as_bytes());
        let values = read_json_lines(&Files::default(), &path).unwrap();
        let texts: Vec<_> = values.iter().map(crate::filter::plain).collect();
        assert_eq!(texts, ["12345678901234567890123", "{\"id\":1.10}"]);
    }

    #[test]
    fn a_line_that_names_a_field_twice_is_refused_with_its_place() {
        let (_folder, lines) = written("u.jsonl", b"{\"a\": 1}\n {\"a\": 1, \"a\": 2}\n");
        let refused = read_json_lines(&Files::default(), &lines).unwrap_err();
        assert!(
            refused.contains("u.jsonl:2: two fields have the name `a`"),
            "{refused}"
        );
    }

    #[test]
    fn a_file_of_another_encoding_and_delimiter_is_read() {
        let (_folder, csv) = written("n.csv", b"name;town;;\nM\xfcller;K\xf6ln;;\n");
        let delimiter = Delimiter::try_from(";".to_owned()).unwrap();
        let (rows, guess) = read_csv(&Files::default(), &csv, delimiter).unwrap();
        assert_eq!(
            rows[0],
            serde_json::json!({"name": "Müller", "town": "Köln"})
        );
        assert!(guess.unwrap().contains("windows-1252"));
    }
}
