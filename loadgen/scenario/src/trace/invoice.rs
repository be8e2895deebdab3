//! Groups rows into invoices: rows that share an invoice id belong together wherever they are in the file. It must not
//! know CSV, or the plan's products and customers.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Read;

use super::columns::{Repeats, TraceConfig};
use super::error::TraceError;
use super::reader::{OrderLine, RowHead, Rows, TraceRow};
use super::reason::Reason;

/// One invoice of the export with its usable rows.
pub(super) struct Invoice {
    pub id: String,
    pub cancellation: bool,
    /// The time and the customer, each from the first row that has it; `None` if no row could be read.
    pub head: Option<RowHead>,
    /// The lines that can be ordered; none in a cancellation.
    pub lines: Vec<OrderLine>,
    /// Rows that count as used if the invoice is replayed.
    pub rows_usable: u64,
    /// Rows left out, whether or not the invoice is replayed.
    pub left_out: BTreeMap<Reason, u64>,
}

/// All invoices of the export, in the order of their first rows.
pub(super) struct Invoices {
    pub invoices: Vec<Invoice>,
    pub rows: u64,
    /// Rows that repeat another one in every field, where each row tells its pieces.
    pub repeated: u64,
    /// Rows without an invoice.
    pub left_out: BTreeMap<Reason, u64>,
}

impl Invoices {
    pub(super) fn read<R: Read>(source: R, config: &TraceConfig) -> Result<Self, TraceError> {
        let mut rows = Rows::open(source, config)?;
        let mut by_id: HashMap<String, usize> = HashMap::new();
        let mut all = Self {
            invoices: Vec::new(),
            rows: 0,
            repeated: 0,
            left_out: BTreeMap::new(),
        };
        let mut prints: HashSet<u64> = HashSet::new();
        while let Some(row) = rows.next_row()? {
            all.rows += 1;
            match row {
                Err(reason) => *all.left_out.entry(reason).or_default() += 1,
                Ok(row) => {
                    let index = *by_id.entry(row.invoice.clone()).or_insert_with(|| {
                        all.invoices.push(Invoice::new(&row.invoice, config));
                        all.invoices.len() - 1
                    });
                    // Where each row is one piece, equal rows are several pieces.
                    let repeats = config.columns.quantity.is_some() && !prints.insert(row.print);
                    all.repeated += u64::from(repeats);
                    match repeats && config.repeats == Repeats::LeaveOut {
                        true => all.invoices[index].leave_out(Reason::Repeated),
                        false => all.invoices[index].take(row),
                    }
                }
            }
        }
        Ok(all)
    }
}

impl Invoice {
    fn new(id: &str, config: &TraceConfig) -> Self {
        Self {
            id: id.to_owned(),
            cancellation: config.is_cancellation(id),
            head: None,
            lines: Vec::new(),
            rows_usable: 0,
            left_out: BTreeMap::new(),
        }
    }

    fn take(&mut self, row: TraceRow) {
        let head = match row.head {
            Ok(head) => head,
            Err(reason) => return self.leave_out(reason),
        };
        match &mut self.head {
            None => self.head = Some(head),
            Some(known) => {
                known.time = known.time.or(head.time);
                known.customer = known.customer.take().or(head.customer);
            }
        }
        // A cancellation takes back a whole order: its quantities and prices are not needed, so they can't be bad.
        match row.line {
            _ if self.cancellation => self.rows_usable += 1,
            Ok(line) => {
                self.lines.push(line);
                self.rows_usable += 1;
            }
            Err(reason) => self.leave_out(reason),
        }
    }

    fn leave_out(&mut self, reason: Reason) {
        *self.left_out.entry(reason).or_default() += 1;
    }

    /// The pieces of all lines together.
    pub(super) fn pieces(&self) -> u64 {
        let pieces = self.lines.iter().map(|line| line.pieces);
        pieces.fold(0, u64::saturating_add)
    }

    /// Why the invoice has no usable row, or `None` if it has one.
    pub(super) fn emptied_by(&self) -> Option<Reason> {
        if self.rows_usable > 0 {
            return None;
        }
        let mut reasons = self.left_out.keys();
        match (reasons.next(), reasons.next()) {
            (Some(reason), None) => Some(*reason),
            _ => Some(Reason::SeveralReasons),
        }
    }
}
