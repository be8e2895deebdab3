//! Sampled stacks as a flame graph: a standalone SVG in which a frame is as wide as its share of the samples and stands on its caller.
//! Hovering over a frame tells its function, samples and share. Must not know whose stacks they are.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::plot::escaped;
use crate::visible::one_line;
use loadgen_report::profile::{KERNEL, Stacks};
use loadgen_report::units::count;

/// Sizes in CSS pixels.
const WIDTH_PX: f64 = 1200.0;
const MARGIN_PX: f64 = 8.0;
const HEAD_PX: f64 = 34.0;
const FRAME_PX: f64 = 17.0;
/// Narrower frames are not drawn: nobody could see them, or hover over them.
const NARROWEST_PX: f64 = 0.3;
/// Width of a character of the monospaced font.
const CHARACTER_PX: f64 = 6.7;
/// Fewer characters say nothing.
const CHARACTERS_MIN: usize = 3;
/// The outermost frame.
const ALL: &str = "all";

/// A function, in the samples in which the functions below it had called it.
#[derive(Default)]
struct Frame<'a> {
    samples: u64,
    above: BTreeMap<&'a str, Frame<'a>>,
}

impl<'a> Frame<'a> {
    fn all(stacks: &'a Stacks) -> Self {
        let mut all = Self::default();
        for (names, samples) in stacks.iter() {
            all.samples += samples;
            let mut frame = &mut all;
            for name in names {
                frame = frame.above.entry(name).or_default();
                frame.samples += samples;
            }
        }
        all
    }

    /// Levels that are drawn, its own included.
    fn levels(&self, px_per_sample: f64) -> usize {
        let drawn = self.above.values();
        let drawn = drawn.filter(|f| f.samples as f64 * px_per_sample >= NARROWEST_PX);
        1 + drawn.map(|f| f.levels(px_per_sample)).max().unwrap_or(0)
    }

    /// Draws the frame with its left edge and its lower edge here, and all that it called above it.
    fn draw(&self, name: &str, (left, lower): (f64, f64), scale: &Scale, svg: &mut String) {
        let width = self.samples as f64 * scale.px_per_sample;
        if width < NARROWEST_PX {
            return;
        }
        let top = lower - FRAME_PX;
        let share = 100.0 * self.samples as f64 / scale.samples as f64;
        let (title, colour) = (escaped(&one_line(name)), colour(name));
        let samples = count(self.samples);
        let room = ((width - 4.0) / CHARACTER_PX) as usize;
        let label = match (name.chars().count() <= room, room < CHARACTERS_MIN) {
            (_, true) => String::new(),
            (true, _) => name.to_owned(),
            (false, _) => name.chars().take(room - 1).chain(['…']).collect(),
        };
        // Writing to a string never fails.
        let _ = write!(
            svg,
            "<g><title>{title}\n{samples} samples, {share:.2} %</title><rect x=\"{left:.2}\" y=\"{top}\" width=\"{width:.2}\" height=\"{}\" rx=\"1\" fill=\"{colour}\"/>",
            FRAME_PX - 1.0
        );
        if !label.is_empty() {
            let (x, y) = (left + 2.0, top + 12.0);
            let label = escaped(&one_line(&label));
            let _ = write!(svg, "<text x=\"{x:.2}\" y=\"{y}\">{label}</text>");
        }
        svg.push_str("</g>\n");
        let mut left = left;
        for (name, frame) in &self.above {
            frame.draw(name, (left, top), scale, svg);
            left += frame.samples as f64 * scale.px_per_sample;
        }
    }
}

/// What one sample is worth.
struct Scale {
    samples: u64,
    px_per_sample: f64,
}

/// Always the same for a function: warm ones for programs, blue ones for the kernel.
fn colour(name: &str) -> String {
    let hash = name.bytes().fold(7_u32, |hash, byte| {
        hash.wrapping_mul(31).wrapping_add(byte.into())
    });
    let hue = match name.ends_with(KERNEL) {
        true => 195 + hash % 25,
        false => 15 + hash % 40,
    };
    format!("hsl({hue},{}%,{}%)", 70 + hash % 20, 66 + hash / 64 % 12)
}

/// The flame graph as a file of its own.
pub fn flame_graph(title: &str, stacks: &Stacks) -> String {
    let all = Frame::all(stacks);
    let scale = Scale {
        samples: all.samples,
        px_per_sample: (WIDTH_PX - 2.0 * MARGIN_PX) / all.samples.max(1) as f64,
    };
    let height = HEAD_PX + all.levels(scale.px_per_sample) as f64 * FRAME_PX + MARGIN_PX;
    let (title, samples) = (escaped(&one_line(title)), count(all.samples));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH_PX}\" height=\"{height}\" viewBox=\"0 0 {WIDTH_PX} {height}\" font-family=\"monospace\" font-size=\"11\">\n<style>g:hover>rect{{stroke:#000}}</style>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n<text x=\"{MARGIN_PX}\" y=\"21\" font-size=\"14\">{title}: {samples} samples</text>\n"
    );
    all.draw(ALL, (MARGIN_PX, height - MARGIN_PX), &scale, &mut svg);
    svg + "</svg>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn() -> String {
        let folded = "shop;main;<Vec<u8> as Read>::read 3\nshop;main;tcp_sendmsg_[k] 1\n";
        flame_graph("system", &Stacks::parse(folded))
    }

    #[test]
    fn a_frame_is_as_wide_as_its_share_and_stands_on_its_caller() {
        let svg = drawn();
        let frame = |title: &str| {
            let (_, rest) = svg.split_once(title).unwrap();
            let number = |name: &str| {
                let (_, rest) = rest.split_once(&format!("{name}=\"")).unwrap();
                rest.split('"').next().unwrap().parse::<f64>().unwrap()
            };
            ["x", "y", "width"].map(number)
        };
        let main = frame("<title>main\n4 samples, 100.00 %</title>");
        let read = frame("read\n3 samples, 75.00 %</title>");
        let send = frame("<title>tcp_sendmsg_[k]\n1 samples, 25.00 %</title>");
        assert_eq!((main[0], main[2]), (MARGIN_PX, WIDTH_PX - 2.0 * MARGIN_PX));
        assert_eq!((read[1], read[2]), (main[1] - FRAME_PX, 0.75 * main[2]));
        assert_eq!((send[0], send[1]), (read[0] + read[2], read[1]));
    }

    #[test]
    fn names_are_escaped_and_cut_where_there_is_no_room() {
        let svg = drawn();
        assert!(svg.contains("<title>&lt;Vec&lt;u8&gt; as Read&gt;::read\n"));
        let long = "f".repeat(500);
        let cut = flame_graph("redis", &Stacks::parse(&format!("{long} 1\n")));
        assert!(cut.contains("f…</text>"), "{cut}");
        assert!(cut.contains(&format!("<title>{long}\n")));
    }

    #[test]
    fn without_samples_there_is_an_empty_graph() {
        let svg = flame_graph("redis", &Stacks::default());
        assert!(svg.contains("redis: 0 samples"), "{svg}");
        assert!(!svg.contains("NaN"), "{svg}");
    }
}
