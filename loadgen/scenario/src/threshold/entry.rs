//! A threshold as a scenario's file writes it: its text alone, or a table that says also whether a miss aborts the run.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::{FIGURES, Threshold};
use crate::duration::HumanDuration;

/// A threshold that may abort the run.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ThresholdTable {
    /// What must hold, as in `p(99) < 20ms`.
    threshold: String,
    /// Whether the run ends, with FAIL, as soon as the threshold is missed (false).
    abort: Option<bool>,
    /// With `abort`: how long after the warm-up a miss begins to count (0s). Until then a percentile or a rate has few samples.
    delay: Option<HumanDuration>,
}

impl ThresholdTable {
    fn parse(self) -> Result<Threshold, String> {
        let mut threshold: Threshold = self.threshold.parse()?;
        let delay = self.delay.map(|delay| delay.0);
        match (self.abort, delay) {
            (Some(true), delay) => threshold.abort_after = Some(delay.unwrap_or(Duration::ZERO)),
            (_, Some(_)) => return Err("`delay` is of use only with `abort = true`".into()),
            (_, None) => {}
        }
        if threshold.abort_after.is_some() && !threshold.can_be_missed_early() {
            return Err(format!(
                "`{}` can't abort a run: it can still be met until the end; allowed with `abort`: times, rates of errors, and upper bounds (<, <=) of counts",
                threshold.text
            ));
        }
        Ok(threshold)
    }
}

impl<'de> Deserialize<'de> for Threshold {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrTable)
    }
}

struct TextOrTable;

impl<'de> Visitor<'de> for TextOrTable {
    type Value = Threshold;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a threshold: \"p(99) < 20ms\", or { threshold = \"p(99) < 20ms\", abort = true, delay = \"10s\" }")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Threshold, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Threshold, A::Error> {
        let table = ThresholdTable::deserialize(MapAccessDeserializer::new(table))?;
        table.parse().map_err(A::Error::custom)
    }
}

impl JsonSchema for Threshold {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Threshold".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let description = format!(
            "FIGURE [over 10s | last 30s] (< | <= | == | >= | >) BOUND. Figures: {FIGURES}"
        );
        let table = generator.subschema_for::<ThresholdTable>();
        schemars::json_schema!({
            "anyOf": [
                { "type": "string", "pattern": "<|>|==", "description": description },
                table,
            ]
        })
    }
}
