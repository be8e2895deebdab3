//! Compiles requests and expected answers; checks the variables and JSON pointers in them.

use std::ops::Range;

use crate::compile::compiler::{Compiled, Compiler};
use crate::diagnostic::{ScenarioError, nearest};
use crate::expression::Expression;
use crate::file::{ExpectFile, Method, RequestFile};
use crate::step::{Expect, RequestTemplate};
use crate::template::Template;

impl Compiler<'_> {
    /// Checks that every variable the templates read is known here.
    pub(super) fn check<'t>(
        &mut self,
        templates: impl IntoIterator<Item = &'t Template>,
        span: &Range<usize>,
    ) -> Compiled<()> {
        let expressions = templates.into_iter().flat_map(Template::expressions);
        self.check_expressions(expressions, span)
    }

    pub(super) fn check_expressions<'e>(
        &mut self,
        expressions: impl IntoIterator<Item = &'e Expression>,
        span: &Range<usize>,
    ) -> Compiled<()> {
        for expression in expressions {
            for name in expression.variables() {
                self.used.insert(name.to_owned());
                self.ever_used.insert(name.to_owned());
                if !self.known.contains(name) && !expression.has_default() {
                    return Err(self.unknown(name, span));
                }
            }
            let Some((name, [field, ..])) = expression.path() else {
                continue;
            };
            if let Some(columns) = self.columns.get(name)
                && !columns.contains(field)
                && !expression.has_default()
            {
                let place = self.source.find(&format!("{name}.{field}"), span.clone());
                let near = nearest(field, columns.iter().map(String::as_str));
                let did = near.map(|n| format!("did you mean `{n}`? "));
                let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
                let help = format!("{}allowed: {}", did.unwrap_or_default(), columns.join(", "));
                let problem = format!("the feeder `{name}` has no column `{field}`");
                return Err(self.source.error(place, problem, Some(help)));
            }
        }
        Ok(())
    }

    fn unknown(&self, name: &str, span: &Range<usize>) -> ScenarioError {
        let place = self.source.find(&format!("{{{{{name}"), span.clone());
        if self.maybe_unset.contains(name) {
            return self.source.error(
                place,
                format!(
                    "`{name}` is not always set here: the step that sets it may have been skipped"
                ),
                Some(format!(
                    "allowed: a default, as in {{{{{name}|default:null}}}}"
                )),
            );
        }
        let near = nearest(name, self.known.iter().map(String::as_str));
        let mut known: Vec<&str> = self.known.iter().map(String::as_str).collect();
        known.sort_unstable();
        let did = near
            .map(|n| format!("did you mean `{n}`? "))
            .unwrap_or_default();
        let help = format!(
            "{did}known here: {}, uuid, now, random:FROM:TO",
            known.join(", ")
        );
        self.source
            .error(place, format!("unknown variable `{name}`"), Some(help))
    }

    pub(super) fn request(
        &mut self,
        raw: RequestFile,
        span: &Range<usize>,
    ) -> Compiled<RequestTemplate> {
        self.sendable(&raw, span)?;
        let (body, content_type) = match (raw.body, raw.form, raw.text) {
            (None, None, None) => (None, None),
            (Some(body), None, None) => (Some(body.0), None),
            (None, Some(form), None) => (
                Some(Template::fields(form)),
                Some("application/x-www-form-urlencoded"),
            ),
            (None, None, Some(text)) => (Some(text), Some("text/plain; charset=utf-8")),
            _ => {
                return Err(self.source.error(
                    span.clone(),
                    "a request has one body",
                    Some("allowed: one of `body` (JSON), `form`, `text`".into()),
                ));
            }
        };
        let mut headers: Vec<(String, Template)> = raw.headers.into_iter().collect();
        let own = headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        if let Some(content_type) = content_type.filter(|_| !own) {
            let value = Template::text(content_type)
                .map_err(|problem| self.source.error(span.clone(), problem, None))?;
            headers.push(("content-type".into(), value));
        }
        let path = match raw.query.is_empty() {
            true => raw.path,
            false => raw.path.with_query(Template::fields(raw.query)),
        };
        let request = RequestTemplate {
            method: raw.method,
            path,
            body,
            headers,
            retry: raw.retry.map(|retry| retry.0),
        };
        self.check(request.templates(), span)?;
        Ok(request)
    }

    pub(super) fn expect(&mut self, raw: ExpectFile, span: &Range<usize>) -> Compiled<Expect> {
        self.pointers(raw.equal.keys().chain(&raw.exist).chain(&raw.absent), span)?;
        let equal: Vec<(String, Template)> = raw
            .equal
            .into_iter()
            .map(|(pointer, t)| (pointer, t.0))
            .collect();
        let contain = raw.contain.unwrap_or_default().0;
        self.check(equal.iter().map(|(_, t)| t).chain(&contain), span)?;
        Ok(Expect {
            status: raw.status.unwrap_or_default().0,
            equal,
            exist: raw.exist,
            absent: raw.absent,
            contain,
        })
    }

    pub(super) fn pointers<'p>(
        &self,
        pointers: impl IntoIterator<Item = &'p String>,
        span: &Range<usize>,
    ) -> Compiled<()> {
        match pointers
            .into_iter()
            .find(|p| !p.is_empty() && !p.starts_with('/'))
        {
            None => Ok(()),
            Some(wrong) => {
                let place = self.source.find(wrong, span.clone());
                Err(self.source.error(
                    place,
                    format!("`{wrong}` is not a JSON pointer"),
                    Some("allowed: a path that starts with `/`, as in `/result/0`".into()),
                ))
            }
        }
    }
}

impl RequestTemplate {
    fn templates(&self) -> impl Iterator<Item = &Template> {
        std::iter::once(&self.path)
            .chain(&self.body)
            .chain(self.headers.iter().map(|(_, t)| t))
    }
}

impl Method {
    /// The method as a request line spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Head => "HEAD",
        }
    }
}
