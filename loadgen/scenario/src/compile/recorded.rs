//! Checks recorded arrivals: they need a mapping, and journeys with the names and inputs that a replay sets.

use std::ops::Range;

use toml::Spanned;

use crate::compile::compiler::{Compiled, Compiler};
use crate::file::{JourneyFile, WorkloadFile, WorkloadKindFile};
use crate::recorded;
use crate::trace::TraceConfig;

impl Compiler<'_> {
    /// Returns the mapping, if the workload needs one, and makes its variables known to templates.
    pub(super) fn trace(
        &mut self,
        workload: Option<&Spanned<WorkloadFile>>,
        raw: Option<Spanned<TraceConfig>>,
        journeys: &[Spanned<JourneyFile>],
    ) -> Compiled<Option<TraceConfig>> {
        let kind = |w: &&Spanned<WorkloadFile>| w.get_ref().kind;
        let recorded = workload.filter(|w| matches!(kind(w), WorkloadKindFile::Trace));
        match (recorded.map(Spanned::span), raw) {
            (Some(at), Some(mapping)) => {
                let names = [recorded::PRODUCTS, recorded::CUSTOMERS, recorded::PAY_AFTER];
                self.known.extend(names.map(str::to_owned));
                self.check_journeys(&at, journeys)?;
                Ok(Some(mapping.into_inner()))
            }
            (Some(at), None) => Err(self.source.error(
                at,
                "recorded arrivals need the mapping of their columns",
                Some("allowed: a section [trace] with [trace.columns]".into()),
            )),
            (None, Some(mapping)) => Err(self.source.error(
                mapping.span(),
                "a mapping without recorded arrivals",
                Some("allowed: [trace] with `kind = \"trace\"` in [workload]".into()),
            )),
            (None, None) => Ok(None),
        }
    }

    fn check_journeys(&self, at: &Range<usize>, journeys: &[Spanned<JourneyFile>]) -> Compiled<()> {
        for needed in [recorded::ORDER, recorded::CANCELLATION] {
            if !journeys.iter().any(|j| j.get_ref().name == needed) {
                return Err(self.source.error(
                    at.clone(),
                    format!("recorded arrivals need a journey `{needed}`"),
                    Some(format!(
                        "allowed: exactly the journeys `{}` and `{}`",
                        recorded::ORDER,
                        recorded::CANCELLATION
                    )),
                ));
            }
        }
        for journey in journeys {
            let (span, journey) = (journey.span(), journey.get_ref());
            let allowed = recorded::inputs(&journey.name);
            if allowed.is_empty() {
                return Err(self.source.error(
                    span,
                    format!("journey `{}` is never played by a replay", journey.name),
                    Some(format!(
                        "allowed: exactly the journeys `{}` and `{}`",
                        recorded::ORDER,
                        recorded::CANCELLATION
                    )),
                ));
            }
            if let Some(wrong) = journey
                .inputs
                .iter()
                .find(|input| !allowed.contains(&input.as_str()))
            {
                return Err(self.source.error(
                    self.source.find(&format!("\"{wrong}\""), span),
                    format!("a replay has no input `{wrong}` for `{}`", journey.name),
                    Some(format!("allowed: {}", allowed.join(", "))),
                ));
            }
        }
        Ok(())
    }
}
