//! Taking back what was decided at the same moment as its opposite: a payment of an order that is gone is returned, and a shipping of an
//! order that isn't paid is withdrawn. Each is an event in the history, caused by the event that it takes back.

use ordershop_domain::{Billing, Customer, Event, Shipping, payment_returned};

use super::append::{caused_by, reaction};
use super::mail::mail_of;
use super::runner::{Failure, decode};
use crate::facts::{Facts, Versioned};
use ordershop_contract::event_store::{
    Appended, Claim, ExpectedVersion, RecordedEvent, Transaction,
};
use ordershop_contract::failpoint::Failpoint;
use ordershop_contract::position::Positions;
use ordershop_contract::topic::Topic;
use ordershop_contract::wire::WireEntity;
use ordershop_contract::worker::ServiceContext;

/// What is taken back.
#[derive(Debug)]
pub enum Undo {
    /// The billing; `None` if it is gone already, and only the customer may still have to be told.
    Payment(Option<Versioned<Billing>>),
    /// The shipping.
    Shipping(Versioned<Shipping>),
}

/// One effect to take back.
#[derive(Debug)]
pub struct Compensation {
    /// The event that created it.
    pub event: RecordedEvent,
    /// Its order.
    pub order_id: String,
    /// The order's customer, if the order is there and says who that is.
    pub customer_id: Option<String>,
    /// What is taken back.
    pub undo: Undo,
}

impl Compensation {
    /// Takes it back; false if it has changed meanwhile and must be looked at again. Safe to repeat.
    pub async fn run(
        &self,
        context: &ServiceContext,
        known: &mut Positions,
    ) -> Result<bool, Failure> {
        match &self.undo {
            Undo::Payment(billing) => {
                if let Some(billing) = billing {
                    if !self.delete(context, "returned", billing, known).await? {
                        return Ok(false);
                    }
                    Failpoint::PaymentReturned.pass();
                }
                self.tell(context, known).await?;
                Ok(true)
            }
            Undo::Shipping(shipping) => {
                let withdrawn = self.delete(context, "withdrawn", shipping, known).await?;
                if withdrawn {
                    Failpoint::ShippingWithdrawn.pass();
                }
                Ok(withdrawn)
            }
        }
    }

    async fn delete<E: WireEntity>(
        &self,
        context: &ServiceContext,
        suffix: &str,
        entity: &Versioned<E>,
        known: &mut Positions,
    ) -> Result<bool, Failure> {
        tracing::info!(
            order = self.order_id,
            id = entity.entity.id(),
            "a {} is {suffix}: its order was changed at the same moment",
            E::KIND
        );
        let gone = Event::Deleted(entity.entity.clone());
        let expected = ExpectedVersion::Exact(entity.version);
        let events = vec![reaction(&self.event, suffix, expected, &gone)];
        let partitions = context.events.partitions();
        let partition = partitions.of(E::TOPIC, entity.entity.id());
        let transaction = Transaction {
            claims: vec![Claim::Release(self.order_id.clone())],
            ..caused_by(&self.event, partition, events)
        };
        match context.events.append(vec![transaction]).await?.pop() {
            Some(Appended::Conflict { position, .. }) => {
                known.raise(partition, position);
                Ok(false)
            }
            _ => Ok(true),
        }
    }

    /// Tells the customer, whom the reservation names if the order itself is gone.
    async fn tell(&self, context: &ServiceContext, known: &Positions) -> Result<(), Failure> {
        let facts = Facts::of(context);
        let correlation = &self.event.correlation;
        let customer_id = match &self.customer_id {
            Some(customer_id) => customer_id.clone(),
            None => {
                let mut partitions = context.events.partitions().of_topic(Topic::Inventory);
                loop {
                    let Some(partition) = partitions.next() else {
                        return Ok(());
                    };
                    let reservation =
                        facts.reservation(&self.order_id, partition, known, correlation);
                    if let Some(reservation) = reservation.await? {
                        break reservation.entity.customer_id;
                    }
                }
            }
        };
        let customer = facts
            .one::<Customer>(&customer_id, known, correlation)
            .await?;
        let Some(customer) = customer else {
            return Ok(());
        };
        let billing: Billing = decode(&self.event)?;
        let mail = payment_returned(&customer.entity, &self.order_id, billing.amount);
        let message = mail_of(&self.event, "returned.mail", &mail);
        context.queue.send(vec![message]).await?;
        Failpoint::ReturnTold.pass();
        Ok(())
    }
}
