//! A partition of a topic, as a target with several of them names it: `order` is number 0 of topic `order`, `order.3` is number 3. Positions are
//! compared within one partition only.

use std::borrow::Cow;

/// A partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition<'a> {
    /// The topic.
    pub topic: &'a str,
    /// From 0; a topic that is not split has number 0 only.
    pub number: u32,
}

impl<'a> Partition<'a> {
    /// The partition of this name. A name without a dot and a number from 1 at its end is a topic's, so it is number 0.
    #[must_use]
    pub fn parse(name: &'a str) -> Self {
        let numbered = name.rsplit_once('.').and_then(|(topic, number)| {
            let is_written_so = number.starts_with(|first: char| matches!(first, '1'..='9'));
            let number = is_written_so.then(|| number.parse().ok()).flatten()?;
            Some(Self { topic, number })
        });
        numbered.unwrap_or(Self {
            topic: name,
            number: 0,
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> Cow<'a, str> {
        match self.number {
            0 => Cow::Borrowed(self.topic),
            number => Cow::Owned(format!("{}.{number}", self.topic)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_topic_and_a_number_and_is_written_as_it_was_read() {
        for (name, topic, number) in [
            ("order", "order", 0),
            ("order.3", "order", 3),
            ("order.10", "order", 10),
            ("shop.order", "shop.order", 0),
            ("shop.order.2", "shop.order", 2),
            ("order.0", "order.0", 0),
            ("order.03", "order.03", 0),
            ("order.+3", "order.+3", 0),
            ("order.3a", "order.3a", 0),
            ("order.", "order.", 0),
            ("order.4294967296", "order.4294967296", 0),
        ] {
            let partition = Partition::parse(name);
            assert_eq!(partition, Partition { topic, number }, "{name}");
            assert_eq!(partition.name(), name);
        }
    }
}
