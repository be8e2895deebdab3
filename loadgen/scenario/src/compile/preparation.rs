//! Compiles set-up and feeders: which lists exist, and which variables later parts may read.

use std::collections::BTreeSet;

use serde_json::Value;
use toml::Spanned;

use crate::compile::compiler::{Compiled, Compiler};
use crate::file::{FeederFile, Pick, SetupFile};
use crate::scenario::{Feeder, FeederSource, SetupStep};

impl Compiler<'_> {
    pub(super) fn setup_step(&mut self, raw: Spanned<SetupFile>) -> Compiled<SetupStep> {
        let span = raw.span();
        let raw = raw.into_inner();
        let wrong = |c: &Self, problem: &str, help: String| {
            Err(c.source.error(span.clone(), problem.to_owned(), Some(help)))
        };
        if raw.repeat.is_some() && raw.for_each.is_some() {
            return wrong(
                self,
                "both `repeat` and `for_each`",
                "allowed: one of them".into(),
            );
        }
        if let Some(list) = raw
            .for_each
            .as_ref()
            .filter(|list| !self.known.contains(*list))
        {
            return wrong(
                self,
                &format!("`for_each`: unknown list `{list}`"),
                "allowed: a `list` of an earlier set-up step".into(),
            );
        }
        if raw.chunk == Some(0) || raw.chunk.is_some_and(|n| n > 100_000) {
            return wrong(
                self,
                "`chunk` is out of range",
                "allowed: 1 to 100000 items a request".into(),
            );
        }
        if let Some(condition) = &raw.condition {
            self.check_expressions(condition.expressions(), &span)?;
        }
        if let Some(list) = &raw.list {
            self.unused_name(list, &self.lists, &span)?;
            self.lists.insert(list.clone());
        }
        let outer = self.known.clone();
        self.known.extend(["index".to_owned(), "it".to_owned()]);
        self.ever_used.extend(raw.for_each.clone());
        let item = raw.item.map(|i| i.0);
        self.check(raw.repeat.iter().map(|c| &c.0).chain(&item), &span)?;
        let target = raw.target.as_deref();
        let (request, expect, extract) =
            self.exchange(raw.request, target, raw.expect, raw.extract, &span)?;
        let extracted = || extract.iter().map(|e| e.variable.clone());
        self.known.extend(extracted());
        self.known.extend(raw.list.clone());
        let awaits = raw
            .awaits
            .map(|a| self.awaits(a, &raw.name, &[], &[], &span))
            .transpose()?;
        // Set-up is not measured: its awaited states have no rows in the report.
        self.awaits.clear();
        // Variables that a single request extracts stay known; those of an iteration don't.
        self.known = outer;
        self.known.extend(raw.list.clone());
        if raw.repeat.is_none() && raw.for_each.is_none() {
            self.known.extend(extracted());
        }
        Ok(SetupStep {
            name: raw.name,
            condition: raw.condition,
            repeat: raw.repeat.map(|c| c.0),
            for_each: raw.for_each,
            chunk: raw.chunk.unwrap_or(100),
            item,
            list: raw.list,
            ids: raw.ids.unwrap_or_else(|| "/result".into()),
            request,
            expect,
            extract,
            awaits,
        })
    }

    pub(super) fn feeder(&mut self, raw: Spanned<FeederFile>) -> Compiled<Feeder> {
        let span = raw.span();
        let raw = raw.into_inner();
        let fail = |problem: String, help: &str| {
            self.source
                .error(span.clone(), problem, Some(help.to_owned()))
        };
        self.unused_name(&raw.name, &self.known, &span)?;
        let is_csv = raw.csv.is_some();
        let source = match (raw.list, raw.items, raw.csv, raw.jsonl) {
            (Some(list), None, None, None) if self.known.contains(&list) => {
                FeederSource::List(list)
            }
            (Some(list), None, None, None) => {
                return Err(fail(
                    format!("feeder `{}`: unknown list `{list}`", raw.name),
                    "allowed: a `list` of a [[setup]] step",
                ));
            }
            (None, Some(items), None, None) => {
                let items = items.into_iter().map(crate::toml_json::json);
                let items = items.collect::<Result<_, _>>();
                FeederSource::Values(items.map_err(|problem| {
                    self.source.error(
                        span.clone(),
                        format!("feeder `{}`: {problem}", raw.name),
                        None,
                    )
                })?)
            }
            (None, None, Some(path), None) => {
                let delimiter = raw.delimiter.unwrap_or_default();
                let (rows, guess) =
                    crate::feeder::read_csv(&self.files, &self.beside(&path), delimiter).map_err(
                        |e| {
                            fail(
                                e,
                                "a CSV file with a header line that names each column once",
                            )
                        },
                    )?;
                self.notes.extend(guess);
                FeederSource::Values(rows)
            }
            (None, None, None, Some(path)) => FeederSource::Values(
                crate::feeder::read_json_lines(&self.files, &self.beside(&path))
                    .map_err(|e| fail(e, "one JSON value a line"))?,
            ),
            _ => {
                return Err(fail(
                    format!("feeder `{}` needs one source", raw.name),
                    "allowed: one of `list`, `items`, `csv`, `jsonl`",
                ));
            }
        };
        if matches!(&source, FeederSource::Values(values) if values.is_empty()) {
            return Err(fail(
                format!("feeder `{}` has no values", raw.name),
                "at least one value is needed",
            ));
        }
        if raw.delimiter.is_some() && !is_csv {
            return Err(fail(
                format!("feeder `{}`: only a CSV file has a delimiter", raw.name),
                "allowed: `delimiter` with `csv`",
            ));
        }
        let exponent = raw.exponent.unwrap_or(1.0);
        if !(0.0..=10.0).contains(&exponent)
            || raw
                .count
                .is_some_and(|[from, to]| from > to || to == 0 || to > 100_000)
        {
            return Err(fail(
                format!("feeder `{}`: a value is out of range", raw.name),
                "allowed: exponent 0 to 10, count = [from, to] up to 100000",
            ));
        }
        if raw.at_end.is_some() && raw.pick != Pick::Sequential {
            return Err(fail(
                format!("feeder `{}`: a random choice has no end", raw.name),
                "allowed: `at_end` with pick = \"sequential\"",
            ));
        }
        if let (FeederSource::Values(values), None) = (&source, raw.count) {
            let columns = columns(values);
            self.columns
                .extend(columns.map(|columns| (raw.name.clone(), columns)));
        }
        self.known.insert(raw.name.clone());
        Ok(Feeder {
            name: raw.name,
            source,
            pick: raw.pick,
            at_end: raw.at_end.unwrap_or_default(),
            exponent,
            count: raw.count,
        })
    }
}

/// The fields that every value has, if all of them are objects.
fn columns(values: &[Value]) -> Option<BTreeSet<String>> {
    let mut common: Option<BTreeSet<String>> = None;
    for value in values {
        let fields = value.as_object()?.keys();
        common = Some(match common {
            None => fields.cloned().collect(),
            Some(common) => {
                let still = fields.filter(|f| common.contains(*f));
                still.cloned().collect()
            }
        });
    }
    common
}
