//! Values that journeys share, by key: the last one first. A journey may promise a value beforehand, so that a journey that
//! recalls it too early waits instead of finding nothing. Must not know what the values are.

use std::cell::RefCell;
use std::collections::HashMap;

use serde_json::Value;
use tokio::sync::Notify;

/// The number of a promise or a value, in the order they were made.
pub type Ticket = u64;

struct Slot {
    ticket: Ticket,
    /// `None` while the value is only promised.
    value: Option<Value>,
}

/// The values of one driver.
#[derive(Default)]
pub struct SharedValues {
    inner: RefCell<Inner>,
    changed: Notify,
}

#[derive(Default)]
struct Inner {
    slots: HashMap<String, Vec<Slot>>,
    next: Ticket,
}

impl Inner {
    fn ticket(&mut self) -> Ticket {
        self.next += 1;
        self.next
    }

    /// Removes the slots that fit and returns their number.
    fn remove(&mut self, key: &str, fits: impl Fn(&Slot) -> bool) -> usize {
        let Some(slots) = self.slots.get_mut(key) else {
            return 0;
        };
        let before = slots.len();
        slots.retain(|slot| !fits(slot));
        let removed = before - slots.len();
        if slots.is_empty() {
            self.slots.remove(key);
        }
        removed
    }
}

impl SharedValues {
    /// Promises a value. `remember` or `withdraw` must follow.
    pub fn promise(&self, key: &str) -> Ticket {
        let mut inner = self.inner.borrow_mut();
        let ticket = inner.ticket();
        let slot = Slot {
            ticket,
            value: None,
        };
        inner.slots.entry(key.to_owned()).or_default().push(slot);
        ticket
    }

    /// Stores a value, promised or not.
    pub fn remember(&self, key: &str, promised: Option<Ticket>, value: Value) {
        let mut inner = self.inner.borrow_mut();
        let ticket = promised.unwrap_or_else(|| inner.ticket());
        let slots = inner.slots.entry(key.to_owned()).or_default();
        match slots.iter_mut().find(|slot| slot.ticket == ticket) {
            Some(slot) => slot.value = Some(value),
            None => slots.push(Slot {
                ticket,
                value: Some(value),
            }),
        }
        drop(inner);
        self.changed.notify_waiters();
    }

    /// Withdraws a promise. A value that was stored already stays.
    pub fn withdraw(&self, key: &str, ticket: Ticket) {
        let open = |slot: &Slot| slot.ticket == ticket && slot.value.is_none();
        self.inner.borrow_mut().remove(key, open);
        self.changed.notify_waiters();
    }

    /// Removes this value; returns whether it was still there.
    pub fn forget(&self, key: &str, value: &Value) -> bool {
        let this = |slot: &Slot| slot.value.as_ref() == Some(value);
        self.inner.borrow_mut().remove(key, this) > 0
    }

    /// Takes the last value stored or promised before this call, and removes it. Waits while it is only promised: as long
    /// as the promising journey takes.
    pub async fn recall(&self, key: &str) -> Option<Value> {
        let newest = self.inner.borrow().next;
        loop {
            let changed = self.changed.notified();
            {
                let mut inner = self.inner.borrow_mut();
                let slots = inner.slots.get_mut(key)?;
                let at = slots.iter().rposition(|slot| slot.ticket <= newest)?;
                if let Some(value) = slots[at].value.take() {
                    let ticket = slots[at].ticket;
                    inner.remove(key, |slot| slot.ticket == ticket);
                    return Some(value);
                }
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_last_value_is_taken_and_only_once() {
        let values = SharedValues::default();
        values.remember("ann", None, json!(1));
        values.remember("ann", None, json!(2));

        let taken = [(); 3].map(|()| values.recall("ann").now_or_never().unwrap());

        assert_eq!(taken, [Some(json!(2)), Some(json!(1)), None]);
        assert!(!values.forget("ann", &json!(2)), "it was taken before");
    }

    #[test]
    fn a_promised_value_is_waited_for_and_a_later_one_is_not_taken_for_it() {
        let values = SharedValues::default();
        let ticket = values.promise("ann");
        let mut recall = pin!(values.recall("ann"));
        assert!(recall.as_mut().now_or_never().is_none(), "only promised");

        values.remember("ann", None, json!("later"));
        assert!(recall.as_mut().now_or_never().is_none(), "not for this one");
        values.remember("ann", Some(ticket), json!("promised"));

        assert_eq!(recall.now_or_never(), Some(Some(json!("promised"))));
        assert!(values.forget("ann", &json!("later")));
    }

    #[test]
    fn a_promise_taken_back_leads_to_what_was_there_before_it() {
        let values = SharedValues::default();
        values.remember("ann", None, json!("before"));
        let ticket = values.promise("ann");
        let mut recall = pin!(values.recall("ann"));
        assert!(recall.as_mut().now_or_never().is_none());

        values.withdraw("ann", ticket);

        assert_eq!(recall.now_or_never(), Some(Some(json!("before"))));
    }
}
