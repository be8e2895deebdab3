//! A plot as SVG: axes, lines, heat map cells, marks, bands, and transparent strips with the text shown on hovering. Must not know what the
//! figures mean.

use std::fmt::Write as _;

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis::Axis;
use super::colour::{self, Colour};
use crate::visible::{one_line, visible};

/// Plots are drawn at twice their size, because the backend rounds to whole pixels.
pub(super) const FINE: u32 = 2;
/// Font size in CSS pixels.
const FONT_PX: f64 = 12.0;
/// plotters divides a font's size by this.
const FONT_FACTOR: f64 = 1.24;
/// Estimated width of a character, at least that of a wide font's digits.
pub(super) const CHARACTER_PX: f64 = 7.6;

/// A size of a plot; a page contains each plot in every size and shows the one that fits.
#[derive(Debug, Clone, Copy)]
pub struct PlotSize {
    /// The class in the style sheet that shows the size.
    pub class: &'static str,
    /// Size in CSS pixels.
    pub(super) width_px: u32,
    height_px: u32,
    /// Largest number of ticks.
    pub(super) x_ticks_max: usize,
    y_ticks_max: usize,
    /// Largest number of columns of a heat map.
    pub heat_columns_max: usize,
}

/// The sizes for a desktop, a tablet and a phone.
pub const FRAMES: [PlotSize; 3] = [
    PlotSize {
        class: "wide",
        width_px: 960,
        height_px: 280,
        x_ticks_max: 12,
        y_ticks_max: 6,
        heat_columns_max: 120,
    },
    PlotSize {
        class: "middle",
        width_px: 640,
        height_px: 260,
        x_ticks_max: 8,
        y_ticks_max: 6,
        heat_columns_max: 80,
    },
    PlotSize {
        class: "narrow",
        width_px: 360,
        height_px: 230,
        x_ticks_max: 4,
        y_ticks_max: 5,
        heat_columns_max: 45,
    },
];

/// A line, with gaps where there is no value.
pub struct PlotLine {
    /// The name in the legend.
    pub name: String,
    /// The colour, which also selects the dashes.
    pub colour: Colour,
    /// Values of the x and y axis.
    pub points: Vec<Option<(f64, f64)>>,
}

/// A cell of a heat map, in values of the axes.
pub struct HeatCell {
    /// Start and end on the x axis.
    pub x: (f64, f64),
    /// Start and end on the y axis.
    pub y: (f64, f64),
    /// Index into [`colour::HEAT`].
    pub level: usize,
}

/// A range of the x axis and its hover text.
pub struct Strip {
    /// Start and end on the x axis.
    pub x: (f64, f64),
    /// The hover text, in lines of plain text.
    pub text: String,
}

/// A labelled value of the x axis.
pub struct Mark {
    /// The value.
    pub x: f64,
    /// The label, as plain text.
    pub label: String,
}

/// A range of the x axis during which a fault or a hold was in effect.
#[derive(Debug, Clone, PartialEq)]
pub struct Band {
    /// Start and end on the x axis.
    pub x: (f64, f64),
    /// The name in the legend.
    pub name: &'static str,
    /// The label, as plain text, shown above the plot if it fits, and on hovering.
    pub label: String,
}

/// The content of a plot.
pub struct Plot {
    /// The description for screen readers.
    pub description: String,
    /// The x axis, at the bottom.
    pub x: Axis,
    /// The y axis, on the left.
    pub y: Axis,
    /// The name of the y axis.
    pub y_name: String,
    /// The lines, in the foreground.
    pub lines: Vec<PlotLine>,
    /// The heat map's cells, behind the lines.
    pub cells: Vec<HeatCell>,
    /// The end of the warm-up, which is not measured.
    pub warm_up: Option<f64>,
    /// Times at which the workload changes.
    pub marks: Vec<Mark>,
    /// Faults and holds.
    pub bands: Vec<Band>,
    /// The hover texts.
    pub strips: Vec<Strip>,
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Coordinates = Cartesian2d<RangedCoordf64, RangedCoordf64>;
type PlotArea<'a> = DrawingArea<SVGBackend<'a>, Coordinates>;
type Drawn = Result<(), Box<dyn std::error::Error>>;

pub(super) fn font(colour: Colour) -> TextStyle<'static> {
    let px = FONT_PX * f64::from(FINE) * FONT_FACTOR;
    ("sans-serif", px).into_font().color(&colour)
}

pub(super) fn stroke(colour: Colour, px: u32) -> ShapeStyle {
    ShapeStyle {
        color: colour.into(),
        filled: false,
        stroke_width: px,
    }
}

/// Escapes text for an attribute or an element.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // XML doesn't allow control characters at all.
    for c in visible(text).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

impl Plot {
    /// Draws the plot as an `svg` element.
    ///
    /// # Errors
    /// The errors of the backend, which writes into memory.
    pub fn svg(&self, frame: PlotSize) -> Result<String, Box<dyn std::error::Error>> {
        let mut svg = String::new();
        let mut strips = String::new();
        {
            let size = (frame.width_px * FINE, frame.height_px * FINE);
            let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
            self.draw(&root, frame, &mut strips)?;
            root.present()?;
        }
        let head = format!(
            "<svg class=\"plot {}\" role=\"img\" aria-label=\"{}\" ",
            frame.class,
            escaped(&self.description)
        );
        let svg = svg.replacen("<svg ", &head, 1);
        let end = svg.rfind("</svg>").unwrap_or(svg.len());
        Ok(format!(
            "{}<g class=\"strips\">{strips}</g></svg>",
            &svg[..end]
        ))
    }

    fn draw(&self, root: &Area<'_>, frame: PlotSize, strips: &mut String) -> Drawn {
        let (x_ticks, y_ticks) = (
            self.x.ticks(frame.x_ticks_max),
            self.y.ticks(frame.y_ticks_max),
        );
        let longest = y_ticks
            .iter()
            .map(|(_, l)| l.chars().count())
            .max()
            .unwrap_or(0);
        let y_area_px = (longest as f64 * CHARACTER_PX + 12.0) as u32;
        let mut chart = ChartBuilder::on(root)
            .margin_top(24 * FINE)
            .margin_right(22 * FINE)
            .margin_bottom(2 * FINE)
            .x_label_area_size(24 * FINE)
            .y_label_area_size(y_area_px * FINE)
            .build_cartesian_2d(self.x.from..self.x.to, self.y.from..self.y.to)?;
        if let Some(end) = self.warm_up {
            let corners = [(self.x.from, self.y.to), (self.x.place(end), self.y.from)];
            chart.draw_series([Rectangle::new(corners, colour::WARM_UP.filled())])?;
        }
        let bands = self.bands.iter().map(|band| {
            let corners = [
                (self.x.place(band.x.0), self.y.to),
                (self.x.place(band.x.1), self.y.from),
            ];
            Rectangle::new(corners, colour::FAULT.filled())
        });
        chart.draw_series(bands)?;
        self.grid(root, chart.plotting_area(), &x_ticks, &y_ticks)?;
        let cells = self.cells.iter().map(|cell| {
            let corner = |x, y| (self.x.place(x), self.y.place(y));
            let corners = [corner(cell.x.0, cell.y.1), corner(cell.x.1, cell.y.0)];
            Rectangle::new(corners, colour::HEAT[cell.level].filled())
        });
        chart.draw_series(cells)?;
        for line in &self.lines {
            self.line(&mut chart, line)?;
        }
        let area = chart.plotting_area();
        self.annotate(root, area, strips)
    }

    /// Draws the grid lines and the tick labels. (plotters' own mesh would choose other ticks.)
    fn grid(
        &self,
        root: &Area<'_>,
        area: &PlotArea<'_>,
        x_ticks: &[(f64, String)],
        y_ticks: &[(f64, String)],
    ) -> Drawn {
        let (xs, ys) = area.get_pixel_range();
        let gap = 6 * FINE as i32;
        for (at, label) in y_ticks {
            let y = area.map_coordinate(&(self.x.from, *at)).1;
            let path = vec![(xs.start, y), (xs.end, y)];
            root.draw(&PathElement::new(path, stroke(colour::GRID, FINE)))?;
            let style = font(colour::INK).pos(Pos::new(HPos::Right, VPos::Center));
            root.draw(&Text::new(label.clone(), (xs.start - gap, y), style))?;
        }
        for (at, label) in x_ticks {
            let x = area.map_coordinate(&(*at, self.y.from)).0;
            let path = vec![(x, ys.start), (x, ys.end)];
            root.draw(&PathElement::new(path, stroke(colour::GRID, FINE)))?;
            let style = font(colour::INK).pos(Pos::new(HPos::Center, VPos::Top));
            root.draw(&Text::new(label.clone(), (x, ys.end + gap), style))?;
        }
        let axes = vec![(xs.start, ys.start), (xs.start, ys.end), (xs.end, ys.end)];
        root.draw(&PathElement::new(axes, stroke(colour::MARK, FINE)))?;
        Ok(())
    }

    /// Draws the segments between gaps; a single value between two gaps is a dot.
    fn line(
        &self,
        chart: &mut ChartContext<'_, SVGBackend<'_>, Coordinates>,
        line: &PlotLine,
    ) -> Drawn {
        let placed = |(x, y): &(f64, f64)| (self.x.place(*x), self.y.place(*y));
        for stretch in line.points.split(Option::is_none) {
            let points: Vec<(f64, f64)> = stretch.iter().flatten().map(placed).collect();
            match points.as_slice() {
                [] => {}
                [alone] => {
                    let dot = Circle::new(*alone, 2 * FINE, line.colour.filled());
                    chart.draw_series([dot])?;
                }
                _ => {
                    let style = stroke(line.colour, 2 * FINE);
                    chart.draw_series([PathElement::new(points, style)])?;
                }
            }
        }
        Ok(())
    }

    /// Draws the name of the y axis, the marks with their labels, and the strips.
    fn annotate(&self, root: &Area<'_>, area: &PlotArea<'_>, strips: &mut String) -> Drawn {
        let (xs, ys) = area.get_pixel_range();
        let at = |x: f64| area.map_coordinate(&(self.x.place(x), self.y.to)).0;
        let fine = FINE as i32;
        let width_of = |text: &str| (text.chars().count() as f64 * CHARACTER_PX) as i32 * fine;
        root.draw(&Text::new(
            self.y_name.clone(),
            (2 * fine, 2 * fine),
            font(colour::INK),
        ))?;
        // Labels are above the plot, to the right of the axis name, and only where they fit.
        let mut taken = 2 * fine + width_of(&self.y_name) + 12 * fine;
        let warm_up_end = self.warm_up.map(at);
        if let Some(x) = warm_up_end {
            let path = vec![(x, ys.start), (x, ys.end)];
            root.draw(&PathElement::new(path, stroke(colour::MARK, FINE)))?;
        }
        let stages = self.marks.iter();
        let stages = stages.map(|mark| (mark.x, &mark.label, colour::MARK));
        let faults = self.bands.iter();
        let faults = faults.map(|band| (band.x.0, &band.label, colour::FAULT_EDGE));
        // Sorted from left to right, because each label needs the end of the one before it.
        let mut labelled: Vec<(f64, &String, Colour)> = stages.chain(faults).collect();
        labelled.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (value, label, colour) in labelled {
            let x = at(value);
            let path = vec![(x, ys.start - 6 * fine), (x, ys.end)];
            root.draw(&PathElement::new(path, stroke(colour, FINE)))?;
            let width = width_of(label);
            // At the right edge a label is to the left of its mark.
            let start = x.min(xs.end + 20 * fine - width);
            if start >= taken {
                let place = (start, ys.start - 20 * fine);
                root.draw(&Text::new(one_line(label), place, font(colour)))?;
                taken = start + width + 8 * fine;
            }
        }
        for strip in &self.strips {
            let (from, to) = (at(strip.x.0), at(strip.x.1));
            write!(
                strips,
                "<rect x=\"{from}\" y=\"{}\" width=\"{}\" height=\"{}\"><title>{}</title></rect>",
                ys.start,
                (to - from).max(1),
                ys.end - ys.start,
                escaped(&self.said(strip))
            )?;
        }
        Ok(())
    }
}

impl Plot {
    /// A strip's text, with the bands in its range.
    fn said(&self, strip: &Strip) -> String {
        let meanwhile = |b: &&Band| b.x.0 < strip.x.1 && b.x.1 >= strip.x.0;
        let bands = self.bands.iter().filter(meanwhile);
        let labels: String = bands.map(|b| format!("\n{}", b.label)).collect();
        format!("{}{labels}", strip.text)
    }
}

/// A line's sample in the legend, as an `svg` element, so that the style sheet gives it the plot's colour and dashes.
pub fn swatch(colour: Colour) -> String {
    format!(
        "<svg class=\"swatch\" viewBox=\"0 0 56 8\" aria-hidden=\"true\"><polyline fill=\"none\" stroke=\"{}\" stroke-width=\"4\" points=\"0,4 56,4\"/></svg>",
        colour::hex(colour)
    )
}

/// A band's sample in the legend.
pub fn patch(colour: Colour) -> String {
    format!(
        "<svg class=\"patch\" viewBox=\"0 0 28 12\" aria-hidden=\"true\"><rect width=\"28\" height=\"12\" fill=\"{}\"/></svg>",
        colour::hex(colour)
    )
}
