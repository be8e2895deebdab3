//! What `/metrics` answers with: the metrics of a process in the format that the scraper accepts. Both programs use it. Must not know any
//! metric, nor how HTTP is served.

use std::fmt;

use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::registry::Registry;

/// A format that Prometheus reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text, version 0.0.4: what every scraper reads.
    Text,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Format {
    /// The format for a request's `Accept`: OpenMetrics if it is named and nothing better is, else text.
    #[must_use]
    pub fn accepted(accept: Option<&str>) -> Self {
        let quality = |media| quality(accept.unwrap_or_default(), media);
        let open = quality("application/openmetrics-text");
        match open > 0.0 && open >= quality("text/plain") {
            true => Self::OpenMetrics,
            false => Self::Text,
        }
    }

    /// The value of `Content-Type`.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// The metrics of these registries, one after the other. No metric may be in two of them.
    ///
    /// # Errors
    /// A metric can't be written.
    pub fn encode(self, registries: &[&Registry]) -> Result<String, fmt::Error> {
        let mut open = String::new();
        for registry in registries {
            encode_registry(&mut open, registry)?;
        }
        match self {
            Self::Text => Ok(text(&open)),
            Self::OpenMetrics => {
                encode_eof(&mut open)?;
                Ok(open)
            }
        }
    }
}

/// The quality that `Accept` gives a media type by name, 0 to 1; 0 if it doesn't name it.
fn quality(accept: &str, media: &str) -> f32 {
    let ranges = accept.split(',').filter_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let named = parts.next()?.eq_ignore_ascii_case(media);
        let quality = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok());
        named.then_some(quality.unwrap_or(1.0))
    });
    ranges.fold(0.0, f32::max)
}

/// OpenMetrics as Prometheus text: there a counter's name ends in `_total` where its type is said too, and there are no units.
fn text(open: &str) -> String {
    let mut text = String::with_capacity(open.len());
    let mut help = None;
    for line in open.lines() {
        if let Some(said) = line.strip_prefix("# HELP ") {
            help = said.split_once(' ').map(|(_, said)| said);
        } else if let Some((name, kind)) = line
            .strip_prefix("# TYPE ")
            .and_then(|named| named.rsplit_once(' '))
        {
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                kind => ("", kind),
            };
            if let Some(said) = help.take() {
                text += &format!("# HELP {name}{suffix} {said}\n");
            }
            text += &format!("# TYPE {name}{suffix} {kind}\n");
        } else if !line.starts_with("# ") {
            text += line;
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::histogram::Histogram;
    use prometheus_client::metrics::info::Info;
    use prometheus_client::registry::Unit;

    use super::*;

    #[test]
    fn the_best_format_that_a_scraper_names_is_taken_and_text_without_a_name() {
        let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        for (accept, expected) in [
            (None, Format::Text),
            (Some("*/*"), Format::Text),
            (Some("text/plain"), Format::Text),
            (Some(prometheus), Format::OpenMetrics),
            (Some("Application/OpenMetrics-Text"), Format::OpenMetrics),
            (Some("application/openmetrics-text; q=0"), Format::Text),
            (
                Some("application/openmetrics-text;q=0.4, text/plain;q=0.5"),
                Format::Text,
            ),
        ] {
            assert_eq!(Format::accepted(accept), expected, "{accept:?}");
        }
    }

    #[test]
    fn text_says_the_types_of_the_names_that_follow_and_openmetrics_ends_with_eof() {
        let mut registry = Registry::with_prefix("shop");
        registry.register("sales", "Sold", Counter::<u64>::default());
        registry.register("build", "Built", Info::new(vec![("version", "1")]));
        let times = Histogram::new([0.5]);
        times.observe(0.1);
        registry.register_with_unit("time", "Took", Unit::Seconds, times);

        let text = Format::Text.encode(&[&registry]).unwrap_or_default();
        let open = Format::OpenMetrics.encode(&[&registry]).unwrap_or_default();

        assert_eq!(
            text,
            "# HELP shop_sales_total Sold.\n# TYPE shop_sales_total counter\nshop_sales_total 0\n\
             # HELP shop_build_info Built.\n# TYPE shop_build_info gauge\nshop_build_info{version=\"1\"} 1\n\
             # HELP shop_time_seconds Took.\n# TYPE shop_time_seconds histogram\nshop_time_seconds_sum 0.1\n\
             shop_time_seconds_count 1\nshop_time_seconds_bucket{le=\"0.5\"} 1\nshop_time_seconds_bucket{le=\"+Inf\"} 1\n"
        );
        assert!(open.contains("# TYPE shop_sales counter\n"), "{open}");
        assert!(open.ends_with("# EOF\n"), "{open}");
    }
}
