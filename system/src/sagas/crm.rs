//! The CRM saga: tells customers what happens. One mail an event: the mail's message id follows from the event's id.

use std::sync::Arc;

use async_trait::async_trait;
use ordershop_domain::{
    Billing, Customer, Mail, Order, OrderStatus, Shipping, good_bye, payment_received, please_pay,
    shipped, welcome,
};
use serde::Serialize;

use super::buyers::{Buyers, orders_of};
use super::runner::{Failure, Saga, decode, everything_before};
use crate::event_store::RecordedEvent;
use crate::message_queue::{MessageQueue, OutgoingMessage};
use crate::queue_names::SEND_MAIL;
use crate::services::{ServiceContext, distinct};
use crate::topic::Topic;
use crate::wire::{action, json};

/// Reacts on customers, orders, billings or shippings.
pub struct CrmSaga {
    context: ServiceContext,
    queue: Arc<dyn MessageQueue>,
}

/// What a mail is about.
enum Occasion {
    InStock(Order),
    Paid(Billing),
    Shipped(Shipping),
}

impl Occasion {
    fn order_id(&self) -> &str {
        match self {
            Self::InStock(order) => &order.entity_id,
            Self::Paid(billing) => &billing.order_id,
            Self::Shipped(shipping) => &shipping.order_id,
        }
    }
}

impl CrmSaga {
    /// A saga.
    #[must_use]
    pub fn new(context: ServiceContext) -> Self {
        Self {
            queue: Arc::clone(&context.queue),
            context,
        }
    }

    async fn order_mails(
        &self,
        occasions: &[(&RecordedEvent, Occasion)],
    ) -> Result<Vec<OutgoingMessage>, Failure> {
        let Some((last, _)) = occasions.last() else {
            return Ok(Vec::new());
        };
        let known = everything_before(last);
        let correlation = &last.correlation;
        let order_ids = distinct(occasions.iter().map(|(_, occasion)| occasion.order_id()));
        let facts = &self.context.facts;
        let orders = orders_of(facts, &order_ids, &known, correlation).await?;
        let ordered: Vec<&Order> = orders.values().collect();
        let prices = occasions
            .iter()
            .any(|(_, occasion)| matches!(occasion, Occasion::InStock(_)));
        let buyers = Buyers::of(facts, &ordered, prices, &known, correlation).await?;
        let mut mails = Vec::new();
        for (event, occasion) in occasions {
            let order = match (occasion, orders.get(occasion.order_id())) {
                (_, Some(order)) => order,
                // Deleted already; its event still says what it was.
                (Occasion::InStock(order), None) => order,
                (_, None) => continue,
            };
            let Some(customer) = buyers.customer(order) else {
                tracing::warn!(
                    order = order.entity_id,
                    "no mail: the order's cart or customer does not exist any more"
                );
                continue;
            };
            let mail = match occasion {
                Occasion::InStock(_) => match buyers.sum(order) {
                    Some(sum) => please_pay(customer, &order.entity_id, sum),
                    None => continue,
                },
                Occasion::Paid(billing) => {
                    payment_received(customer, &order.entity_id, billing.amount)
                }
                Occasion::Shipped(_) => shipped(customer, &order.entity_id),
            };
            mails.push(message(event, &mail));
        }
        Ok(mails)
    }
}

#[derive(Serialize)]
struct Payload<'a> {
    params: Params<'a>,
}

#[derive(Serialize)]
struct Params<'a> {
    to: &'a str,
    msg: &'a str,
}

fn message(event: &RecordedEvent, mail: &Mail) -> OutgoingMessage {
    OutgoingMessage {
        to: SEND_MAIL,
        message_id: format!("{}.mail", event.event_id),
        payload: json(&Payload {
            params: Params {
                to: &mail.recipient,
                msg: &mail.message,
            },
        }),
        correlation: event.correlation.caused_by(event.event_id.clone()),
    }
}

#[async_trait]
impl Saga for CrmSaga {
    const GROUP: &'static str = "crm-service";

    async fn handle(&mut self, batch: &[RecordedEvent]) -> Result<(), Failure> {
        let mut mails = Vec::new();
        let mut occasions = Vec::new();
        for event in batch {
            match (event.topic, event.action.as_str()) {
                (Topic::Customer, action::CREATED) => {
                    mails.push(message(event, &welcome(&decode::<Customer>(event)?)))
                }
                (Topic::Customer, action::DELETED) => {
                    mails.push(message(event, &good_bye(&decode::<Customer>(event)?)))
                }
                (Topic::Order, action::UPDATED) => {
                    let order: Order = decode(event)?;
                    if order.status == OrderStatus::InStock {
                        occasions.push((event, Occasion::InStock(order)));
                    }
                }
                (Topic::Billing, action::CREATED) => {
                    occasions.push((event, Occasion::Paid(decode(event)?)))
                }
                (Topic::Shipping, action::CREATED) => {
                    occasions.push((event, Occasion::Shipped(decode(event)?)))
                }
                _ => {}
            }
        }
        mails.extend(self.order_mails(&occasions).await?);
        if !mails.is_empty() {
            self.queue.send(mails).await?;
        }
        Ok(())
    }
}
