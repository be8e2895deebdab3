//! Products. Their commands depend on no other aggregate.

use serde::{Deserialize, Serialize};

use crate::lifecycle::{Aggregate, check_amount, check_text};
use crate::rejection::Rejection;

/// A product that is sold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Product {
    /// The id; set by the system.
    #[serde(default)]
    pub entity_id: String,
    /// The product's name.
    pub name: String,
    /// The price of one piece, in the smallest unit of money (cents).
    pub price: u64,
}

impl Aggregate for Product {
    const KIND: &'static str = "product";
    type Facts = ();

    fn id(&self) -> &str {
        &self.entity_id
    }

    fn check_values(&self) -> Result<(), Rejection> {
        check_text("name", &self.name)?;
        check_amount("price", self.price)
    }

    fn check_change(&self, _before: Option<&Self>, _facts: &()) -> Result<(), Rejection> {
        Ok(())
    }
}
