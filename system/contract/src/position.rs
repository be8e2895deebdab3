//! Positions in a partition's stream, and sets of them (one a partition): how they are written and compared.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::partition::Partition;

/// A position in a partition's stream: Redis's stream id, ordered as (milliseconds, sequence).
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

/// When the read model applied a batch of a partition's events; kept only for batches with a sampled request's event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Projected {
    /// The batch's partition.
    pub partition: Partition,
    /// The position of the batch's last event.
    pub to: Position,
    /// When the read model received the batch; microseconds since the Unix epoch.
    pub received_at_us: u64,
    /// When the batch's changes became visible; microseconds since the Unix epoch.
    pub applied_at_us: u64,
}

/// At most one position a partition, for example the last ones applied, or those that a reader must see.
/// Written as `order=1700000000000-3,cart.2=1700000000000-0` in headers, as an object in JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Positions(
    /// In the order of their partitions.
    Vec<(Partition, Position)>,
);

impl Positions {
    /// The empty set.
    pub const NONE: Self = Self(Vec::new());

    /// A set of one partition's position.
    #[must_use]
    pub fn of(partition: impl Into<Partition>, position: Position) -> Self {
        Self(vec![(partition.into(), position)])
    }

    fn place(&self, partition: Partition) -> Result<usize, usize> {
        self.0.binary_search_by_key(&partition, |(known, _)| *known)
    }

    /// The position of a partition, if there is one.
    #[must_use]
    pub fn get(&self, partition: impl Into<Partition>) -> Option<Position> {
        let place = self.place(partition.into()).ok()?;
        Some(self.0[place].1)
    }

    /// The place of a partition's position, which is made if there is none.
    fn slot(&mut self, partition: Partition) -> &mut Position {
        let place = self.place(partition).unwrap_or_else(|place| {
            self.0.insert(place, (partition, Position::START));
            place
        });
        &mut self.0[place].1
    }

    /// Raises the position of a partition; a lower one changes nothing.
    pub fn raise(&mut self, partition: impl Into<Partition>, position: Position) {
        let slot = self.slot(partition.into());
        *slot = position.max(*slot);
    }

    /// Sets the position of a partition, also to a lower one.
    pub fn set(&mut self, partition: impl Into<Partition>, position: Position) {
        *self.slot(partition.into()) = position;
    }

    /// Whether a partition is beyond its position in `other`.
    #[must_use]
    pub fn is_beyond(&self, other: &Self) -> bool {
        self.iter()
            .any(|(partition, position)| other.get(partition) < Some(position))
    }

    /// Raises every partition to `other`'s position.
    pub fn merge(&mut self, other: &Self) {
        for (partition, position) in other.iter() {
            self.raise(partition, position);
        }
    }

    /// The set of the positions of these partitions only.
    #[must_use]
    pub fn only(&self, is_wanted: impl Fn(Partition) -> bool) -> Self {
        let wanted = self.iter().filter(|(partition, _)| is_wanted(*partition));
        Self(wanted.collect())
    }

    /// The partitions that have a position.
    pub fn iter(&self) -> impl Iterator<Item = (Partition, Position)> + '_ {
        self.0.iter().copied()
    }

    /// Whether no partition has a position.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Positions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (partition, position)) in self.iter().enumerate() {
            write!(f, "{}{partition}={position}", if n == 0 { "" } else { "," })?;
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
    /// The part before `=` isn't a partition.
    #[error(transparent)]
    Partition(#[from] crate::partition::UnknownPartition),
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
            let (partition, position) = part
                .split_once('=')
                .ok_or_else(|| BadPositions::NoTopic(part.to_owned()))?;
            positions.raise(partition.parse::<Partition>()?, position.parse()?);
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
        let map = std::collections::BTreeMap::<Partition, Position>::deserialize(deserializer)?;
        Ok(Self(map.into_iter().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topic::Topic;

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
    fn each_partition_has_a_position_of_its_own() {
        let text = "cart=5-0,order=7-2,order.3=6-1";
        let mut positions: Positions = text.parse().unwrap();
        assert_eq!(positions.to_string(), text);
        let third = Partition::new(Topic::Order, 3);
        positions.raise(third, "6-0".parse().unwrap());
        assert_eq!(positions.get(third), Some("6-1".parse().unwrap()));
        assert_eq!(positions.get(Topic::Order), Some("7-2".parse().unwrap()));
        let json = serde_json::to_string(&positions).unwrap();
        assert_eq!(json, r#"{"cart":"5-0","order":"7-2","order.3":"6-1"}"#);
        assert_eq!(serde_json::from_str::<Positions>(&json).unwrap(), positions);
        let orders = positions.only(|partition| partition.topic == Topic::Order);
        assert_eq!(orders.to_string(), "order=7-2,order.3=6-1");
    }

    #[test]
    fn bad_positions_say_what_is_right() {
        for bad in ["order", "ordr=1-0", "order=x-1", "order.0=1-0"] {
            let error = bad.parse::<Positions>().unwrap_err().to_string();
            assert!(!error.is_empty(), "{bad}");
        }
    }
}
