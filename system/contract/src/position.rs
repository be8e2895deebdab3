//! Positions in a topic's stream, and sets of them (one per topic): how they are written and compared.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::topic::Topic;

/// A position in a topic's stream: Redis's stream id, ordered as (milliseconds, sequence).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// Milliseconds since the Unix epoch, by the event store's clock.
    pub ms: u64,
    /// Sequence within the millisecond.
    pub seq: u64,
}

impl Position {
    /// The position before the first event.
    pub const START: Self = Self { ms: 0, seq: 0 };

    /// The last position that there can be.
    pub const END: Self = Self {
        ms: u64::MAX,
        seq: u64::MAX,
    };

    /// The greatest position before this one; a read after it begins with this one's event.
    #[must_use]
    pub const fn just_before(self) -> Self {
        match self.seq.checked_sub(1) {
            Some(seq) => Self { ms: self.ms, seq },
            None => Self {
                ms: self.ms.saturating_sub(1),
                seq: u64::MAX,
            },
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

/// The error for a text that isn't a position.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a position; write <milliseconds>-<sequence>, for example 1700000000000-0")]
pub struct BadPosition(pub String);

impl FromStr for Position {
    type Err = BadPosition;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (ms, seq) = text.split_once('-').unwrap_or((text, "0"));
        match (ms.parse(), seq.parse()) {
            (Ok(ms), Ok(seq)) => Ok(Self { ms, seq }),
            _ => Err(BadPosition(text.to_owned())),
        }
    }
}

impl Serialize for Position {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// When the read model applied a batch of a topic's events; kept only for batches with a sampled request's event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Projected {
    /// The batch's topic.
    pub topic: Topic,
    /// The position of the batch's last event.
    pub to: Position,
    /// When the read model received the batch; microseconds since the Unix epoch.
    pub received_at_us: u64,
    /// When the batch's changes became visible; microseconds since the Unix epoch.
    pub applied_at_us: u64,
}

/// At most one position per topic, for example the last ones applied, or those that a reader must see.
/// Written as `order=1700000000000-3,cart=1700000000000-0` in headers, as an object in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Positions([Option<Position>; Topic::ALL.len()]);

impl Positions {
    /// The empty set.
    pub const NONE: Self = Self([None; Topic::ALL.len()]);

    /// A set of one topic's position.
    #[must_use]
    pub fn of(topic: Topic, position: Position) -> Self {
        let mut positions = Self::NONE;
        positions.raise(topic, position);
        positions
    }

    /// The position of `topic`, if there is one.
    #[must_use]
    pub fn get(&self, topic: Topic) -> Option<Position> {
        self.0[topic.index()]
    }

    /// Raises the position of `topic`; a lower one changes nothing.
    pub fn raise(&mut self, topic: Topic, position: Position) {
        let slot = &mut self.0[topic.index()];
        *slot = (*slot).max(Some(position));
    }

    /// Sets the position of `topic`, also to a lower one.
    pub fn set(&mut self, topic: Topic, position: Position) {
        self.0[topic.index()] = Some(position);
    }

    /// Whether a topic is beyond its position in `other`.
    #[must_use]
    pub fn is_beyond(&self, other: &Self) -> bool {
        self.iter()
            .any(|(topic, position)| other.get(topic) < Some(position))
    }

    /// Raises every topic to `other`'s position.
    pub fn merge(&mut self, other: &Self) {
        for (topic, position) in other.iter() {
            self.raise(topic, position);
        }
    }

    /// The set of only `topic`'s position.
    #[must_use]
    pub fn only(&self, topic: Topic) -> Self {
        let mut positions = Self::NONE;
        positions.0[topic.index()] = self.get(topic);
        positions
    }

    /// The topics that have a position.
    pub fn iter(&self) -> impl Iterator<Item = (Topic, Position)> + '_ {
        Topic::ALL
            .into_iter()
            .filter_map(|topic| self.get(topic).map(|position| (topic, position)))
    }

    /// Whether no topic has a position.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }
}

impl fmt::Display for Positions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (topic, position)) in self.iter().enumerate() {
            write!(f, "{}{topic}={position}", if n == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

/// The error for a text that isn't a set of positions.
#[derive(Debug, thiserror::Error)]
pub enum BadPositions {
    /// A part without `=`.
    #[error("{0:?} is not a topic's position; write <topic>=<position>, separated by commas")]
    NoTopic(String),
    /// The part before `=` isn't a topic.
    #[error(transparent)]
    Topic(#[from] crate::topic::UnknownTopic),
    /// The part after `=` isn't a position.
    #[error(transparent)]
    Position(#[from] BadPosition),
}

impl FromStr for Positions {
    type Err = BadPositions;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut positions = Self::NONE;
        for part in text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            let (topic, position) = part
                .split_once('=')
                .ok_or_else(|| BadPositions::NoTopic(part.to_owned()))?;
            positions.raise(topic.parse()?, position.parse()?);
        }
        Ok(positions)
    }
}

impl Serialize for Positions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Positions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let map = std::collections::BTreeMap::<Topic, Position>::deserialize(deserializer)?;
        let mut positions = Self::NONE;
        for (topic, position) in map {
            positions.raise(topic, position);
        }
        Ok(positions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_compare_as_numbers_and_not_as_text() {
        let nine: Position = "9-10".parse().unwrap();
        let ten: Position = "10-9".parse().unwrap();
        assert!(nine < ten);
        assert!("10-9".parse::<Position>().unwrap() < "10-10".parse().unwrap());
    }

    #[test]
    fn nothing_lies_between_a_position_and_the_one_just_before() {
        for (position, before) in [("5-1", "5-0"), ("5-0", "4-18446744073709551615")] {
            let position: Position = position.parse().unwrap();
            assert_eq!(position.just_before(), before.parse().unwrap());
        }
    }

    #[test]
    fn positions_survive_header_and_json() {
        let text = "cart=5-0,order=7-2";
        let positions: Positions = text.parse().unwrap();
        assert_eq!(positions.to_string(), text);
        let json = serde_json::to_string(&positions).unwrap();
        assert_eq!(json, r#"{"cart":"5-0","order":"7-2"}"#);
        assert_eq!(serde_json::from_str::<Positions>(&json).unwrap(), positions);
    }

    #[test]
    fn bad_positions_say_what_is_right() {
        for bad in ["order", "ordr=1-0", "order=x-1"] {
            let error = bad.parse::<Positions>().unwrap_err().to_string();
            assert!(!error.is_empty(), "{bad}");
        }
    }
}
