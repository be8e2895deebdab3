//! The names of queues. There are few and they live as long as the process, so each is stored once and copied freely.

use std::fmt;
use std::sync::Mutex;

use rustc_hash::FxHashSet;

/// A function of a service, such as `order-service.create_orders`. Each function has its own queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueueName {
    /// The service, such as `order-service` or `read-model`.
    pub service: &'static str,
    /// The function, such as `create_orders` or `get_entity`.
    pub function: &'static str,
}

/// The maximum length of a service's or function's name, characters.
const NAME_CHARS_MAX: usize = 64;
/// The maximum number of names from outside. Each is stored until the process ends.
const NAMES_MAX: usize = 10_000;

/// The reason why a text is not accepted as a queue's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueueNameError {
    /// The text is not a valid name.
    #[error(
        "{0:?} is not a name: a service and a function must have 1 to {NAME_CHARS_MAX} characters of a-z, 0-9, '-' and '_'"
    )]
    Malformed(String),
    /// The maximum number of names is in use.
    #[error("the maximum of {NAMES_MAX} names of services and functions is in use")]
    TooMany,
}

impl QueueName {
    /// Returns the queue of a name that came from outside.
    ///
    /// # Errors
    /// The text is not a valid name, or the maximum number of names is in use.
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
        // Enough of the text to recognise it.
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
