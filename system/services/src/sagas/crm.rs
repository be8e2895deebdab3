//! The CRM saga: sends mails to customers. One mail an event: the mail's message id is derived from the event's id.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use ordershop_domain::{
    Billing, Cart, Customer, Mail, Order, OrderStatus, Product, Shipping, good_bye,
    payment_received, please_pay, shipped, welcome,
};
use serde::Serialize;

use super::buyers::Buyers;
use super::runner::{Failure, Saga, decode, everything_before};
use crate::facts::{Facts, Versioned, distinct};
use ordershop_contract::event_store::RecordedEvent;
use ordershop_contract::message_queue::{MessageQueue, OutgoingMessage};
use ordershop_contract::queue_names::SEND_MAIL;
use ordershop_contract::topic::Topic;
use ordershop_contract::wire::{action, json};
use ordershop_contract::worker::ServiceContext;

/// Reacts to events of customers, orders, billings or shippings. Clones share their cache.
#[derive(Clone)]
pub struct CrmSaga {
    context: ServiceContext,
    queue: Arc<dyn MessageQueue>,
    buyers: Buyers,
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
    /// Creates a saga.
    #[must_use]
    pub fn new(context: ServiceContext) -> Self {
        Self {
            queue: Arc::clone(&context.queue),
            buyers: Buyers::default(),
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
        let facts = &Facts::of(&self.context);
        let cart_ids = distinct(occasions.iter().filter_map(|(_, occasion)| match occasion {
            Occasion::InStock(order) => Some(order.cart_id.as_str()),
            Occasion::Paid(_) | Occasion::Shipped(_) => None,
        }));
        let later_ids = distinct(occasions.iter().filter_map(|(_, occasion)| match occasion {
            Occasion::InStock(_) => None,
            Occasion::Paid(billing) => Some(billing.order_id.as_str()),
            Occasion::Shipped(shipping) => Some(shipping.order_id.as_str()),
        }));
        let (carts, mut buyers) = tokio::try_join!(
            async {
                let carts = facts.by_ids::<Cart>(&cart_ids, &known, correlation).await;
                carts.map_err(Failure::from)
            },
            self.buyers.of(facts, &later_ids, &known, correlation),
        )?;
        for (_, occasion) in occasions {
            if let Occasion::InStock(order) = occasion
                && let Some(cart) = carts.get(&order.cart_id)
            {
                self.buyers
                    .remember(&order.entity_id, &cart.entity.customer_id);
                buyers.insert(order.entity_id.clone(), cart.entity.customer_id.clone());
            }
        }
        let customer_ids = distinct(buyers.values().map(String::as_str));
        let bought = carts.values().flat_map(|cart| &cart.entity.product_ids);
        let product_ids = distinct(bought.map(String::as_str));
        let (customers, products) = tokio::try_join!(
            facts.by_ids::<Customer>(&customer_ids, &known, correlation),
            facts.by_ids::<Product>(&product_ids, &known, correlation),
        )?;
        let prices: BTreeMap<String, u64> = products
            .into_iter()
            .map(|(id, product)| (id, product.entity.price))
            .collect();
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
                    "no mail is sent: the order, its cart or its customer no longer exists"
                );
                continue;
            };
            let mail = match occasion {
                Occasion::InStock(order) => {
                    let cart = carts.get(&order.cart_id);
                    match cart.and_then(|cart| cart.entity.sum(&prices)) {
                        Some(sum) => please_pay(customer, order_id, sum),
                        None => continue,
                    }
                }
                Occasion::Paid(billing) => payment_received(customer, order_id, billing.amount),
                Occasion::Shipped(_) => shipped(customer, order_id),
            };
            mails.push(message(event, &mail));
        }
        Ok(mails)
    }
}

#[derive(Serialize)]
struct SendMailPayload<'a> {
    params: SendMailParams<'a>,
}

#[derive(Serialize)]
struct SendMailParams<'a> {
    to: &'a str,
    msg: &'a str,
}

fn message(event: &RecordedEvent, mail: &Mail) -> OutgoingMessage {
    OutgoingMessage {
        to: SEND_MAIL,
        message_id: format!("{}.mail", event.event_id),
        payload: json(&SendMailPayload {
            params: SendMailParams {
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

    fn forget(&mut self) {
        self.buyers.forget_all();
    }

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
