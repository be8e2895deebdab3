//! Converts sampled journeys to OpenTelemetry's traces: a span for the journey, one below it for each request and each awaited state, and below
//! those one for each part of their time. A request's span is the one that its `traceparent` has named, so that the target's own spans, if it
//! sends any, are below it.

use loadgen_engine::budget::critical_path::PathSegment;
use loadgen_engine::budget::journey_trace::{JourneyTrace, TracedPath};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};

use super::message::{attributes, resource, scope};
use crate::run_event::RunPlan;

/// A request with the spans of these journeys.
pub fn request(plan: &RunPlan, journeys: &[JourneyTrace]) -> ExportTraceServiceRequest {
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource(plan)),
            scope_spans: vec![ScopeSpans {
                scope: Some(scope()),
                spans: journeys.iter().flat_map(spans).collect(),
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    }
}

/// The ids of a trace's spans.
struct SpanIds {
    trace: u128,
    last: u64,
}

impl SpanIds {
    /// Another id: from the trace's own random digits, so that it is most likely unlike the random ones of its requests.
    fn next(&mut self) -> u64 {
        // An odd step reaches every number before one comes again; 0 is no id.
        self.last = self.last.wrapping_add(0x9E37_79B9_7F4A_7C15).max(1);
        self.last
    }

    fn span(&self, (id, parent): (u64, Option<u64>), name: &str, from_us: i64, to_us: i64) -> Span {
        Span {
            trace_id: self.trace.to_be_bytes().to_vec(),
            span_id: id.to_be_bytes().to_vec(),
            parent_span_id: parent.map_or_else(Vec::new, |id| id.to_be_bytes().to_vec()),
            name: name.to_owned(),
            kind: SpanKind::Internal.into(),
            start_time_unix_nano: nanos(from_us),
            // A part between two machines may end before it begins, by the difference of their clocks; a span may not.
            end_time_unix_nano: nanos(to_us.max(from_us)),
            ..Span::default()
        }
    }
}

fn nanos(unix_us: i64) -> u64 {
    unix_us.max(0).unsigned_abs() * 1_000
}

fn spans(journey: &JourneyTrace) -> Vec<Span> {
    let mut ids = SpanIds {
        trace: journey.trace,
        last: journey.trace as u64,
    };
    let root = ids.next();
    let mut whole = ids.span(
        (root, None),
        &journey.journey,
        journey.from_us,
        journey.to_us,
    );
    if let Some(step) = &journey.failed_at {
        whole.attributes = attributes(&[("loadgen.failed_at", step)]);
        whole.status = Some(Status {
            message: format!("failed at the step {step}"),
            code: StatusCode::Error.into(),
        });
    }
    let mut spans = vec![whole];
    for traced in &journey.paths {
        path(&mut ids, root, traced, &mut spans);
    }
    spans
}

fn path(ids: &mut SpanIds, root: u64, traced: &TracedPath, spans: &mut Vec<Span>) {
    let id = traced.span.unwrap_or_else(|| ids.next());
    let (from_us, to_us) = (traced.path.from_us, traced.path.to_us());
    let mut span = ids.span((id, Some(root)), &traced.name, from_us, to_us);
    let what = match traced.span {
        Some(_) => {
            span.kind = SpanKind::Client.into();
            "request"
        }
        None => "state",
    };
    span.attributes = attributes(&[("loadgen.of", what)]);
    spans.push(span);
    for PathSegment {
        part,
        at,
        from_us,
        to_us,
    } in &traced.path.segments
    {
        let part_id = ids.next();
        let mut span = ids.span((part_id, Some(id)), part, *from_us, *to_us);
        if !at.is_empty() {
            span.attributes = attributes(&[("loadgen.at", at)]);
        }
        spans.push(span);
    }
}
