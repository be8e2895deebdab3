//! The lifecycle that every kind of aggregate shares: created once, updated as a whole, deleted. Each kind's own checks are
//! in its own file.

use crate::limits::{AMOUNT_MAX, TEXT_BYTES_MAX};
use crate::rejection::Rejection;

/// A command to one aggregate.
#[derive(Clone, Debug, PartialEq)]
pub enum Command<E> {
    /// Create the entity.
    Create(E),
    /// Replace all its fields.
    Update(E),
    /// Delete the entity.
    Delete,
}

/// What happened to one aggregate. A deletion carries the last state, so that reactions need not look it up.
#[derive(Clone, Debug, PartialEq)]
pub enum Event<E> {
    /// The entity was created with this state.
    Created(E),
    /// The entity's new state.
    Updated(E),
    /// The entity was deleted; this was its last state.
    Deleted(E),
}

/// A kind of aggregate: its name and its own checks.
pub trait Aggregate: Clone + PartialEq {
    /// The kind's name in events and messages, such as `order`.
    const KIND: &'static str;
    /// What must be known of other aggregates to decide.
    type Facts: Send + Sync;

    /// The entity's id.
    fn id(&self) -> &str;

    /// Checks the ranges and lengths of the values, without any facts.
    ///
    /// # Errors
    /// [`Rejection::Invalid`], which names the field.
    fn check_values(&self) -> Result<(), Rejection>;

    /// Checks a creation (`before` is `None`) or an update (`before` is the present state).
    ///
    /// # Errors
    /// Why the change is refused.
    fn check_change(&self, before: Option<&Self>, facts: &Self::Facts) -> Result<(), Rejection>;

    /// Adds what the system sets itself to an entity that passed [`Aggregate::check_change`].
    ///
    /// # Errors
    /// Why the change is refused.
    fn completed(self, _before: Option<&Self>, _facts: &Self::Facts) -> Result<Self, Rejection> {
        Ok(self)
    }

    /// Checks a deletion.
    ///
    /// # Errors
    /// Why the deletion is refused.
    fn check_deletion(&self, _facts: &Self::Facts) -> Result<(), Rejection> {
        Ok(())
    }
}

/// Decides a command on the state of its aggregate (`None` if it doesn't exist). `id` is the id in the command. An empty
/// result means that nothing is left to do.
///
/// # Errors
/// Why the command is refused.
pub fn decide<E: Aggregate>(
    id: &str,
    state: Option<&E>,
    command: Command<E>,
    facts: &E::Facts,
) -> Result<Vec<Event<E>>, Rejection> {
    let missing = || Rejection::NotFound {
        kind: E::KIND,
        id: id.to_owned(),
    };
    match (state, command) {
        (None, Command::Create(new)) => {
            new.check_values()?;
            new.check_change(None, facts)?;
            Ok(vec![Event::Created(new.completed(None, facts)?)])
        }
        // The id comes from the message that asked for the creation, so this is a repeat of that message.
        (Some(_), Command::Create(_)) => Ok(Vec::new()),
        (None, Command::Update(_) | Command::Delete) => Err(missing()),
        (Some(before), Command::Update(after)) => {
            // What is unchanged is accepted even if what it refers to no longer exists, so that a client can write back what it read.
            if *before == after {
                return Ok(Vec::new());
            }
            after.check_values()?;
            after.check_change(Some(before), facts)?;
            let after = after.completed(Some(before), facts)?;
            if *before == after {
                return Ok(Vec::new());
            }
            Ok(vec![Event::Updated(after)])
        }
        (Some(before), Command::Delete) => {
            before.check_deletion(facts)?;
            Ok(vec![Event::Deleted(before.clone())])
        }
    }
}

/// The state after an event.
#[must_use]
pub fn evolve<E>(_state: Option<E>, event: Event<E>) -> Option<E> {
    match event {
        Event::Created(entity) | Event::Updated(entity) => Some(entity),
        Event::Deleted(_) => None,
    }
}

/// Checks a text's length against [`TEXT_BYTES_MAX`].
pub(crate) fn check_text(field: &str, text: &str) -> Result<(), Rejection> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(Rejection::Invalid(format!(
            "{field} has {} bytes; at most {TEXT_BYTES_MAX} are allowed",
            text.len()
        )));
    }
    Ok(())
}

/// Checks an amount against [`AMOUNT_MAX`].
pub(crate) fn check_amount(field: &str, amount: u64) -> Result<(), Rejection> {
    if amount > AMOUNT_MAX {
        return Err(Rejection::Invalid(format!(
            "{field} is {amount}; at most {AMOUNT_MAX} is allowed"
        )));
    }
    Ok(())
}
