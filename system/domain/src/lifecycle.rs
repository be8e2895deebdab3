//! What every aggregate has in common: it is created once, updated as a whole, deleted. What one kind alone checks is in its own file.

use crate::rejection::Rejection;
use crate::{AMOUNT_MAX, TEXT_BYTES_MAX};

/// A command to one aggregate.
#[derive(Clone, Debug, PartialEq)]
pub enum Command<E> {
    /// Make it.
    Create(E),
    /// Replace all its fields.
    Update(E),
    /// Remove it.
    Delete,
}

/// What happened to one aggregate. A deletion carries what it was, so that reactions need not look it up.
#[derive(Clone, Debug, PartialEq)]
pub enum Event<E> {
    /// It exists from now on.
    Created(E),
    /// Its fields are these from now on.
    Updated(E),
    /// It was this, and is no more.
    Deleted(E),
}

/// A kind of aggregate: its name and what it alone checks.
pub trait Aggregate: Clone + PartialEq {
    /// `order`, …
    const KIND: &'static str;
    /// What must be known of other aggregates to decide.
    type Facts: Send + Sync;

    /// Its id.
    fn id(&self) -> &str;

    /// Its values alone: ranges and lengths.
    ///
    /// # Errors
    /// [`Rejection::Invalid`], naming the field.
    fn check_values(&self) -> Result<(), Rejection>;

    /// Whether it may become so, `before` being what it is now (`None`: it is new).
    ///
    /// # Errors
    /// Why not.
    fn check_change(&self, before: Option<&Self>, facts: &Self::Facts) -> Result<(), Rejection>;

    /// Whether it may be deleted.
    ///
    /// # Errors
    /// Why not.
    fn check_deletion(&self, _facts: &Self::Facts) -> Result<(), Rejection> {
        Ok(())
    }
}

/// Decides a command on the state of its aggregate (`None`: it doesn't exist; `id` is the command's). No event means: already done.
///
/// # Errors
/// Why it is refused.
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
            Ok(vec![Event::Created(new)])
        }
        // Its id comes from the message that asked for it: this is that message again.
        (Some(_), Command::Create(_)) => Ok(Vec::new()),
        (None, Command::Update(_) | Command::Delete) => Err(missing()),
        (Some(before), Command::Update(after)) => {
            after.check_values()?;
            after.check_change(Some(before), facts)?;
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

/// A text within its limit.
pub(crate) fn check_text(field: &str, text: &str) -> Result<(), Rejection> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(Rejection::Invalid(format!(
            "{field} has {} bytes; at most {TEXT_BYTES_MAX} are allowed",
            text.len()
        )));
    }
    Ok(())
}

/// An amount within its limit.
pub(crate) fn check_amount(field: &str, amount: u64) -> Result<(), Rejection> {
    if amount > AMOUNT_MAX {
        return Err(Rejection::Invalid(format!(
            "{field} is {amount}; at most {AMOUNT_MAX} is allowed"
        )));
    }
    Ok(())
}
