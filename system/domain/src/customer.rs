//! Customers. They depend on nothing.

use serde::{Deserialize, Serialize};

use crate::lifecycle::{Aggregate, check_text};
use crate::rejection::Rejection;

/// Somebody who buys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Customer {
    /// Given by the system.
    #[serde(default)]
    pub entity_id: String,
    /// How mails address them.
    pub name: String,
    /// Where mails go.
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
