//! The mapping from a shop's export to the fields of the plan: the `[trace]` section of a scenario. It must not know
//! how rows are read. Bad values are refused while the TOML is read, so that the error
//! can point at the line.

use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::time::TimeFormat;
use crate::duration::HumanDuration;

/// How to read an export. Every key except `columns` has a default.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TraceConfig {
    /// The columns of the export.
    pub columns: Columns,
    /// How times are written; `%Y-%m-%dT%H:%M` by default.
    #[serde(default)]
    #[schemars(with = "String")]
    pub time_format: TimeFormat,
    /// Invoices whose id starts with this are cancellations; `C` by default, empty for none.
    #[serde(default = "default_cancellation_prefix")]
    pub cancellation_prefix: String,
    /// A unit price times this is the price in whole cents (rounded half away from zero); 100 by default.
    #[serde(default = "default_money_scale")]
    pub money_scale: NonZeroU32,
    /// The decimal separator of quantities and prices; `.` by default.
    #[serde(default)]
    pub decimal_separator: DecimalSeparator,
    /// The separator of fields; `,` by default.
    #[serde(default)]
    #[schemars(with = "String")]
    pub delimiter: Delimiter,
    /// Whether `"` quotes fields (default). Without, a stray `"` in a description can't swallow the lines after it.
    #[serde(default = "default_quoting")]
    pub quoting: bool,
    /// The window of recorded time in which the seed places an invoice, from its recorded time on. By default what the
    /// recorded time leaves open: a minute if it has no seconds, a second if it has no fraction, else nothing.
    #[serde(default)]
    pub spread: Option<HumanDuration>,
    /// The recorded time from an order to its payment (and so its shipment); 30 minutes by default. In
    /// the export behind this default, cancellations come either within 10 minutes of the customer's last
    /// order or after more than 4 hours: with half an hour, the quick ones still find an unshipped order, and the
    /// late ones don't.
    #[serde(default = "default_pay_after")]
    pub pay_after: HumanDuration,
    /// The most pieces one cart may have; 100,000 by default: ids of 40 bytes then fill half of an 8 MiB body.
    #[serde(default = "default_cart_pieces_max")]
    pub cart_pieces_max: NonZeroU32,
    /// Whether a row that repeats another one in every field is ordered again (`order`, default), or left out as a mistake of the export
    /// (`leave_out`). The report says how many there are.
    #[serde(default)]
    pub repeats: Repeats,
    /// The share of the lines, in percent, that may be left out before the run fails; 5 by default. Cancellations that find no order don't
    /// count.
    #[serde(default = "default_left_out_pct_max", deserialize_with = "percent")]
    #[schemars(range(min = 0.0, max = 100.0))]
    pub left_out_pct_max: f64,
    /// The most rows an export may have, because the plan is held in memory; 10 million by default.
    #[serde(default = "default_rows_max")]
    pub rows_max: NonZeroU64,
}

impl TraceConfig {
    /// The mapping of these columns with the defaults.
    pub fn new(columns: Columns) -> Self {
        Self {
            columns,
            time_format: TimeFormat::default(),
            cancellation_prefix: default_cancellation_prefix(),
            money_scale: default_money_scale(),
            decimal_separator: DecimalSeparator::default(),
            delimiter: Delimiter::default(),
            quoting: default_quoting(),
            spread: None,
            pay_after: default_pay_after(),
            cart_pieces_max: default_cart_pieces_max(),
            repeats: Repeats::default(),
            left_out_pct_max: default_left_out_pct_max(),
            rows_max: default_rows_max(),
        }
    }

    /// Whether the invoice with this id is a cancellation instead of an order.
    pub(super) fn is_cancellation(&self, invoice: &str) -> bool {
        !self.cancellation_prefix.is_empty() && invoice.starts_with(&self.cancellation_prefix)
    }
}

/// The names, in the export's header, of the columns that a replay needs. Others are ignored.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Columns {
    /// The invoice's id: rows that share it are one order.
    pub invoice: String,
    /// When the invoice was written. It may be empty in all but one of the invoice's rows.
    pub time: String,
    /// The customer's code; may be empty in a row (a guest).
    pub customer: String,
    /// The product's code.
    pub product: String,
    /// How many pieces: a whole number. Without it each row is one piece.
    #[serde(default)]
    pub quantity: Option<String>,
    /// The price of one piece in the shop's currency.
    pub unit_price: String,
    /// The product's name; without it the code is the name.
    #[serde(default)]
    pub description: Option<String>,
}

/// The ASCII byte between fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Delimiter(u8);

impl Delimiter {
    /// The byte itself.
    pub(crate) fn byte(self) -> u8 {
        self.0
    }
}

impl Default for Delimiter {
    fn default() -> Self {
        Self(b',')
    }
}

impl TryFrom<String> for Delimiter {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_bytes() {
            [b'"' | b'\r' | b'\n'] => Err("quotes and line ends can't be the delimiter".to_owned()),
            [byte] if byte.is_ascii() => Ok(Self(*byte)),
            _ => Err(format!(
                "the delimiter `{text}` must be one ASCII character, such as `,` `;` `|` or `\\t`"
            )),
        }
    }
}

/// What is done with a row that repeats another one in every field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Repeats {
    /// It is ordered like any other.
    #[default]
    Order,
    /// It is left out and counted.
    LeaveOut,
}

/// The decimal separator of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
pub enum DecimalSeparator {
    /// `2.55`
    #[default]
    #[serde(rename = ".")]
    Point,
    /// `2,55`
    #[serde(rename = ",")]
    Comma,
}

impl DecimalSeparator {
    pub(super) fn as_char(self) -> char {
        match self {
            Self::Point => '.',
            Self::Comma => ',',
        }
    }
}

fn default_cancellation_prefix() -> String {
    "C".to_owned()
}

const fn default_money_scale() -> NonZeroU32 {
    NonZeroU32::new(100).expect("100 is not zero")
}

const fn default_quoting() -> bool {
    true
}

const fn default_pay_after() -> HumanDuration {
    HumanDuration(Duration::from_secs(30 * 60))
}

const fn default_cart_pieces_max() -> NonZeroU32 {
    NonZeroU32::new(100_000).expect("the limit is not zero")
}

const fn default_left_out_pct_max() -> f64 {
    5.0
}

fn percent<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let percent = f64::deserialize(deserializer)?;
    match (0.0..=100.0).contains(&percent) {
        true => Ok(percent),
        false => Err(serde::de::Error::custom(format!(
            "`{percent}` is out of range; allowed: 0 to 100 percent"
        ))),
    }
}

const fn default_rows_max() -> NonZeroU64 {
    NonZeroU64::new(10_000_000).expect("the limit is not zero")
}
