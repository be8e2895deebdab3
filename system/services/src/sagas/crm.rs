//! The CRM saga: sends mails to customers. One mail an event: the mail's message id is derived from the event's id.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ordershop_domain::{
    Billing, Customer, Order, OrderStatus, Shipping, good_bye, payment_received, please_pay,
    shipped, welcome,
};

use super::buyers::Buyers;
use super::mail::mail_of;
use super::runner::{Failure, Saga, decode, everything_before};
use crate::facts::{Facts, Versioned, distinct};
use crate::purchase::purchases;
use ordershop_contract::event_store::RecordedEvent;
use ordershop_contract::failpoint::Failpoint;
use ordershop_contract::message_queue::{MessageQueue, OutgoingMessage};
use ordershop_contract::topic::Topic;
use ordershop_contract::wire::action;
use ordershop_contract::worker::ServiceContext;

/// Reacts to events of customers, orders, billings or shippings. Clones share their cache.
#[derive(Clone)]
pub struct CrmSaga {
    context: ServiceContext,
    queue: Arc<dyn MessageQueue>,
    buyers: Buyers,
    linger: Duration,
}

/// The reason for a mail.
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
    /// The default of `linger`, ms.
    pub const LINGER_MS: u16 = 10;

    /// Creates a saga. `linger`: how long events are left in the topic after a batch, so that their mails are sent together.
    #[must_use]
    pub fn new(context: ServiceContext, linger: Duration) -> Self {
        Self {
            queue: Arc::clone(&context.queue),
            buyers: Buyers::default(),
            context,
            linger,
        }
    }

    async fn order_mails(
        &self,
        occasions: &[(&RecordedEvent, Occasion)],
    ) -> Result<Vec<OutgoingMessage>, Failure> {
        let Some((last, _)) = occasions.last() else {
            return Ok(Vec::new());
        };
        let known = everything_before(last, self.context.events.partitions());
        let correlation = &last.correlation;
        let facts = &Facts::of(&self.context);
        let placed = occasions.iter().filter_map(|(_, occasion)| match occasion {
            Occasion::InStock(order) => Some(order),
            Occasion::Paid(_) | Occasion::Shipped(_) => None,
        });
        let later_ids = distinct(occasions.iter().filter_map(|(_, occasion)| match occasion {
            Occasion::InStock(_) => None,
            Occasion::Paid(billing) => Some(billing.order_id.as_str()),
            Occasion::Shipped(shipping) => Some(shipping.order_id.as_str()),
        }));
        let (purchases, mut buyers) = tokio::try_join!(
            async {
                let purchases = purchases(facts, placed, &known, correlation).await;
                purchases.map_err(Failure::from)
            },
            self.buyers.of(facts, &later_ids, &known, correlation),
        )?;
        for (order_id, purchase) in &purchases {
            self.buyers.remember(order_id, &purchase.customer_id);
            buyers.insert(order_id.clone(), purchase.customer_id.clone());
        }
        let customer_ids = distinct(buyers.values().map(String::as_str));
        let customers = facts
            .by_ids::<Customer>(&customer_ids, &known, correlation)
            .await?;
        let mut mails = Vec::new();
        for (event, occasion) in occasions {
            let order_id = occasion.order_id();
            let buyer = buyers.get(order_id).and_then(|id| customers.get(id));
            let Some(Versioned {
                entity: customer, ..
            }) = buyer
            else {
                tracing::warn!(
                    order = order_id,
                    "no mail is sent: the order or its customer no longer exists"
                );
                continue;
            };
            let mail = match occasion {
                Occasion::InStock(_) => match purchases.get(order_id) {
                    Some(purchase) => please_pay(customer, order_id, purchase.total),
                    None => continue,
                },
                Occasion::Paid(billing) => payment_received(customer, order_id, billing.amount),
                Occasion::Shipped(_) => shipped(customer, order_id),
            };
            mails.push(mail_of(event, "mail", &mail));
        }
        Ok(mails)
    }
}

#[async_trait]
impl Saga for CrmSaga {
    const GROUP: &'static str = "crm-service";

    fn linger(&self) -> Duration {
        self.linger
    }

    fn forget(&mut self) {
        self.buyers.forget_all();
    }

    async fn handle(&mut self, batch: &[RecordedEvent], _: bool) -> Result<(), Failure> {
        let mut mails = Vec::new();
        let mut occasions = Vec::new();
        for event in batch {
            match (event.partition.topic, event.action.as_str()) {
                (Topic::Customer, action::CREATED) => {
                    mails.push(mail_of(event, "mail", &welcome(&decode(event)?)))
                }
                (Topic::Customer, action::DELETED) => {
                    mails.push(mail_of(event, "mail", &good_bye(&decode(event)?)))
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
            Failpoint::MailsSent.pass();
        }
        Ok(())
    }
}
