//! The names of queues. There are few and they live as long as the process, so each is kept once and copied freely.

use std::fmt;
use std::sync::Mutex;

use rustc_hash::FxHashSet;

/// A function of a service: `order-service.create_orders`. Each has a queue of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueueName {
    /// `order-service`, `read-model`, …
    pub service: &'static str,
    /// `create_orders`, `get_entity`, …
    pub function: &'static str,
}

/// Longest name of a service or a function, characters.
const NAME_CHARS_MAX: usize = 64;
/// Most names that may come from outside. Each is kept for ever.
const NAMES_MAX: usize = 10_000;

/// Why a text can't name a queue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueueNameError {
    /// The text isn't a name.
    #[error(
        "{0:?} is no name: a service and a function have 1 to {NAME_CHARS_MAX} characters of a-z, 0-9, '-' and '_'"
    )]
    Malformed(String),
    /// There are too many names already.
    #[error("more than {NAMES_MAX} names of services and functions are in use")]
    TooMany,
}

impl QueueName {
    /// The queue of a name that came from outside.
    ///
    /// # Errors
    /// The text isn't a name, or there are too many.
    pub fn named(service: &str, function: &str) -> Result<Self, QueueNameError> {
        Ok(Self {
            service: kept(service)?,
            function: kept(function)?,
        })
    }
}

fn kept(name: &str) -> Result<&'static str, QueueNameError> {
    static NAMES: Mutex<Option<FxHashSet<&'static str>>> = Mutex::new(None);
    let fits = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.bytes().all(fits) {
        // Enough of it to be known again.
        return Err(QueueNameError::Malformed(name.chars().take(80).collect()));
    }
    let mut names = NAMES
        .lock()
        .expect("nothing panics while it holds this lock");
    let names = names.get_or_insert_with(FxHashSet::default);
    if let Some(known) = names.get(name) {
        return Ok(known);
    }
    if names.len() >= NAMES_MAX {
        return Err(QueueNameError::TooMany);
    }
    let name: &'static str = Box::leak(name.to_owned().into_boxed_str());
    names.insert(name);
    Ok(name)
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.service, self.function)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_name_from_outside_is_the_one_from_inside() {
        let outside = QueueName::named("order-service", "create_orders").unwrap();
        let inside = crate::queue_names::create(crate::topic::Topic::Order).unwrap();
        assert_eq!(outside, inside);
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let long = "x".repeat(65);
        for name in ["", "a.b", "a b", "Ä", "A", "{x}", "a\n", long.as_str()] {
            let refused = QueueName::named(name, "f").unwrap_err();
            assert!(matches!(refused, QueueNameError::Malformed(_)), "{name:?}");
            assert!(QueueName::named("s", name).is_err());
        }
    }
}
