//! Customers. Their commands depend on no other aggregate.

use serde::{Deserialize, Serialize};

use crate::lifecycle::{Aggregate, check_text};
use crate::rejection::Rejection;

/// A customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Customer {
    /// The id; set by the system.
    #[serde(default)]
    pub entity_id: String,
    /// The name by which mails address the customer.
    pub name: String,
    /// The address that mails are sent to.
    pub email: String,
}

impl Aggregate for Customer {
    const KIND: &'static str = "customer";
    type Facts = ();

    fn id(&self) -> &str {
        &self.entity_id
    }

    fn check_values(&self) -> Result<(), Rejection> {
        check_text("name", &self.name)?;
        check_text("email", &self.email)
    }

    fn check_change(&self, _before: Option<&Self>, _facts: &()) -> Result<(), Rejection> {
        Ok(())
    }
}
