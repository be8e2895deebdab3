//! Compiles `[targets]`, and what steps say of them.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;

use crate::compile::compiler::{Compiled, Compiler};
use crate::diagnostic::did_you_mean;
use crate::scenario::NamedTarget;

impl Compiler<'_> {
    pub(super) fn named_targets(
        &self,
        raw: &BTreeMap<String, Spanned<String>>,
    ) -> Compiled<Vec<NamedTarget>> {
        let targets = raw.iter().map(|(name, url)| {
            let target = NamedTarget {
                name: name.clone(),
                url: url.get_ref().clone(),
            };
            match target.problem() {
                None => Ok(target),
                Some((problem, help)) => {
                    Err(self.source.error(url.span(), problem, Some(help.into())))
                }
            }
        });
        targets.collect()
    }

    /// The index of the target that a step names.
    pub(super) fn target(
        &self,
        name: Option<&str>,
        span: &Range<usize>,
    ) -> Compiled<Option<usize>> {
        let Some(name) = name else {
            return Ok(None);
        };
        let names = || self.targets.iter().map(|target| target.name.as_str());
        if let Some(index) = names().position(|known| known == name) {
            return Ok(Some(index));
        }
        let did = did_you_mean(name, names());
        let known: Vec<&str> = names().collect();
        let allowed = match known.is_empty() {
            true => {
                "a name of the table [targets], as in `[targets] auth = \"http://…\"`".to_owned()
            }
            false => known.join(", "),
        };
        Err(self.source.error(
            self.source.find(&format!("\"{name}\""), span.clone()),
            format!("unknown target `{name}`"),
            Some(format!("{did}allowed: {allowed}")),
        ))
    }
}

impl NamedTarget {
    /// What is wrong with it, and what is allowed.
    pub(crate) fn problem(&self) -> Option<(String, &'static str)> {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if self.name.is_empty() || !self.name.chars().all(legal) {
            let problem = format!("`{}` is not a target's name", self.name);
            return Some((problem, "allowed: letters, digits, `-` and `_`"));
        }
        let rest = ["http://", "https://"];
        let rest = rest.iter().find_map(|s| self.url.strip_prefix(s));
        let is_url = rest.is_some_and(|rest| {
            !rest.is_empty() && !rest.starts_with(['/', ':', '?', '#']) && !rest.contains(' ')
        });
        if !is_url {
            let problem = format!("the target `{}` is not a URL: `{}`", self.name, self.url);
            return Some((
                problem,
                "allowed: as in http://127.0.0.1:8080 or https://auth.example.com",
            ));
        }
        None
    }
}
