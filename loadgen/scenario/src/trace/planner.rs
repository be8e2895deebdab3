//! Makes the plan from invoices: orders them by time, classifies each (ordered, cancelled, skipped for a reason) and
//! collects the products and customers that they need.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use super::columns::{Repeats, TraceConfig};
use super::error::TraceError;
use super::invoice::{Invoice, Invoices};
use super::plan::{
    JourneyKind, LineCounts, PlannedCustomer, PlannedJourney, PlannedOrder, PlannedProduct,
    TracePlan,
};
use super::reader::{OrderLine, RowHead};
use super::reason::Reason;
use super::spread::spread_us;
use super::time::RecordedTime;
use crate::text_file::TextFile;

impl TracePlan {
    /// Plans the replay of an export in a file: UTF-8, UTF-16 or windows-1252.
    ///
    /// # Errors
    /// [`TraceError`] if the file can't be read, lacks a mapped column or has more than `rows_max` rows.
    pub fn from_file(path: &Path, config: &TraceConfig, seed: u64) -> Result<Self, TraceError> {
        let file = TextFile::open(path).map_err(|source| TraceError::Open {
            path: path.to_owned(),
            source,
        })?;
        let mut plan = Self::from_reader(file.text, config, seed)?;
        plan.notes.extend(file.guess);
        Ok(plan)
    }

    /// Plans the replay of an export in UTF-8; reads it to its end, buffered.
    ///
    /// # Errors
    /// As [`from_file`](Self::from_file).
    pub fn from_reader<R: Read>(
        source: R,
        config: &TraceConfig,
        seed: u64,
    ) -> Result<Self, TraceError> {
        Ok(plan(Invoices::read(source, config)?, config, seed))
    }
}

/// An invoice that can be replayed, judged without the other invoices.
struct Candidate {
    time: RecordedTime,
    customer: Option<String>,
    invoice: Invoice,
    amount_cents: i64,
}

/// The largest bill in cents, 2^53 − 1: JSON readers that keep numbers as doubles still read it exactly.
const AMOUNT_CENTS_MAX: i128 = 9_007_199_254_740_991;

fn plan(all: Invoices, config: &TraceConfig, seed: u64) -> TracePlan {
    let mut planner = Planner::new(&all, config);
    let mut candidates = Vec::with_capacity(all.invoices.len());
    for invoice in all.invoices {
        planner.lines.leave_out_all(&invoice.left_out);
        match candidate(invoice, config) {
            Ok(candidate) => candidates.push(candidate),
            Err((reason, invoice)) => planner.skip(reason, &invoice),
        }
    }
    // A stable sort: invoices of one recorded time stay in the file's order, which spreading keeps.
    candidates.sort_by_key(|candidate| candidate.time.unix_us);
    let times: Vec<RecordedTime> = candidates.iter().map(|c| c.time).collect();
    let spread = spread_us(&times, config.spread.map(|window| window.0), seed);
    let mut timed: Vec<(i64, Candidate)> = spread.into_iter().zip(candidates).collect();
    timed.sort_by_key(|(at_us, _)| *at_us);
    for (at_us, candidate) in timed {
        planner.play(at_us, candidate);
    }
    planner.finish(config)
}

fn candidate(
    mut invoice: Invoice,
    config: &TraceConfig,
) -> Result<Candidate, (Reason, Box<Invoice>)> {
    let price = |line: &OrderLine| i128::from(line.pieces) * i128::from(line.price_cents);
    let amount: i128 = invoice.lines.iter().map(price).sum();
    let reason = match (invoice.emptied_by(), invoice.head.take()) {
        (Some(reason), _) => reason,
        (None, None | Some(RowHead { time: None, .. })) => Reason::NoTime,
        (None, Some(_)) if invoice.pieces() > u64::from(config.cart_pieces_max.get()) => {
            Reason::TooManyPieces
        }
        (
            None,
            Some(RowHead {
                time: Some(time),
                customer,
            }),
        ) => match i64::try_from(amount) {
            Ok(amount_cents) if amount <= AMOUNT_CENTS_MAX => {
                return Ok(Candidate {
                    time,
                    customer,
                    invoice,
                    amount_cents,
                });
            }
            _ => Reason::AmountTooLarge,
        },
    };
    Err((reason, Box::new(invoice)))
}

/// The unfinished plan; its times are not yet relative to the first invoice.
struct Planner {
    products: Vec<PlannedProduct>,
    product_by_code_and_price: HashMap<(String, i64), usize>,
    customers: Vec<PlannedCustomer>,
    customer_by_code: HashMap<String, usize>,
    played: Vec<Played>,
    invoices: u64,
    skipped: BTreeMap<Reason, u64>,
    lines: LineCounts,
    notes: Vec<String>,
}

struct Played {
    at_us: i64,
    recorded_us: i64,
    invoice: String,
    kind: JourneyKind,
}

impl Planner {
    fn new(all: &Invoices, config: &TraceConfig) -> Self {
        Self {
            products: Vec::new(),
            product_by_code_and_price: HashMap::new(),
            customers: Vec::new(),
            customer_by_code: HashMap::new(),
            played: Vec::new(),
            invoices: u64::try_from(all.invoices.len()).unwrap_or(u64::MAX),
            skipped: BTreeMap::new(),
            lines: LineCounts {
                total: all.rows,
                left_out: all.left_out.clone(),
                ..LineCounts::default()
            },
            notes: repeats(all, config).into_iter().collect(),
        }
    }

    /// Candidates must come in the order of their times, because a cancellation looks for an earlier order.
    fn play(&mut self, at_us: i64, candidate: Candidate) {
        let Candidate {
            time,
            customer,
            invoice,
            amount_cents,
        } = candidate;
        let kind = if invoice.cancellation {
            // Every known customer has ordered: only orders create customers.
            let known = customer.and_then(|code| self.customer_by_code.get(&code).copied());
            let Some(customer) = known else {
                return self.skip(Reason::NoMatchingOrder, &invoice);
            };
            self.lines.cancelled += invoice.rows_usable;
            JourneyKind::Cancellation { customer }
        } else {
            self.lines.ordered += invoice.rows_usable;
            JourneyKind::Order(PlannedOrder {
                customer: self.customer(customer, &invoice.id),
                pieces: u32::try_from(invoice.pieces()).expect("a candidate's pieces fit its cart"),
                lines: self.order_lines(&invoice.lines),
                amount_cents,
            })
        };
        self.played.push(Played {
            at_us,
            recorded_us: time.unix_us,
            invoice: invoice.id,
            kind,
        });
    }

    fn skip(&mut self, reason: Reason, invoice: &Invoice) {
        *self.skipped.entry(reason).or_default() += 1;
        self.lines.leave_out(reason, invoice.rows_usable);
    }

    fn customer(&mut self, code: Option<String>, invoice: &str) -> usize {
        let next = self.customers.len();
        if let Some(code) = &code {
            let known = *self.customer_by_code.entry(code.clone()).or_insert(next);
            if known < next {
                return known;
            }
        }
        let name = match &code {
            Some(code) => format!("Customer {code}"),
            None => format!("Guest of invoice {invoice}"),
        };
        self.customers.push(PlannedCustomer {
            code,
            name,
            email: format!("trace-{}@example.com", next + 1),
        });
        next
    }

    fn order_lines(&mut self, lines: &[OrderLine]) -> Vec<(usize, u32)> {
        let mut order: Vec<(usize, u32)> = Vec::with_capacity(lines.len());
        let mut position_by_product: HashMap<usize, usize> = HashMap::new();
        for line in lines {
            let product = self.product(line);
            self.products[product].stock += line.pieces;
            let position = *position_by_product.entry(product).or_insert_with(|| {
                order.push((product, 0));
                order.len() - 1
            });
            order[position].1 +=
                u32::try_from(line.pieces).expect("a candidate's pieces fit its cart");
        }
        order
    }

    fn product(&mut self, line: &OrderLine) -> usize {
        let next = self.products.len();
        let key = (line.product.clone(), line.price_cents);
        let index = *self.product_by_code_and_price.entry(key).or_insert(next);
        if index == next {
            self.products.push(PlannedProduct {
                code: line.product.clone(),
                name: String::new(),
                price_cents: line.price_cents,
                stock: 0,
            });
        }
        let name = &mut self.products[index].name;
        if name.is_empty() {
            name.clone_from(&line.description);
        }
        index
    }

    fn finish(mut self, config: &TraceConfig) -> TracePlan {
        for product in &mut self.products {
            if product.name.is_empty() {
                product.name.clone_from(&product.code);
            }
        }
        // Not the export's first invoice: the replay must not wait for an invoice that it doesn't replay.
        let origin_us = self.played.iter().map(|p| p.recorded_us).min().unwrap_or(0);
        let journey = |played: Played| PlannedJourney {
            at: Duration::from_micros(u64::try_from(played.at_us - origin_us).unwrap_or(0)),
            invoice: played.invoice,
            kind: played.kind,
        };
        TracePlan {
            products: self.products,
            customers: self.customers,
            journeys: self.played.into_iter().map(journey).collect(),
            pay_after: config.pay_after.0,
            invoices: self.invoices,
            skipped: self.skipped,
            lines: self.lines,
            notes: self.notes,
        }
    }
}

/// Says how many rows repeat another one, and what is done with them; `None` if none does.
fn repeats(all: &Invoices, config: &TraceConfig) -> Option<String> {
    let count = all.repeated;
    (count > 0).then(|| match config.repeats {
        Repeats::Order => format!(
            "{count} lines of the trace repeat another line in every field (duplicates); they are ordered like any other, and `repeats = \"leave_out\"` in [trace] leaves them out"
        ),
        Repeats::LeaveOut => format!(
            "{count} lines of the trace repeat another line in every field (duplicates) and are left out"
        ),
    })
}

impl LineCounts {
    fn leave_out(&mut self, reason: Reason, lines: u64) {
        if lines > 0 {
            *self.left_out.entry(reason).or_default() += lines;
        }
    }

    fn leave_out_all(&mut self, left_out: &BTreeMap<Reason, u64>) {
        for (reason, lines) in left_out {
            self.leave_out(*reason, *lines);
        }
    }
}
