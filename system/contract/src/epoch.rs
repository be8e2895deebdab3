//! A name for a span of time in which the event store never went back. A Redis that comes back without its last transactions, another
//! server or a flushed one goes back: versions and positions that were known may then name other events. Knows no store.

/// A span of time in which the store never went back. Equal epochs: all that was remembered still holds. Another epoch: it may not, so it is
/// dropped. The number has no order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Epoch(pub u64);

impl Epoch {
    /// An epoch that no other one equals.
    #[must_use]
    pub fn begin() -> Self {
        // The low half of a UUID is random.
        Self(uuid::Uuid::now_v7().as_u64_pair().1)
    }
}
