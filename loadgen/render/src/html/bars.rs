//! Rows of stretches on one scale, as SVG: a row's name above its bar, the parts of the bar side by side, and a transparent strip over
//! the row whose text is shown on hovering. Draws what it is given; must not know what the parts mean.

use std::fmt::Write as _;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis::Axis;
use super::colour::{self, Colour};
use super::plot::{CHARACTER_PX, FINE, Frame, escaped, font, stroke};

/// Heights, in pixels as shown.
const ROW_PX: i32 = 38;
const NAME_PX: i32 = 17;
const BAR_PX: i32 = 15;
const AXIS_PX: i32 = 26;
/// Room to the left, and to the right for half a label.
const LEFT_PX: i32 = 4;
const RIGHT_PX: i32 = 30;
/// Rows drawn.
const ROWS_MAX: usize = 60;

/// A stretch of a row, in milliseconds.
pub struct Stretch {
    /// From and to; one that ends before it begins is not drawn.
    pub x: (f64, f64),
    /// Its colour.
    pub colour: Colour,
}

/// A row.
pub struct Row {
    /// Above its bar; plain text, cut where there is no room.
    pub name: String,
    /// Behind its name.
    pub value: String,
    /// From left to right.
    pub stretches: Vec<Stretch>,
    /// Said on hovering; lines of plain text.
    pub text: String,
}

/// Everything on one picture.
pub struct Bars {
    /// What it shows, for those who can't see it.
    pub description: String,
    /// From top to bottom.
    pub rows: Vec<Row>,
}

impl Row {
    fn title(&self, frame: Frame) -> String {
        let room = f64::from(frame.width_px) / CHARACTER_PX;
        let room = (room as usize).saturating_sub(self.value.chars().count() + 4);
        let cut = match self.name.chars().count() > room {
            true => "…",
            false => "",
        };
        let name: String = self.name.chars().take(room).collect();
        format!("{name}{cut}: {}", self.value)
    }
}

impl Bars {
    /// As an `svg` element.
    ///
    /// # Errors
    /// Those of the backend, which writes into memory.
    pub fn svg(&self, frame: Frame) -> Result<String, Box<dyn std::error::Error>> {
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
                // The first label would begin outside.
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
                    // What is there is seen, however short.
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
