//! The limits of a run: one table of keys, defaults and what is allowed. The file's keys, the editors' schema and the
//! check of a scenario follow from it.

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use crate::duration::HumanDuration;

/// Every duration that can be written.
const ANY_TIME: RangeInclusive<Duration> = Duration::ZERO..=HumanDuration::MAX;
/// Without 0, which no run keeps.
const SOME_TIME: RangeInclusive<Duration> = Duration::from_micros(1)..=HumanDuration::MAX;

macro_rules! limits {
    ($($(#[doc = $doc:literal])+ $name:ident: $type:ty = $default:expr, $allowed:expr;)+) => {
        /// Limits of a run; each has a default.
        #[derive(Debug, Clone, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct Limits {
            $(
                $(#[doc = $doc])+
                #[serde(deserialize_with = "Limit::read")]
                pub $name: $type,
            )+
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: $default,)+ }
            }
        }

        impl Limits {
            /// The first that is out of range: its key, and what is allowed.
            pub(super) fn out_of_range(&self) -> Option<(&'static str, String)> {
                $(
                    let allowed: RangeInclusive<$type> = $allowed;
                    if !allowed.contains(&self.$name) {
                        let (least, most) = (allowed.start().json(), allowed.end().json());
                        return Some((stringify!($name), format!("{least} to {most}; {} by default", $default.json())));
                    }
                )+
                None
            }

            fn properties(generator: &mut SchemaGenerator) -> Value {
                json!({
                    $(stringify!($name): property(generator, concat!($($doc),+), &$default, &$allowed),)+
                })
            }
        }
    };
}

limits! {
    /// Journeys in flight at once, of each workload; an arrival over it is dropped and counted.
    in_flight_max: usize = 4_096, 1..=1_000_000;
    /// Connections open at once to one target, all drivers together; a request beyond it waits for its turn, and its response time with it.
    connections_max: usize = 1_024, 1..=60_000;
    /// Journeys a second that are followed for the latency budget, at most; 0 for none. The default is enough for a p99
    /// after seconds, and too few to be felt.
    sampled_per_s: f64 = 50.0, 0.0..=1e6;
    /// For one request, and for an await without a timeout of its own.
    request_timeout: Duration = Duration::from_secs(10), SOME_TIME;
    /// For journeys in flight when the workload ends.
    drain_timeout: Duration = Duration::from_secs(30), ANY_TIME;
    /// For the target's backlog after the drain.
    backlog_timeout: Duration = Duration::from_secs(10), ANY_TIME;
    /// Past this the generator has not kept its schedule, and the run is INVALID.
    slip_p99_max: Duration = Duration::from_millis(50), SOME_TIME;
    /// CPU of one driver, in percent of one core; past it the run is INVALID.
    cpu_pct_max: f64 = 90.0, 0.0..=1e6;
    /// How late a driver's event loop may come round (p99); past it the machine was too busy, and the run is INVALID.
    loop_stall_p99_max: Duration = Duration::from_millis(100), SOME_TIME;
    /// How far the wall clock may jump against the monotonic one; past it the run is INVALID.
    clock_jump_max: Duration = Duration::from_millis(500), SOME_TIME;
    /// Dropped and unsent of all arrivals, in percent; past it the run is INVALID.
    dropped_pct_max: f64 = 1.0, 0.0..=100.0;
    /// A longer answer is an error.
    response_bytes_max: usize = 64 << 20, 1..=1 << 40;
}

/// A limit's type: how it stands in the file and in the schema.
trait Limit: PartialOrd + Sized {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
    fn json(&self) -> Value;
    fn schema(generator: &mut SchemaGenerator, allowed: &RangeInclusive<Self>) -> Schema;
}

impl Limit for usize {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = i64::deserialize(deserializer)?;
        let wrong = || format!("`{number}` is out of range, expected a whole number from 0");
        Self::try_from(number).map_err(|_| serde::de::Error::custom(wrong()))
    }

    fn json(&self) -> Value {
        json!(self)
    }

    fn schema(_: &mut SchemaGenerator, allowed: &RangeInclusive<Self>) -> Schema {
        json_schema!({ "type": "integer", "minimum": allowed.start(), "maximum": allowed.end() })
    }
}

impl Limit for f64 {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::deserialize(deserializer)
    }

    fn json(&self) -> Value {
        json!(self)
    }

    fn schema(_: &mut SchemaGenerator, allowed: &RangeInclusive<Self>) -> Schema {
        json_schema!({ "type": "number", "minimum": allowed.start(), "maximum": allowed.end() })
    }
}

impl Limit for Duration {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        HumanDuration::deserialize(deserializer).map(|d| d.0)
    }

    fn json(&self) -> Value {
        json!(format!("{self:?}"))
    }

    fn schema(generator: &mut SchemaGenerator, _: &RangeInclusive<Self>) -> Schema {
        generator.subschema_for::<HumanDuration>()
    }
}

fn property<L: Limit>(
    generator: &mut SchemaGenerator,
    description: &str,
    default: &L,
    allowed: &RangeInclusive<L>,
) -> Schema {
    let mut schema = L::schema(generator, allowed);
    schema.insert("description".into(), description.trim().into());
    schema.insert("default".into(), default.json());
    schema
}

impl JsonSchema for Limits {
    fn schema_name() -> Cow<'static, str> {
        "Limits".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "description": "Limits of a run; each has a default.",
            "properties": Self::properties(generator),
            "additionalProperties": false
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_says_the_defaults_that_hold() {
        let schema = schemars::schema_for!(Limits).to_value();
        let defaults: serde_json::Map<String, Value> = schema["properties"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, property)| (name.clone(), property["default"].clone()))
            .collect();

        let read: Limits = serde_json::from_value(defaults.into()).unwrap();

        assert_eq!(format!("{read:?}"), format!("{:?}", Limits::default()));
        assert_eq!(
            schema["properties"]["loop_stall_p99_max"]["default"],
            "100ms"
        );
        assert_eq!(schema["properties"]["connections_max"]["maximum"], 60_000);
    }

    #[test]
    fn a_limit_at_the_end_of_its_range_is_allowed_and_one_past_it_is_not() {
        for (text, wrong) in [
            (
                r#"{ "in_flight_max": 1, "connections_max": 60000, "sampled_per_s": 0 }"#,
                None,
            ),
            (r#"{ "in_flight_max": 0 }"#, Some("in_flight_max")),
            (r#"{ "in_flight_max": 1000001 }"#, Some("in_flight_max")),
            (r#"{ "connections_max": 60001 }"#, Some("connections_max")),
            (r#"{ "sampled_per_s": -0.5 }"#, Some("sampled_per_s")),
            (r#"{ "dropped_pct_max": 101 }"#, Some("dropped_pct_max")),
            (r#"{ "response_bytes_max": 0 }"#, Some("response_bytes_max")),
            (r#"{ "drain_timeout": "0s" }"#, None),
            (r#"{ "request_timeout": "0s" }"#, Some("request_timeout")),
            (r#"{ "slip_p99_max": "0ms" }"#, Some("slip_p99_max")),
        ] {
            let limits: Limits = serde_json::from_str(text).unwrap();
            assert_eq!(limits.out_of_range().map(|(name, _)| name), wrong, "{text}");
        }
    }
}
