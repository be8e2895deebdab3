//! Exact decimal numbers from text: prices to whole cents and quantities to whole pieces, never through floating
//! point: a bill must equal the sum of its products' prices to the cent.

/// A decimal number as written: `mantissa / 10^decimals`.
struct Decimal {
    mantissa: i128,
    decimals: u32,
}

/// More digits than any price has; keeps every product below in `i128`.
const DIGITS_MAX: usize = 24;

/// The highest readable price, in cents: no shop has higher ones, and sums stay within `i128`.
pub(super) const PRICE_CENTS_MAX: i64 = 1_000_000_000_000;

/// A unit price in cents: `text × scale`, rounded half away from zero. A currency may stand before or behind the number. `None` if it is
/// no number or too large.
pub(super) fn price_cents(text: &str, scale: u32, separator: char) -> Option<i64> {
    let Decimal { mantissa, decimals } = decimal(without_currency(text)?, separator)?;
    let divisor = 10_i128.pow(decimals);
    let scaled = mantissa * i128::from(scale);
    let (whole, rest) = (scaled / divisor, scaled % divisor);
    let away = if rest.abs() * 2 >= divisor {
        rest.signum()
    } else {
        0
    };
    let cents = i64::try_from(whole + away).ok()?;
    (cents.abs() <= PRICE_CENTS_MAX).then_some(cents)
}

/// A quantity: a whole number, which may be written `6`, `6.00` or `1,000`. `None` if it is anything else.
pub(super) fn pieces(text: &str, separator: char) -> Option<i64> {
    let Decimal { mantissa, decimals } = decimal(Signed::read(text), separator)?;
    let divisor = 10_i128.pow(decimals);
    if mantissa % divisor != 0 {
        return None;
    }
    i64::try_from(mantissa / divisor).ok()
}

/// A number's text without its sign.
struct Signed<'a> {
    negative: bool,
    text: &'a str,
}

impl<'a> Signed<'a> {
    /// Takes one sign off: before the number, behind it, or the brackets of an accountant.
    fn read(text: &'a str) -> Self {
        let text = text.trim();
        // `49,-` is 49 without cents.
        if let Some(whole) = [",-", ".-", ",\u{2013}"]
            .iter()
            .find_map(|end| text.strip_suffix(end))
        {
            return Self::read(whole);
        }
        let inside = text.strip_prefix('(').and_then(|t| t.strip_suffix(')'));
        let minus = |c: char| matches!(c, '-' | '\u{2212}');
        let negative = inside
            .or_else(|| text.strip_prefix(minus))
            .or_else(|| text.strip_suffix(minus));
        let unsigned = negative.unwrap_or(text);
        let plus = unsigned.strip_prefix('+').filter(|_| negative.is_none());
        Self {
            negative: negative.is_some(),
            text: plus.unwrap_or(unsigned).trim(),
        }
    }
}

/// The most characters of a currency, such as `€`, `USD`, `Rs.` or `CA$`.
const CURRENCY_CHARS_MAX: usize = 4;

/// Takes a currency off one end. The sign may be on either side of it. `None` if both ends have one, or if it is too long for one.
fn without_currency(text: &str) -> Option<Signed<'_>> {
    let outer = Signed::read(text);
    let end = |c: char| c.is_ascii_digit() || matches!(c, '.' | ',' | '-' | '+' | '\u{2212}' | '(');
    // A dot after letters is theirs: `Rs.500`.
    let letters = outer.text.trim_start_matches(|c: char| !end(c));
    let from = outer.text.len() - letters.len();
    let from = match outer.text[..from].trim_end().ends_with(char::is_alphabetic) {
        true => from + usize::from(letters.starts_with('.')),
        false => from,
    };
    let (before, rest) = outer.text.split_at(from);
    let is_mark = |c: char| !end(c) && c != ')';
    // Behind the number it is, too: `49,00 kr.`
    let short = rest
        .strip_suffix('.')
        .filter(|rest| rest.ends_with(is_mark));
    let number = short.unwrap_or(rest).trim_end_matches(is_mark);
    let (before, after) = (before.trim(), rest[number.len()..].trim());
    let fits = |currency: &str| {
        currency.chars().count() <= CURRENCY_CHARS_MAX
            && !currency.contains(|c: char| c.is_whitespace() || matches!(c, '%' | '/' | '*' | '='))
    };
    match (before, after) {
        ("", "") => Some(outer),
        (currency, "") | ("", currency) if fits(currency) => {
            let inner = Signed::read(number);
            (!(outer.negative && inner.negative)).then_some(Signed {
                negative: outer.negative || inner.negative,
                text: inner.text,
            })
        }
        _ => None,
    }
}

/// `digits[separator digits]`, with a digit on at least one side of the separator. The digits before it may be in groups of thousands.
fn decimal(number: Signed<'_>, separator: char) -> Option<Decimal> {
    let (whole, fraction) = number
        .text
        .split_once(separator)
        .unwrap_or((number.text, ""));
    let whole = without_groups(whole, separator)?;
    let digits = whole.len() + fraction.len();
    if digits == 0 || digits > DIGITS_MAX {
        return None;
    }
    let mut mantissa: i128 = 0;
    for byte in whole.bytes().chain(fraction.bytes()) {
        if !byte.is_ascii_digit() {
            return None;
        }
        mantissa = mantissa * 10 + i128::from(byte - b'0');
    }
    Some(Decimal {
        mantissa: if number.negative { -mantissa } else { mantissa },
        decimals: u32::try_from(fraction.len()).ok()?,
    })
}

/// The digits without the marks between thousands: the other separator, a space or an apostrophe, one kind in a number. The last group has
/// three digits; the others have three, or two as in India; the first has at least one. `None` if the marks stand anywhere else.
fn without_groups(whole: &str, separator: char) -> Option<String> {
    let is_mark = |c: char| match c {
        '.' | ',' => c != separator,
        '\'' | '\u{2019}' | ' ' | '\u{a0}' | '\u{202f}' | '\u{2009}' => true,
        _ => false,
    };
    let Some(mark) = whole.chars().find(|c| is_mark(*c)) else {
        return Some(whole.to_owned());
    };
    let groups: Vec<&str> = whole.split(mark).collect();
    let (last, others) = groups.split_last()?;
    let (first, middle) = others.split_first()?;
    let fits = last.len() == 3
        && (1..=3).contains(&first.len())
        && middle.iter().all(|group| matches!(group.len(), 2 | 3));
    fits.then(|| groups.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_become_exact_cents_rounded_half_away_from_zero() {
        let cases = [
            ("2.55", 100, Some(255)),
            ("1.15", 100, Some(115)), // 114.999… through a double
            ("8.165", 100, Some(817)),
            ("0.004", 100, Some(0)),
            ("0.005", 100, Some(1)),
            ("-0.005", 100, Some(-1)),
            ("-2.554", 100, Some(-255)),
            ("607.49", 100, Some(60_749)),
            ("3", 100, Some(300)),
            (".5", 100, Some(50)),
            ("5.", 100, Some(500)),
            ("+1.1", 100, Some(110)),
            ("1.2345", 1_000, Some(1_235)),
            ("199", 1, Some(199)),
            ("10000000000.00", 100, Some(PRICE_CENTS_MAX)),
            ("10000000000.01", 100, None),
            ("0000000000000000000000000001", 100, None),
            ("", 100, None),
            (".", 100, None),
            ("-", 100, None),
            ("1,5", 100, None),
            ("1e3", 100, None),
            ("NaN", 100, None),
            ("£2.55", 100, Some(255)),
            ("$1,234.50", 100, Some(123_450)),
            ("USD 310.00", 100, Some(31_000)),
            ("310.00 USD", 100, Some(31_000)),
            ("Rs.500", 100, Some(50_000)),
            ("49.00 kr.", 100, Some(4_900)),
            ("49.-", 100, Some(4_900)),
            ("CHF 1'049.-", 100, Some(104_900)),
            ("Rs. 12,34,567.50", 100, Some(123_456_750)),
            ("CA$5", 100, Some(500)),
            ("-$5.00", 100, Some(-500)),
            ("$-5.00", 100, Some(-500)),
            ("($5.00)", 100, Some(-500)),
            ("5.00-", 100, Some(-500)),
            ("\u{2212}5.00", 100, Some(-500)),
            ("1'234.50", 100, Some(123_450)),
            ("1 234 567.5", 100, Some(123_456_750)),
            ("1,234", 100, Some(123_400)),
            ("12,34", 100, None),
            ("1,2345", 100, None),
            ("1,234,56", 100, None),
            (",234", 100, None),
            ("1,234.567,8", 100, None),
            ("$ 5 USD", 100, None),
            ("dollars 5", 100, None),
            ("10%", 100, None),
            ("-$-5", 100, None),
            ("2 for 5", 100, None),
            ("--1", 100, None),
            ("1.2.3", 100, None),
        ];

        for (text, scale, expected) in cases {
            assert_eq!(price_cents(text, scale, '.'), expected, "{text:?}");
        }
        for (text, expected) in [
            ("2,55", Some(255)),
            ("1.234,50", Some(123_450)),
            ("749,00 €", Some(74_900)),
            ("2\u{a0}499,00", Some(249_900)),
            ("1.5", None),
        ] {
            assert_eq!(price_cents(text, 100, ','), expected, "{text:?}");
        }
    }

    #[test]
    fn quantities_are_whole_numbers() {
        let cases = [
            ("6", Some(6)),
            ("-24", Some(-24)),
            ("6.00", Some(6)),
            ("0", Some(0)),
            ("1,000", Some(1_000)),
            ("1.5", None),
            ("$6", None),
            ("six", None),
            ("", None),
            ("99999999999999999999", None),
        ];

        for (text, expected) in cases {
            assert_eq!(pieces(text, '.'), expected, "{text:?}");
        }
    }
}
