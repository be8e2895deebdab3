//! Compiles what is extracted from answers and checked in them.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::answer::{AnswerChecks, Extract, HeaderCheck, Place};
use crate::compile::compiler::{Compiled, Compiler};
use crate::file::{ExpectFile, ExtractFile, ExtractTable, HeaderCheckFile};
use crate::pattern::JsonPlace;

impl Compiler<'_> {
    pub(super) fn extracts(
        &self,
        raw: BTreeMap<String, ExtractFile>,
        span: &Range<usize>,
    ) -> Compiled<Vec<Extract>> {
        let extracts = raw.into_iter();
        extracts
            .map(|(variable, raw)| {
                self.nameable(&variable, span)?;
                self.extract(variable, raw.0, span)
            })
            .collect()
    }

    fn extract(
        &self,
        variable: String,
        raw: ExtractTable,
        span: &Range<usize>,
    ) -> Compiled<Extract> {
        let place = match (raw.json, raw.header, raw.regex) {
            (Some(json), None, None) => {
                let place = JsonPlace::parse(&json);
                Place::Json(place.map_err(|problem| {
                    let place = self.source.find(&json, span.clone());
                    let help = "allowed: a pointer that starts with `/`, as in `/items/0/id`, or a path that starts with `$`, as in `$.items[*].id`; or { header = … }, { regex = … }";
                    self.source.error(place, problem, Some(help.into()))
                })?)
            }
            (None, Some(header), regex) => Place::Header(header.to_ascii_lowercase(), regex),
            (None, None, Some(regex)) => Place::Text(regex),
            _ => {
                let place = self.source.find(&variable, span.clone());
                let help =
                    "allowed: one of `json`, `header`, `regex`, or `header` and `regex` together";
                let problem = format!("`extract`: `{variable}` needs one place");
                return Err(self.source.error(place, problem, Some(help.into())));
            }
        };
        let default = raw.default.map(|value| {
            crate::toml_json::json(value).map_err(|e| {
                let place = self.source.find(&variable, span.clone());
                self.source.error(place, format!("`default`: {e}"), None)
            })
        });
        Ok(Extract {
            variable,
            place,
            all: raw.all,
            default: default.transpose()?,
        })
    }

    /// Takes the checks of headers, text, size and time out of `expect`.
    pub(super) fn answer_checks(
        &mut self,
        raw: &mut ExpectFile,
        span: &Range<usize>,
    ) -> Compiled<AnswerChecks> {
        let headers = std::mem::take(&mut raw.headers).into_iter();
        let headers: Vec<(String, HeaderCheck)> = headers
            .map(|(name, check)| {
                let check = match check {
                    HeaderCheckFile::Present(true) => HeaderCheck::Present,
                    HeaderCheckFile::Present(false) => HeaderCheck::Absent,
                    HeaderCheckFile::Equal(text) => HeaderCheck::Equal(text),
                    HeaderCheckFile::Contain(text) => HeaderCheck::Contain(text),
                    HeaderCheckFile::Match(pattern) => HeaderCheck::Match(pattern),
                };
                (name.to_ascii_lowercase(), check)
            })
            .collect();
        let templates = headers.iter().filter_map(|(_, check)| match check {
            HeaderCheck::Equal(text) | HeaderCheck::Contain(text) => Some(text),
            _ => None,
        });
        self.check(templates, span)?;
        if let (Some(min), Some(max)) = (raw.bytes_min, raw.bytes_max)
            && min > max
        {
            let place = self.source.find("bytes_min", span.clone());
            let problem = format!("no body has {min} bytes or more and {max} or less");
            let help = "allowed: `bytes_min` up to `bytes_max`";
            return Err(self.source.error(place, problem, Some(help.into())));
        }
        if raw.response_time_max.is_some_and(|max| max.0.is_zero()) {
            let place = self.source.find("response_time_max", span.clone());
            let problem = "no answer comes within no time";
            let help = "allowed: longer than 0 s";
            return Err(self.source.error(place, problem, Some(help.into())));
        }
        Ok(AnswerChecks {
            headers,
            pattern: raw.pattern.take(),
            bytes_min: raw.bytes_min,
            bytes_max: raw.bytes_max,
            response_time_max: raw.response_time_max.map(|time| time.0),
        })
    }
}
