//! The colours of the plots: Okabe and Ito's palette, darkened for a white background. The SVG contains the colours of a light page. The
//! style sheet replaces each colour on a dark page and adds its dashes, so that lines differ by more than colour.

use plotters::style::RGBColor;

/// A colour of the plots and the style sheet.
pub type Colour = RGBColor;

/// Text and axes.
pub const INK: Colour = RGBColor(0x3A, 0x42, 0x4C);
/// Grid lines.
pub const GRID: Colour = RGBColor(0xDF, 0xE3, 0xE8);
/// The background of the warm-up, which is not measured.
pub const WARM_UP: Colour = RGBColor(0xEE, 0xF0, 0xF3);
/// The line at the end of a stage.
pub const MARK: Colour = RGBColor(0x8A, 0x93, 0x9E);

/// The background of a fault or a held rate.
pub const FAULT: Colour = RGBColor(0xFB, 0xE3, 0xDD);
/// The edge and the label of a fault.
pub const FAULT_EDGE: Colour = RGBColor(0xB3, 0x3A, 0x1E);

/// Blue, solid.
pub const BLUE: Colour = RGBColor(0x00, 0x72, 0xB2);
/// Vermilion, long dashes.
pub const VERMILION: Colour = RGBColor(0xD5, 0x5E, 0x00);
/// Green, short dashes.
pub const GREEN: Colour = RGBColor(0x00, 0x8F, 0x6B);
/// Purple, dots.
pub const PURPLE: Colour = RGBColor(0xB8, 0x55, 0x8E);

/// The colours of lines without an order.
pub const LINES: [Colour; 8] = [
    BLUE,
    VERMILION,
    GREEN,
    PURPLE,
    RGBColor(0xA6, 0x76, 0x00),
    RGBColor(0x3B, 0x9B, 0xD1),
    RGBColor(0x5A, 0x5A, 0x5A),
    RGBColor(0x7A, 0x3B, 0x2E),
];

/// Shades of the heat map from few to many requests: light to dark on a light page, dark to light on a dark one.
pub const HEAT: [Colour; 9] = [
    RGBColor(0xE6, 0xF1, 0xF8),
    RGBColor(0xC9, 0xE1, 0xF0),
    RGBColor(0xA6, 0xCE, 0xE5),
    RGBColor(0x7C, 0xB6, 0xD9),
    RGBColor(0x53, 0x9C, 0xCA),
    RGBColor(0x31, 0x80, 0xB6),
    RGBColor(0x1A, 0x63, 0x9B),
    RGBColor(0x0E, 0x47, 0x7A),
    RGBColor(0x08, 0x2D, 0x55),
];

/// The colour as `#RRGGBB`, as written in the SVG.
pub fn hex(colour: Colour) -> String {
    format!("#{:02X}{:02X}{:02X}", colour.0, colour.1, colour.2)
}
