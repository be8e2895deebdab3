//! Reasons why a line or an invoice of the export is not replayed. Reasons are counted; none stops the run.

use std::fmt;

use serde::Serialize;

/// Why a line or an invoice was left out. The order of the variants is the order in reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// More or fewer fields than the header: no field can be trusted, so the line belongs to no invoice.
    WrongFieldCount,
    /// A mapped column other than the description is not UTF-8.
    InvalidUtf8,
    /// The invoice's column is empty.
    NoInvoice,
    /// The time doesn't have the mapped format, or the date doesn't exist.
    UnreadableTime,
    /// No row of the invoice has a time.
    NoTime,
    /// The row repeats another one in every field, and the mapping leaves such rows out.
    Repeated,
    /// The product's column is empty.
    NoProduct,
    /// The quantity is not a whole number.
    UnreadableQuantity,
    /// The unit price is not a decimal number, or is beyond 10^12 cents.
    UnreadablePrice,
    /// A negative quantity outside cancellations: a correction.
    NegativeQuantity,
    /// A quantity of zero outside cancellations.
    ZeroQuantity,
    /// A negative price outside cancellations.
    NegativePrice,
    /// A price of zero, or one that rounds to zero, outside cancellations: a gift, a loss, a sample.
    ZeroPrice,
    /// Every line of the invoice was left out, for more than one reason.
    SeveralReasons,
    /// The invoice has more pieces than one cart may have.
    TooManyPieces,
    /// The invoice's sum is beyond 2^53 − 1 cents, where JSON numbers stop being exact for many readers.
    AmountTooLarge,
    /// A cancellation whose customer is unknown or has no earlier order, or, while the replay runs, none that is
    /// still unshipped.
    NoMatchingOrder,
}

impl Reason {
    /// The text for people.
    pub fn text(self) -> &'static str {
        match self {
            Self::WrongFieldCount => "wrong number of fields",
            Self::InvalidUtf8 => "invalid UTF-8",
            Self::NoInvoice => "no invoice number",
            Self::UnreadableTime => "unreadable time",
            Self::NoTime => "no time in any row of the invoice",
            Self::Repeated => "repeats another row in every field",
            Self::NoProduct => "no product",
            Self::UnreadableQuantity => "unreadable quantity",
            Self::UnreadablePrice => "unreadable price",
            Self::NegativeQuantity => "negative quantity outside a cancellation",
            Self::ZeroQuantity => "zero quantity",
            Self::NegativePrice => "negative price outside a cancellation",
            Self::ZeroPrice => "zero price",
            Self::SeveralReasons => "no usable line, for several reasons",
            Self::TooManyPieces => "too many pieces for one cart",
            Self::AmountTooLarge => "amount too large",
            Self::NoMatchingOrder => "no matching order",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text())
    }
}
