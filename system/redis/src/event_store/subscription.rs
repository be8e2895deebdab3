//! A consumer's membership in a group: stands by for the lease, then delivers batches in stream order, unacknowledged events first. Knows
//! which events are delivered and not acknowledged, not how they are handled.

use async_trait::async_trait;
use redis::{ErrorKind, RedisResult, Value};
use tokio_util::sync::CancellationToken;

use super::acknowledgement::Acknowledger;
use super::entry::{Entry, entries_of_read};
use super::identity::ServerIdentity;
use super::lags::GroupLag;
use super::members::Members;
use super::session::{ConnectionId, Place, Session};
use super::turn::Turn;
use crate::connection::RedisLink;
use crate::shared_connection::SharedConnection;
use ordershop_contract::backoff::Backoff;
use ordershop_contract::epoch::Epoch;
use ordershop_contract::event_store::{EventStoreError, EventSubscription, RecordedEvent};
use ordershop_contract::failpoint::Failpoint;
use ordershop_contract::partition::Partition;
use ordershop_contract::position::Position;

/// A consumer's membership in a group of one topic.
pub(super) struct RedisSubscription {
    pub link: RedisLink,
    pub partition: Partition,
    pub place: Place,
    pub turn: Turn,
    pub acknowledger: Acknowledger,
    pub lag: GroupLag,
    /// The connection for ending a read that is under way.
    pub shared: SharedConnection,
    pub closing: CancellationToken,
    pub delivery: DeliveryProgress,
}

/// The progress of the delivery.
#[derive(Default)]
pub(super) struct DeliveryProgress {
    session: Option<Session>,
    /// The last session's connection, until it is known to be closed.
    before: Option<ConnectionId>,
    /// Whether there may be entries that were delivered and never acknowledged.
    own_pending: bool,
    /// Events delivered by this subscription and not acknowledged, in the order of delivery, with their times of publication, µs.
    unacked: Vec<(Position, u64)>,
    /// Events whose acknowledgement goes out with the next read, or first thing in the next session if Redis hasn't gone back by then: it may
    /// have lost what was done for them.
    acks: Vec<Position>,
    /// Whether to deliver new events although the last batch isn't acknowledged.
    ahead: bool,
    /// Whether the last read took all new events that there were.
    reaches_end: bool,
    /// The position of the last event delivered by this subscription.
    last: Position,
    /// Up to where the session has looked at what is pending. It begins at the start: a dead letter that is sent again is older than what was
    /// delivered.
    looked_to: Position,
    /// The server that the last session read from, if it told.
    server: Option<ServerIdentity>,
    epoch: Epoch,
}

impl DeliveryProgress {
    fn has_in_hand(&self, position: Position) -> bool {
        self.unacked.iter().any(|(known, _)| *known == position)
    }
}

impl RedisSubscription {
    /// Reads the next entries; may return none. An error means a broken connection.
    async fn step(&mut self) -> RedisResult<Vec<Entry>> {
        let block = self.turn.config.block();
        if !self.turn.lasts().await {
            self.put_down().await?;
            if !self.turn.begin().await? {
                return Ok(Vec::new());
            }
        }
        if !self.delivery.unacked.is_empty() && !self.delivery.ahead {
            self.delivery.own_pending = true;
        }
        let session = match &mut self.delivery.session {
            Some(session) => session,
            none => {
                let before = self.delivery.before.as_ref();
                let mut session = Session::open(&self.link, &self.place, before).await?;
                self.delivery.before = Some(session.id().clone());
                self.delivery.own_pending = true;
                if !self.turn.confirm().await? {
                    return Ok(Vec::new());
                }
                let same_server = self.delivery.server.is_some()
                    && self.delivery.server.as_ref() == session.server();
                let last = self.delivery.last;
                let went_on = same_server
                    && (last == Position::START || session.has_entry(&self.place, last).await?);
                if !went_on {
                    self.delivery.epoch = Epoch::begin();
                    self.delivery.server = session.server().cloned();
                    // What was in hand may be pending again, or never have been.
                    self.delivery.unacked.clear();
                    self.delivery.acks.clear();
                    self.delivery.last = Position::START;
                }
                self.delivery.looked_to = Position::START;
                none.insert(session)
            }
        };
        // A read of new entries under way must end first: its entries are pending too, and come in their order.
        if self.delivery.own_pending && session.is_reading() {
            let _: Value = session.read_new(&self.place, block, None).await?;
        }
        if self.delivery.own_pending {
            if !self.delivery.acks.is_empty() {
                session
                    .acknowledge(&self.acknowledger.xack(&self.delivery.acks))
                    .await?;
                self.delivery.acks.clear();
            }
            let after = if self.delivery.ahead {
                self.delivery.looked_to
            } else {
                Position::START
            };
            let pending = session.read_pending(&self.place, after).await?;
            let mut entries = read(self.partition, pending)?;
            self.delivery.reaches_end = false;
            self.delivery.own_pending = !entries.is_empty();
            if self.delivery.ahead {
                let end = entries.last().map(Entry::position);
                entries.retain(|entry| !self.delivery.has_in_hand(entry.position()));
                if entries.is_empty()
                    && let Some(end) = end
                {
                    self.delivery.looked_to = end;
                }
            } else {
                self.delivery.unacked.clear();
            }
            return Ok(entries);
        }
        let acks = std::mem::take(&mut self.delivery.acks);
        let ack = (!acks.is_empty()).then(|| self.acknowledger.xack(&acks));
        let acknowledges = ack.is_some();
        let reply = session.read_new(&self.place, block, ack).await?;
        if acknowledges {
            Failpoint::EventsAcknowledged.pass();
        }
        let entries = read(self.partition, reply)?;
        self.delivery.reaches_end = entries.len() < self.place.batch_max;
        Ok(entries)
    }

    /// Ends the session without the lease: nothing may be read until the lease is held again.
    async fn put_down(&mut self) -> RedisResult<()> {
        let acks = std::mem::take(&mut self.delivery.acks);
        if let Some(session) = &mut self.delivery.session
            && !acks.is_empty()
            && !session.is_reading()
        {
            session.acknowledge(&self.acknowledger.xack(&acks)).await?;
        }
        let ended = match self.delivery.session.take() {
            // A read that can't be ended here ends before the lease that it was sent under expires.
            Some(session) => session.end(self.shared.clone(), &self.place.events).await,
            None => true,
        };
        self.turn.end(ended).await;
        Ok(())
    }

    /// Returns the events of a read. Malformed entries go to the dead letters; deleted entries are acknowledged.
    async fn sort_out(&mut self, entries: Vec<Entry>) -> RedisResult<Vec<RecordedEvent>> {
        // If this is cancelled, the entries stay pending and must be read again.
        let own_pending = std::mem::replace(&mut self.delivery.own_pending, true);
        let mut events = Vec::with_capacity(entries.len());
        for entry in entries {
            match entry {
                Entry::Event(event) => events.push(event),
                Entry::Deleted(position) => self.acknowledger.send_acks(&[position]).await?,
                Entry::Foreign(foreign) => {
                    tracing::error!(topic = %self.partition, position = %foreign.position, reason = foreign.reason, "a stream entry is not an event; it goes to the dead letters");
                    self.acknowledger.dead_letter_foreign(&foreign).await?;
                }
            }
        }
        self.delivery.own_pending = own_pending;
        Ok(events)
    }

    fn forget_acked(&mut self, positions: &[Position]) {
        let unacked = &mut self.delivery.unacked;
        if unacked.iter().map(|(position, _)| position).eq(positions) {
            self.lag.handled(unacked.drain(..).map(|(_, at)| at));
            return;
        }
        let mut acked = positions.to_vec();
        acked.sort_unstable();
        let acked = unacked.extract_if(.., |(position, _)| acked.binary_search(position).is_ok());
        self.lag.handled(acked.map(|(_, at)| at));
    }

    async fn deliver_until_closed(&mut self) -> Result<Vec<RecordedEvent>, EventStoreError> {
        let closing = self.closing.clone();
        closing
            .run_until_cancelled(self.deliver())
            .await
            .ok_or(EventStoreError::Closed)
    }

    async fn deliver(&mut self) -> Vec<RecordedEvent> {
        let mut backoff = Backoff::default();
        loop {
            let result = match self.step().await {
                Ok(entries) => self.sort_out(entries).await,
                Err(error) => Err(error),
            };
            match result {
                Ok(events) if events.is_empty() => backoff.reset(),
                Ok(events) => {
                    Failpoint::EventsDelivered.pass();
                    let delivered = events
                        .iter()
                        .map(|event| (event.position, event.published_at_us));
                    self.delivery.unacked.extend(delivered);
                    if let Some(event) = events.last() {
                        self.delivery.last = self.delivery.last.max(event.position);
                        self.delivery.looked_to = event.position;
                    }
                    return events;
                }
                Err(error) => {
                    if backoff.is_fresh() {
                        tracing::warn!(topic = %self.partition, group = self.place.group, %error, "the subscription's connection broke; connecting again");
                    }
                    // A group that was lost (a flushed Redis) is created again by the next session.
                    self.delivery.session = None;
                    backoff.wait().await;
                }
            }
        }
    }
}

pub(super) fn read(partition: Partition, reply: Value) -> RedisResult<Vec<Entry>> {
    entries_of_read(partition, reply).ok_or_else(|| {
        (
            ErrorKind::UnexpectedReturnType,
            "unexpected reply to a read",
        )
            .into()
    })
}

#[async_trait]
impl EventSubscription for RedisSubscription {
    async fn next_batch(&mut self) -> Result<Vec<RecordedEvent>, EventStoreError> {
        self.delivery.ahead = false;
        self.deliver_until_closed().await
    }

    async fn next_batch_ahead(&mut self) -> Result<Vec<RecordedEvent>, EventStoreError> {
        self.delivery.ahead = true;
        self.deliver_until_closed().await
    }

    fn epoch(&self) -> Epoch {
        self.delivery.epoch
    }

    fn reaches_end(&self) -> bool {
        self.delivery.reaches_end
    }

    async fn ack(&mut self, positions: &[Position]) -> Result<(), EventStoreError> {
        let acks = &mut self.delivery.acks;
        acks.extend(positions);
        if acks.is_empty() {
            return Ok(());
        }
        match &mut self.delivery.session {
            Some(session) if session.is_reading() => {
                self.acknowledger.ack(acks).await?;
                acks.clear();
            }
            Some(session) => match session.acknowledge(&self.acknowledger.xack(acks)).await {
                Ok(()) => acks.clear(),
                Err(_) => self.delivery.session = None,
            },
            None => {}
        }
        self.forget_acked(positions);
        Ok(())
    }

    async fn ack_with_next(&mut self, done: &[Position]) -> Result<(), EventStoreError> {
        let session = self.delivery.session.as_ref();
        if session.is_some_and(Session::is_reading) {
            return self.ack(done).await;
        }
        self.delivery.acks.extend(done);
        self.forget_acked(done);
        Ok(())
    }

    async fn dead_letter(
        &mut self,
        event: &RecordedEvent,
        reason: &str,
    ) -> Result<(), EventStoreError> {
        self.acknowledger.dead_letter(event, reason).await?;
        self.forget_acked(&[event.position]);
        Ok(())
    }
}

impl Drop for RedisSubscription {
    /// Leaves the group at once if a runtime is left; otherwise the lease expires.
    fn drop(&mut self) {
        let (session, lease) = (self.delivery.session.take(), self.turn.lease.take());
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let (shared, events) = (self.shared.clone(), self.place.events.clone());
        let members = self.turn.share.members.take();
        runtime.spawn(async move {
            if let Some(members) = members {
                Members::leave(members).await;
            }
            // The read ends before the lease is released, so that the next consumer loses no entries to it. If it may go on, the lease
            // isn't released but expires, which it does only after the read.
            let ended = match session {
                Some(session) => session.end(shared, &events).await,
                None => true,
            };
            if let Some(lease) = lease
                && ended
            {
                lease.release().await;
            }
        });
    }
}
