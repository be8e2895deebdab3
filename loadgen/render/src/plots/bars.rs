//! Bars on one time scale, as SVG: the row's name above its bar, the parts of the bar side by side, and a transparent strip over the row
//! with the text shown on hovering. Must not know what the parts mean.

use std::fmt::Write as _;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis::Axis;
use super::colour::{self, Colour};
use super::plot::{CHARACTER_PX, FINE, PlotSize, escaped, font, stroke};
use crate::visible::one_line;

/// Heights in CSS pixels.
const ROW_PX: i32 = 38;
const NAME_PX: i32 = 17;
const BAR_PX: i32 = 15;
const AXIS_PX: i32 = 26;
/// Margins in CSS pixels; the right one has room for half a label.
const LEFT_PX: i32 = 4;
const RIGHT_PX: i32 = 30;
/// Largest number of rows that are drawn.
const ROWS_MAX: usize = 60;

/// A part of a bar.
pub struct Stretch {
    /// Start and end in milliseconds; a part that ends before it starts is not drawn.
    pub x: (f64, f64),
    /// The colour.
    pub colour: Colour,
}

/// A row with its bar.
pub struct Bar {
    /// The name above the bar, as plain text; cut if it is too long.
    pub name: String,
    /// The value after the name.
    pub value: String,
    /// The parts of the bar, from left to right.
    pub stretches: Vec<Stretch>,
    /// The text shown on hovering, in lines of plain text.
    pub text: String,
}

/// All rows of one picture.
pub struct Bars {
    /// The description for screen readers.
    pub description: String,
    /// The rows from top to bottom.
    pub rows: Vec<Bar>,
}

impl Bar {
    fn title(&self, frame: PlotSize) -> String {
        let room = f64::from(frame.width_px) / CHARACTER_PX;
        let room = (room as usize).saturating_sub(self.value.chars().count() + 4);
        let cut = match self.name.chars().count() > room {
            true => "…",
            false => "",
        };
        let name: String = one_line(&self.name).chars().take(room).collect();
        format!("{name}{cut}: {}", self.value)
    }
}

impl Bars {
    /// Draws the bars as an `svg` element.
    ///
    /// # Errors
    /// The errors of the backend, which writes into memory.
    pub fn svg(&self, frame: PlotSize) -> Result<String, Box<dyn std::error::Error>> {
        let fine = FINE as i32;
        let rows = &self.rows[..self.rows.len().min(ROWS_MAX)];
        let bottom = rows.len() as i32 * ROW_PX * fine;
        let (width, height) = (frame.width_px * FINE, (bottom + AXIS_PX * fine) as u32);
        let ends = rows
            .iter()
            .flat_map(|row| row.stretches.iter().map(|s| s.x.1));
        let axis = Axis::amount(ends, " ms");
        let (left, right) = (LEFT_PX * fine, width as i32 - RIGHT_PX * fine);
        let at = |ms: f64| {
            let share = (axis.place(ms) - axis.from) / (axis.to - axis.from);
            left + (share * f64::from(right - left)).round() as i32
        };
        let (mut svg, mut strips) = (String::new(), String::new());
        {
            let root = SVGBackend::with_string(&mut svg, (width, height)).into_drawing_area();
            for (ms, label) in axis.ticks(frame.x_ticks_max) {
                let path = vec![(at(ms), 0), (at(ms), bottom)];
                root.draw(&PathElement::new(path, stroke(colour::GRID, FINE)))?;
                let style = font(colour::INK).pos(Pos::new(HPos::Center, VPos::Top));
                // A centred first label would begin outside of the picture.
                let half = (label.chars().count() as f64 * CHARACTER_PX / 2.0).ceil() as i32;
                let x = at(ms).max(half * fine);
                root.draw(&Text::new(label, (x, bottom + 6 * fine), style))?;
            }
            for (i, row) in rows.iter().enumerate() {
                let top = i as i32 * ROW_PX * fine;
                let style = font(colour::INK).pos(Pos::new(HPos::Left, VPos::Top));
                root.draw(&Text::new(row.title(frame), (left, top + 3 * fine), style))?;
                let (from, to) = (top + NAME_PX * fine, top + (NAME_PX + BAR_PX) * fine);
                for stretch in row.stretches.iter().filter(|s| s.x.1 > s.x.0) {
                    // Every part is visible, however short.
                    let x = (at(stretch.x.0), at(stretch.x.1).max(at(stretch.x.0) + 1));
                    let corners = [(x.0, from), (x.1, to)];
                    root.draw(&Rectangle::new(corners, stretch.colour.filled()))?;
                }
                write!(
                    strips,
                    "<rect x=\"0\" y=\"{top}\" width=\"{width}\" height=\"{}\"><title>{}</title></rect>",
                    ROW_PX * fine,
                    escaped(&row.text)
                )?;
            }
            root.present()?;
        }
        let head = format!(
            "<svg class=\"plot {}\" role=\"img\" aria-label=\"{}\" ",
            frame.class,
            escaped(&self.description)
        );
        let svg = svg.replacen("<svg ", &head, 1);
        let end = svg.rfind("</svg>").unwrap_or(svg.len());
        let drawn = &svg[..end];
        Ok(format!("{drawn}<g class=\"strips\">{strips}</g></svg>"))
    }
}
