//! Values for journeys: from a list, in order, at random, or by a popularity curve. Knows lists of JSON values; must not know
//! which requests they end up in.

use std::io::BufRead;
use std::path::Path;

use rand::RngExt;
use rand::rngs::SmallRng;
use rand_distr::{Distribution, Zipf};
use serde_json::Value;

use crate::expression::Vars;
use crate::share::Share;
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

/// Reads a CSV file with a header: each row as an object of texts.
pub fn read_csv(path: &Path) -> Result<Vec<Value>, String> {
    let wrong = |e: csv::Error| format!("{}: {e}", path.display());
    let mut reader = csv::Reader::from_path(path).map_err(wrong)?;
    let header = reader.headers().map_err(wrong)?.clone();
    let mut rows = Vec::new();
    for record in reader.records().take(VALUES_MAX) {
        let record = record.map_err(wrong)?;
        let fields = header
            .iter()
            .zip(&record)
            .map(|(name, value)| (name.to_owned(), Value::from(value)));
        rows.push(Value::Object(fields.collect()));
    }
    Ok(rows)
}

/// Reads one JSON value per line; skips empty lines.
pub fn read_json_lines(path: &Path) -> Result<Vec<Value>, String> {
    let file = std::fs::File::open(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut values = Vec::new();
    for (i, line) in std::io::BufReader::new(file)
        .lines()
        .take(VALUES_MAX)
        .enumerate()
    {
        let line = line.map_err(|e| format!("{}: {e}", path.display()))?;
        if !line.trim().is_empty() {
            values.push(
                serde_json::from_str(&line)
                    .map_err(|e| format!("{}:{}: {e}", path.display(), i + 1))?,
            );
        }
    }
    Ok(values)
}
