//! Compiles requests and expected answers; checks the variables and JSON pointers in them.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use crate::answer::Extract;
use crate::body::{Auth, Body};
use crate::compile::compiler::{Compiled, Compiler};
use crate::diagnostic::{ScenarioError, did_you_mean};
use crate::expression::Expression;
use crate::file::{ExpectFile, ExtractFile, Method, RequestFile, Texts};
use crate::secrets::ENV;
use crate::step::{Expect, RequestTemplate};
use crate::template::Template;

/// The variable by which headers read the request's body: `{{request.body}}`.
const REQUEST: &str = "request";

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
            for (name, fields) in expression.reads() {
                if name == ENV {
                    self.environment(fields, expression, span)?;
                    continue;
                }
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
                let did = did_you_mean(field, columns.iter().map(String::as_str));
                let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
                let other = match &columns[..] {
                    [only] if only.contains([',', ';', '\t', '|']) => {
                        "; if these are several columns, give the feeder's `delimiter`"
                    }
                    _ => "",
                };
                let help = format!("{did}allowed: {}{other}", columns.join(", "));
                let problem = format!("the feeder `{name}` has no column `{field}`");
                return Err(self.source.error(place, problem, Some(help)));
            }
        }
        Ok(())
    }

    /// Reads the environment variable that an expression names; it need not exist where the expression has a default.
    fn environment(
        &mut self,
        fields: &[String],
        expression: &Expression,
        span: &Range<usize>,
    ) -> Compiled<()> {
        let place = || {
            let text = format!("{ENV}.{}", fields.join("."));
            self.source.find(&text, self.source.find(ENV, span.clone()))
        };
        let [name] = fields else {
            let problem = "`env` needs the name of a variable of the environment";
            let help = "allowed: as in {{env.API_TOKEN}}";
            return Err(self.source.error(place(), problem, Some(help.into())));
        };
        match self.secrets.read(name, &self.files) {
            Err(problem) if !expression.has_default() => {
                let help = format!(
                    "set it, as in `{name}=… loadgen run …`, or give a default, as in {{{{env.{name}|default:…}}}}"
                );
                Err(self.source.error(place(), problem, Some(help)))
            }
            _ => Ok(()),
        }
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
        let did = did_you_mean(name, self.known.iter().map(String::as_str));
        let mut known: Vec<&str> = self.known.iter().map(String::as_str).collect();
        known.sort_unstable();
        known.extend(["env.NAME", "uuid", "now", "random:FROM:TO"]);
        let help = format!("{did}known here: {}", known.join(", "));
        self.source
            .error(place, format!("unknown variable `{name}`"), Some(help))
    }

    /// Refuses a variable's name that no template can read.
    pub(super) fn nameable(&self, name: &str, span: &Range<usize>) -> Compiled<()> {
        let read = Expression::parse(name).ok();
        let read = read.as_ref().and_then(Expression::path);
        if read == Some((name, &[])) && name != ENV {
            return Ok(());
        }
        let place = self.source.find(name, span.clone());
        let problem = format!("`{name}` can't be a variable's name");
        let help =
            "allowed: letters, digits, `_` and `-`, but for whole numbers and `env`, `now`, `uuid`";
        Err(self.source.error(place, problem, Some(help.into())))
    }

    /// Refuses a name that is among the used ones: nobody would know what is meant.
    pub(super) fn unused_name(
        &self,
        name: &str,
        used: &HashSet<String>,
        span: &Range<usize>,
    ) -> Compiled<()> {
        self.nameable(name, span)?;
        if !used.contains(name) {
            return Ok(());
        }
        let place = self.source.find(&format!("\"{name}\""), span.clone());
        let problem = format!("`{name}` is the name of two things");
        let help = "give one of them another name";
        Err(self.source.error(place, problem, Some(help.into())))
    }

    /// Compiles a request and what is done with its answer.
    pub(super) fn exchange(
        &mut self,
        request: RequestFile,
        target: Option<&str>,
        expect: ExpectFile,
        extract: BTreeMap<String, ExtractFile>,
        span: &Range<usize>,
    ) -> Compiled<(RequestTemplate, Expect, Vec<Extract>)> {
        let mut request = self.request(request, span)?;
        request.target = self.target(target, span)?;
        let expect = self.expect(expect, span)?;
        let extract = self.extracts(extract, span)?;
        request.keeps_headers = expect.answer.reads_headers(&extract);
        Ok((request, expect, extract))
    }

    fn request(&mut self, mut raw: RequestFile, span: &Range<usize>) -> Compiled<RequestTemplate> {
        self.sendable(&raw, span)?;
        let (body, content_type) = self.body(&mut raw, span)?;
        let mut headers: Vec<(String, Template)> = raw.headers.into_iter().collect();
        let own = headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        if let Some(content_type) = content_type.filter(|_| !own) {
            headers.push(("content-type".into(), Template::literal_text(&content_type)));
        }
        let path = match raw.query.is_empty() {
            true => raw.path,
            false => raw
                .path
                .with_query(Template::fields(Texts::each(raw.query))),
        };
        let auth = raw.auth.map(|auth| self.auth(auth, span)).transpose()?;
        let own = |(name, _): &&(String, Template)| name.eq_ignore_ascii_case("authorization");
        if let Some((name, _)) = headers.iter().find(own).filter(|_| auth.is_some()) {
            return Err(self.source.error(
                self.source.find(name, span.clone()),
                "both `auth` and a header of its own for credentials",
                Some("allowed: one of them".into()),
            ));
        }
        let mut request = RequestTemplate {
            method: raw.method,
            path,
            body,
            auth,
            headers,
            headers_read_body: false,
            keeps_headers: false,
            target: None,
            retry: raw.retry.map(|retry| retry.0),
        };
        self.check(request.templates(), span)?;
        // Only headers can read the body: it is rendered before them.
        let free = self.known.insert(REQUEST.to_owned());
        self.check(request.headers.iter().map(|(_, value)| value), span)?;
        if free {
            self.known.remove(REQUEST);
            let mut read = request
                .headers
                .iter()
                .flat_map(|(_, value)| value.variables());
            request.headers_read_body = read.any(|name| name == REQUEST);
        }
        Ok(request)
    }

    fn expect(&mut self, mut raw: ExpectFile, span: &Range<usize>) -> Compiled<Expect> {
        let answer = self.answer_checks(&mut raw, span)?;
        self.pointers(raw.equal.keys().chain(&raw.exist).chain(&raw.absent), span)?;
        let equal: Vec<(String, Template)> = raw
            .equal
            .into_iter()
            .map(|(pointer, t)| (pointer, t.0))
            .collect();
        let contain = raw.contain.unwrap_or_default().0;
        if contain.iter().any(|text| text.as_literal() == Some("")) {
            let place = self.source.find("contain", span.clone());
            let problem = "every body contains the empty text, so that this says nothing";
            let help = "allowed: at least one character";
            return Err(self.source.error(place, problem, Some(help.into())));
        }
        self.check(equal.iter().map(|(_, t)| t).chain(&contain), span)?;
        Ok(Expect {
            status: raw.status.unwrap_or_default().0,
            equal,
            exist: raw.exist,
            absent: raw.absent,
            contain,
            answer,
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
    /// Without those of headers.
    fn templates(&self) -> impl Iterator<Item = &Template> {
        let body = self.body.iter().flat_map(Body::templates);
        let auth = self.auth.iter().flat_map(Auth::templates);
        std::iter::once(&self.path).chain(body).chain(auth)
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
