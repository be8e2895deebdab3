//! Failpoints: the places between two effects at which a test kills or stops the process, to see that what was half done is completed, once.
//! Without the cargo feature `failpoints` they do nothing and cost nothing. Must not know how an effect is made, nor what a test checks.

macro_rules! failpoints {
    ($($(#[doc = $doc:literal])+ $point:ident = $name:literal,)+) => {
        /// A place between two effects. All that exist are listed here: a test walks through [`Failpoint::ALL`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Failpoint {
            $($(#[doc = $doc])+ $point,)+
        }

        impl Failpoint {
            /// Every failpoint.
            pub const ALL: &[Self] = &[$(Self::$point,)+];

            /// Its name in the environment variable `FAILPOINTS`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$point => $name,)+
                }
            }
        }
    };
}

failpoints! {
    /// The gateway has sent an asynchronous request; it isn't answered yet.
    RequestSent = "gateway.request-sent",
    /// The gateway has the reply to a command; the client has no answer yet.
    RequestCarriedOut = "gateway.request-carried-out",

    /// The queue's sender has pushed messages; who sent them doesn't know it yet.
    MessagesSent = "queue.messages-sent",
    /// A worker has taken messages; they aren't handled yet.
    MessagesTaken = "queue.messages-taken",
    /// A worker has sent the replies to a batch; the batch isn't ended yet.
    RepliesSent = "queue.replies-sent",
    /// A caller has taken replies from its list; the calls that wait for them don't know it yet.
    RepliesTaken = "queue.replies-taken",
    /// The messages of a dead worker are back in their queue; the callers of those that became dead letters aren't told yet.
    MessagesGivenBack = "queue.messages-given-back",

    /// A writer has raised a topic's fence; it hasn't read the topic's state yet.
    FenceRaised = "store.fence-raised",
    /// A group commit is written; nobody is answered yet.
    EventsWritten = "store.events-written",
    /// What another store handed on is written; that store isn't told yet.
    HandedOnWritten = "store.handed-on-written",
    /// A group's consumer, or a projection, has read events; they aren't handled yet.
    EventsDelivered = "store.events-delivered",
    /// Events are acknowledged; their consumer doesn't know it yet.
    EventsAcknowledged = "store.events-acknowledged",

    /// What a creation does first in another topic is appended, such as a cart's mark; its own events aren't yet.
    CreationBegun = "services.creation-begun",
    /// What a change does first in another topic is appended, such as an order's UNCLEARED; its own event isn't yet.
    ChangeBegun = "services.change-begun",
    /// A command's events are appended; the command isn't answered yet.
    CommandAppended = "services.command-appended",
    /// An order is deleted, or was refused after its cart was marked; the mark is still there.
    OrderGone = "services.order-gone",
    /// The cart of an order that is gone has lost its mark; the command isn't answered yet.
    CartFreed = "services.cart-freed",
    /// Mails are recorded; their messages aren't answered yet.
    MailsRecorded = "services.mails-recorded",
    /// The stock for orders is reserved; the orders don't say so yet.
    StockReserved = "services.stock-reserved",
    /// The orders say whether they are in stock; the orders' events aren't acknowledged yet.
    OrdersTold = "services.orders-told",
    /// An order's stock is given back; the event that caused it isn't acknowledged yet.
    StockReleased = "services.stock-released",
    /// Orders have moved on after payments or deliveries; those events aren't acknowledged yet.
    OrdersMoved = "services.orders-moved",
    /// Shippings of paid orders are created; the payments' events aren't acknowledged yet.
    ShippingsCreated = "services.shippings-created",
    /// An order whose shipping was withdrawn has another one; the payment's event isn't acknowledged yet.
    ShippedAgain = "services.shipped-again",
    /// A payment whose order is gone is deleted; its customer isn't told yet.
    PaymentReturned = "services.payment-returned",
    /// The mail about a returned payment is handed to the queue; the payment's event isn't acknowledged yet.
    ReturnTold = "services.return-told",
    /// A shipping whose order isn't paid is deleted; the shipping's event isn't acknowledged yet.
    ShippingWithdrawn = "services.shipping-withdrawn",
    /// Mails are handed to the queue; the events that caused them aren't acknowledged yet.
    MailsSent = "services.mails-sent",
    /// A saga has handled a batch of events, whichever; the batch isn't acknowledged yet.
    BatchHandled = "services.batch-handled",

    /// The read model has computed the changes of a batch; they aren't in the cache yet.
    ChangesComputed = "read-model.changes-computed",
    /// The changes and the position are in the cache; nobody knows it yet.
    ChangesWritten = "read-model.changes-written",

    /// The archive's file is complete under another name; it isn't there under its own.
    ArchiveWritten = "archive.written",
    /// The archive's file is there; no order is hidden yet.
    ArchiveNamed = "archive.named",
    /// Orders are hidden; what belongs to them isn't.
    ArchiveOrdersHidden = "archive.orders-hidden",
    /// Everything is hidden; nothing is removed.
    ArchiveHidden = "archive.hidden",
    /// Some archived events are removed, others are not.
    ArchiveRemoving = "archive.removing",
    /// The archived events are removed; what hides them is still there.
    ArchiveRemoved = "archive.removed",
    /// The stream of a topic has its archived events back; other topics have not.
    ArchiveRestoring = "archive.restoring",
    /// A backup's restoration is marked and what was there is cleared; nothing is put back.
    BackupRestoring = "archive.backup-restoring",
    /// A backup is put back; the mark is still there.
    BackupRestored = "archive.backup-restored",
}

impl Failpoint {
    /// Marks that the process is at this place. With the feature, `FAILPOINTS` may say that it is killed (`return(kill)`) or stopped until
    /// it is continued (`return(stop)`) there, as by a signal from outside; `2*off->1*return(kill)` means the third time.
    #[inline]
    pub fn pass(self) {
        #[cfg(feature = "failpoints")]
        fail::fail_point!(self.name(), |action| armed::act(action.as_deref()));
    }

    /// Whether `FAILPOINTS` names this place. Only for effects that are otherwise sent together: a test must be able to come between them.
    #[inline]
    #[must_use]
    pub fn is_armed(self) -> bool {
        #[cfg(feature = "failpoints")]
        return fail::list().iter().any(|(name, _)| name == self.name());
        #[cfg(not(feature = "failpoints"))]
        false
    }
}

/// Reads `FAILPOINTS`, such as `services.stock-reserved=2*off->1*return(kill)`. Does nothing without the feature.
///
/// # Panics
/// With the feature, if `FAILPOINTS` can't be read.
pub fn arm() {
    #[cfg(feature = "failpoints")]
    std::mem::forget(fail::FailScenario::setup());
}

#[cfg(feature = "failpoints")]
mod armed {
    use std::time::Duration;

    use rustix::process::{Signal, getpid, kill_process};

    /// How long another thread, which may be the one that takes a signal, may need to stop them all.
    const STOPS_WITHIN: Duration = Duration::from_millis(200);

    /// Sends this process a signal that it can't catch.
    pub(super) fn act(action: Option<&str>) {
        let stops = action == Some("stop");
        let signal = if stops { Signal::STOP } else { Signal::KILL };
        kill_process(getpid(), signal).expect("a process may signal itself");
        if stops {
            std::thread::sleep(STOPS_WITHIN);
        }
    }
}
