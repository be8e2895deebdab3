//! Partitions: a topic is split into streams of its own, each with its own order, writer and consumers. Which one an entity lies in follows from
//! its id, so that everybody finds it without asking. Knows names and numbers, no store.

use std::fmt;
use std::num::NonZeroU8;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::topic::{Topic, UnknownTopic};

/// The most partitions that a topic may have: each has a writer, consumers and keys of its own.
pub const PARTITIONS_MAX: u8 = 64;

/// A partition of a topic. Written as the topic's name, from the second one on with a dot and the number: `order`, `order.1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Partition {
    /// The topic.
    pub topic: Topic,
    /// Its number, from 0.
    pub number: u8,
}

impl Partition {
    /// A partition of a topic.
    #[must_use]
    pub const fn new(topic: Topic, number: u8) -> Self {
        Self { topic, number }
    }

    /// The partition of another topic with the same number.
    #[must_use]
    pub const fn beside(self, topic: Topic) -> Self {
        Self { topic, ..self }
    }

    /// The place in tables of [`Partitions::all`].
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.number) * Topic::ALL.len() + self.topic.index()
    }
}

/// The first partition, which is the only one of most shops.
impl From<Topic> for Partition {
    fn from(topic: Topic) -> Self {
        Self::new(topic, 0)
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            0 => f.write_str(self.topic.name()),
            number => write!(f, "{}.{number}", self.topic),
        }
    }
}

impl From<Partition> for String {
    fn from(partition: Partition) -> Self {
        partition.to_string()
    }
}

/// The error for a name that is no partition's.
#[derive(Debug, thiserror::Error)]
pub enum UnknownPartition {
    /// The part before the dot isn't a topic.
    #[error(transparent)]
    Topic(#[from] UnknownTopic),
    /// The part after the dot isn't a partition's number.
    #[error("{0:?} is no partition; write <topic>, or <topic>.<number> with a number from 1 to 63")]
    Number(String),
}

impl FromStr for Partition {
    type Err = UnknownPartition;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let Some((topic, digits)) = name.split_once('.') else {
            return Ok(Self::new(name.parse()?, 0));
        };
        let topic = topic.parse()?;
        match plain_number(digits) {
            // A partition has one name.
            Some(number @ 1..PARTITIONS_MAX) => Ok(Self::new(topic, number)),
            _ => Err(UnknownPartition::Number(name.to_owned())),
        }
    }
}

impl TryFrom<String> for Partition {
    type Error = UnknownPartition;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        name.parse()
    }
}

/// Digits without a sign and without a leading zero.
fn plain_number(digits: &str) -> Option<u8> {
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    let leads = digits.len() > 1 && digits.starts_with('0');
    (is_plain && !leads).then(|| digits.parse().ok()).flatten()
}

/// The error for a partition that a shop doesn't have.
#[derive(Debug, thiserror::Error)]
#[error("there is no partition {partition}; each topic of this shop has {partitions}")]
pub struct NoSuchPartition {
    partition: Partition,
    partitions: Partitions,
}

/// How many partitions each topic of a shop has. It is chosen when the shop is made, and the same for all its processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partitions(NonZeroU8);

impl Default for Partitions {
    fn default() -> Self {
        Self::ONE
    }
}

impl fmt::Display for Partitions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Partitions {
    /// One: every topic is one stream.
    pub const ONE: Self = Self(NonZeroU8::MIN);

    /// So many; `None` for 0 and for more than [`PARTITIONS_MAX`].
    #[must_use]
    pub const fn new(count: u8) -> Option<Self> {
        match NonZeroU8::new(count) {
            Some(count) if count.get() <= PARTITIONS_MAX => Some(Self(count)),
            _ => None,
        }
    }

    /// The number of partitions of each topic.
    #[must_use]
    pub const fn count(self) -> u8 {
        self.0.get()
    }

    /// Every partition of a topic, in the order of their numbers.
    pub fn of_topic(self, topic: Topic) -> impl Iterator<Item = Partition> + Clone + use<> {
        (0..self.count()).map(move |number| Partition::new(topic, number))
    }

    /// Every partition, in the order of [`Partition::index`].
    pub fn all(self) -> impl Iterator<Item = Partition> + Clone + use<> {
        (0..self.count()).flat_map(|number| Topic::ALL.map(|topic| Partition::new(topic, number)))
    }

    /// Checks that a topic has this partition.
    ///
    /// # Errors
    /// It doesn't.
    pub const fn check(self, partition: Partition) -> Result<(), NoSuchPartition> {
        if partition.number < self.count() {
            return Ok(());
        }
        Err(NoSuchPartition {
            partition,
            partitions: self,
        })
    }

    /// The number of the partition that an id's entity lies in: the one that the id tells, or one by the hash of what stands before its first
    /// dash. So what is named after another entity lies beside it.
    #[must_use]
    pub fn number_of(self, id: &str) -> u8 {
        if self == Self::ONE {
            return 0;
        }
        told_by(id).unwrap_or_else(|| {
            let stem = id.split_once('-').map_or(id, |(stem, _)| stem);
            let of_hash = crc32fast::hash(stem.as_bytes()) % u32::from(self.count());
            // It is less than a count that fits.
            u8::try_from(of_hash).unwrap_or_default()
        }) % self.count()
    }

    /// The partition of a topic that an id's entity lies in.
    #[must_use]
    pub fn of(self, topic: Topic, id: &str) -> Partition {
        Partition::new(topic, self.number_of(id))
    }

    /// The partitions of a topic that the entities with these ids lie in, each once.
    #[must_use]
    pub fn of_ids<S: AsRef<str>>(self, topic: Topic, ids: &[S]) -> Vec<Partition> {
        if self == Self::ONE {
            return vec![topic.into(); usize::from(!ids.is_empty())];
        }
        let numbers = ids.iter().map(|id| self.number_of(id.as_ref()));
        let numbers: std::collections::BTreeSet<u8> = numbers.collect();
        let of_topic = |number| Partition::new(topic, number);
        numbers.into_iter().map(of_topic).collect()
    }

    /// The id, made from a name that is unique, of an entity in the partition with this number: the name, which tells the number where it doesn't
    /// follow from it.
    #[must_use]
    pub fn id_in(self, number: u8, name: &str) -> String {
        match self.number_of(name) == number {
            true => name.to_owned(),
            false => format!("{name}.{number}"),
        }
    }
}

/// The number behind the last dot of an id, up to a dash or the end: `1f0c.3`, `1f0c.3-shipping`.
fn told_by(id: &str) -> Option<u8> {
    let (_, last) = id.rsplit_once('.')?;
    let digits = last.split_once('-').map_or(last, |(digits, _)| digits);
    (!digits.is_empty())
        .then(|| plain_number(digits))
        .flatten()
        .filter(|number| *number < PARTITIONS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(count: u8) -> Partitions {
        Partitions::new(count).unwrap()
    }

    #[test]
    fn a_partition_has_one_name() {
        for (partition, name) in [
            (Partition::new(Topic::Order, 0), "order"),
            (Partition::new(Topic::Order, 3), "order.3"),
            (Partition::new(Topic::Mail, 63), "mail.63"),
        ] {
            assert_eq!(partition.to_string(), name);
            assert_eq!(name.parse::<Partition>().unwrap(), partition);
        }
        for bad in [
            "orders", "order.0", "order.03", "order.64", "order.", "order.-1", "order.+1", "",
        ] {
            assert!(bad.parse::<Partition>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_id_tells_its_partition_and_so_do_ids_that_are_made_from_it() {
        let own = of(4).number_of("1f0c");
        let other = (own + 1) % 4;
        assert_eq!(of(4).id_in(own, "1f0c"), "1f0c");
        assert_eq!(of(4).id_in(other, "1f0c"), format!("1f0c.{other}"));
        for id in ["1f0c-7", "1f0c-shipping"] {
            assert_eq!(of(4).number_of(id), own, "{id}");
        }
        let id = "1f0c.3";
        for id in [
            id,
            "1f0c.3-7",
            "1f0c.3-shipping",
            "1f0c.3-shipping-2",
            "a.b.3",
        ] {
            assert_eq!(of(4).number_of(id), 3, "{id}");
        }
        assert_eq!(Partitions::ONE.id_in(0, "1f0c"), "1f0c");
        assert_eq!(Partitions::ONE.number_of("1f0c.3"), 0);
    }

    #[test]
    fn an_id_that_tells_none_has_a_partition_even_so() {
        let ids: Vec<String> = (0..1_000).map(|n| format!("foreign{n}")).collect();
        let mut counts = [0; 4];
        for id in &ids {
            counts[usize::from(of(4).number_of(id))] += 1;
        }
        assert!(counts.iter().all(|count| *count > 150), "{counts:?}");
        for odd in ["a.", "a.x", "a.999", "a.-3", ""] {
            assert!(of(4).number_of(odd) < 4, "{odd}");
        }
    }

    #[test]
    fn tables_have_a_place_for_each_partition() {
        for (place, partition) in of(3).all().enumerate() {
            assert_eq!(partition.index(), place);
        }
        assert_eq!(of(3).all().count(), 24);
        assert_eq!(of(3).of_topic(Topic::Cart).count(), 3);
    }

    #[test]
    fn the_partitions_of_ids_are_named_once() {
        let ids = ["a.1", "b.3", "c.1"];
        let found = of(4).of_ids(Topic::Order, &ids);
        let expected = [1, 3].map(|number| Partition::new(Topic::Order, number));
        assert_eq!(found, expected);
        assert_eq!(Partitions::ONE.of_ids(Topic::Order, &ids).len(), 1);
        assert!(of(4).of_ids::<&str>(Topic::Order, &[]).is_empty());
    }

    #[test]
    fn a_topic_has_1_to_64_partitions() {
        assert_eq!(Partitions::new(0), None);
        assert_eq!(Partitions::new(65), None);
        assert_eq!(of(64).count(), 64);
    }
}
