//! Reads the export's rows by the mapping. It knows CSV and the mapping; it must not know what an invoice
//! or a plan is. A bad row is returned as a value with its reason, never as an error.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;

use csv::ByteRecord;

use super::columns::TraceConfig;
use super::error::TraceError;
use super::money;
use super::reason::Reason;
use super::time::RecordedTime;
use crate::csv_quotes::WatchedQuotes;

/// A row that names its invoice.
pub(super) struct TraceRow {
    pub invoice: String,
    /// A number that is the same for rows that are the same in every field.
    pub print: u64,
    /// The row's time and customer.
    pub head: Result<RowHead, Reason>,
    /// The row as a line of an order; a cancellation doesn't need it.
    pub line: Result<OrderLine, Reason>,
}

pub(super) struct RowHead {
    /// `None` if the column is empty: then another row of the invoice has it.
    pub time: Option<RecordedTime>,
    /// `None` if the column is empty.
    pub customer: Option<String>,
}

/// A line that can be ordered.
pub(super) struct OrderLine {
    pub product: String,
    /// Empty if the export has none.
    pub description: String,
    /// At least 1.
    pub pieces: u64,
    /// At least 1.
    pub price_cents: i64,
}

/// The index of each mapped column in a row.
struct Positions {
    invoice: usize,
    time: usize,
    customer: usize,
    product: usize,
    /// `None`: each row is one piece.
    quantity: Option<usize>,
    unit_price: usize,
    description: Option<usize>,
}

pub(super) struct Rows<'a, R> {
    csv: csv::Reader<WatchedQuotes<R>>,
    config: &'a TraceConfig,
    positions: Positions,
    fields: usize,
    record: ByteRecord,
    rows: u64,
}

impl<'a, R: Read> Rows<'a, R> {
    /// Reads the header and finds the mapped columns in it.
    pub(super) fn open(source: R, config: &'a TraceConfig) -> Result<Self, TraceError> {
        let mut csv = csv::ReaderBuilder::new()
            .delimiter(config.delimiter.byte())
            .quoting(config.quoting)
            .flexible(true) // rows with a wrong number of fields are counted, not refused by the library
            .from_reader(WatchedQuotes::new(
                source,
                config.delimiter.byte(),
                config.quoting,
            ));
        let header: Vec<String> = csv
            .byte_headers()?
            .iter()
            .map(|name| String::from_utf8_lossy(name).trim().to_owned())
            .collect();
        if header.is_empty() {
            return Err(TraceError::Empty);
        }
        let columns = &config.columns;
        let find = |role, name: &str| find(&header, role, name);
        let find_named = |role, name: &Option<String>| {
            let name = name.as_ref();
            name.map(|name| find(role, name)).transpose()
        };
        let positions = Positions {
            invoice: find("invoice", &columns.invoice)?,
            time: find("time", &columns.time)?,
            customer: find("customer", &columns.customer)?,
            product: find("product", &columns.product)?,
            quantity: find_named("quantity", &columns.quantity)?,
            unit_price: find("unit_price", &columns.unit_price)?,
            description: find_named("description", &columns.description)?,
        };
        Ok(Self {
            csv,
            config,
            positions,
            fields: header.len(),
            record: ByteRecord::new(),
            rows: 0,
        })
    }

    /// The next row, or the reason why it has no invoice; `None` at the end.
    pub(super) fn next_row(&mut self) -> Result<Option<Result<TraceRow, Reason>>, TraceError> {
        if !self.csv.read_byte_record(&mut self.record)? {
            return Ok(None);
        }
        self.rows += 1;
        let rows_max = self.config.rows_max.get();
        if self.rows > rows_max {
            return Err(TraceError::TooManyRows { rows_max });
        }
        Ok(Some(self.row()))
    }

    fn row(&self) -> Result<TraceRow, Reason> {
        if self.record.len() != self.fields {
            return Err(Reason::WrongFieldCount);
        }
        let invoice = self.text(self.positions.invoice)?;
        if invoice.is_empty() {
            return Err(Reason::NoInvoice);
        }
        Ok(TraceRow {
            invoice: invoice.to_owned(),
            print: self.print(),
            head: self.head(),
            line: self.line(),
        })
    }

    fn head(&self) -> Result<RowHead, Reason> {
        let time = self.text(self.positions.time)?;
        let customer = self.text(self.positions.customer)?;
        Ok(RowHead {
            time: match time {
                "" => None,
                time => {
                    let parsed = self.config.time_format.parse(time);
                    Some(parsed.ok_or(Reason::UnreadableTime)?)
                }
            },
            customer: (!customer.is_empty()).then(|| customer.to_owned()),
        })
    }

    fn line(&self) -> Result<OrderLine, Reason> {
        let separator = self.config.decimal_separator.as_char();
        let product = self.text(self.positions.product)?;
        let price = self.text(self.positions.unit_price)?;
        if product.is_empty() {
            return Err(Reason::NoProduct);
        }
        let pieces = match self.positions.quantity {
            Some(position) => {
                money::pieces(self.text(position)?, separator).ok_or(Reason::UnreadableQuantity)?
            }
            None => 1,
        };
        let price_cents = money::price_cents(price, self.config.money_scale.get(), separator)
            .ok_or(Reason::UnreadablePrice)?;
        match (pieces, price_cents) {
            (..0, _) => Err(Reason::NegativeQuantity),
            (0, _) => Err(Reason::ZeroQuantity),
            (_, ..0) => Err(Reason::NegativePrice),
            (_, 0) => Err(Reason::ZeroPrice),
            (1.., 1..) => Ok(OrderLine {
                product: product.to_owned(),
                description: self.description(),
                pieces: pieces.unsigned_abs(),
                price_cents,
            }),
        }
    }

    fn print(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.record.iter().for_each(|field| field.hash(&mut hasher));
        hasher.finish()
    }

    fn text(&self, position: usize) -> Result<&str, Reason> {
        let bytes = self.record.get(position).unwrap_or_default();
        let text = std::str::from_utf8(bytes).map_err(|_| Reason::InvalidUtf8)?;
        Ok(text.trim())
    }

    /// A description is only for display: the line is usable even if it has invalid bytes.
    fn description(&self) -> String {
        let bytes = self
            .positions
            .description
            .and_then(|position| self.record.get(position))
            .unwrap_or_default();
        String::from_utf8_lossy(bytes).trim().to_owned()
    }
}

fn find(header: &[String], role: &'static str, name: &str) -> Result<usize, TraceError> {
    let mut found = header.iter().enumerate().filter(|(_, have)| *have == name);
    let Some((position, _)) = found.next() else {
        return Err(TraceError::MissingColumn {
            role,
            name: name.to_owned(),
            header: header.join(", "),
        });
    };
    match found.count() {
        0 => Ok(position),
        more => Err(TraceError::AmbiguousColumn {
            role,
            name: name.to_owned(),
            count: more + 1,
        }),
    }
}
